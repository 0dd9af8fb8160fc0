// SPDX-License-Identifier: MIT
/* Requests for programs [proto/prog.h]: on the loader gate, which ned has, and on each program's own gate, which its
 * maker has; and how ned itself is started. */
#include "prog.h"
#include "wallclock.h"

#include <sk/sys.h>
#include <stdio.h>
#include <string.h>
#include <util/bits.h>

#define STRING_BYTES 3500 /* an argument: what fits into a message */

static struct server_source loader;

/* --- a program's gate ---------------------------------------------------------------------------------------- */

static int64_t do_string(struct program *p, struct msg *request, enum string_kind kind)
{
    char s[STRING_BYTES];

    msg_get_str(request, s, sizeof(s));
    int64_t err = msg_end(request);
    if (err < 0 || p->state != PROG_NEW) {
        return err < 0 ? err : SK_EBUSY;
    }
    if (kind == STRING_ENV && !strchr(s, '=')) {
        return SK_EINVAL;
    }
    return strings_add(p->strings, kind, s) < 0 ? SK_ENOMEM : SK_OK;
}

static int64_t do_cap(struct program *p, struct msg *request)
{
    char name[SK_NAME_MAX];

    msg_get_str(request, name, sizeof(name));
    cap_t cap = msg_get_cap(request);
    int64_t err = msg_end(request);
    if (err < 0 || p->state != PROG_NEW) {
        sys_cap_drop(cap);
        return err < 0 ? err : SK_EBUSY;
    }
    return program_add_cap(p, name, cap, RIGHT_ALL);
}

static int64_t do_start(struct program *p, struct msg *request)
{
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    return p->state == PROG_NEW ? program_start(p) : SK_EBUSY;
}

static int64_t do_bind(struct program *p, struct msg *request)
{
    cap_t signal = msg_get_cap(request);
    int64_t err = msg_end(request);

    if (err < 0) {
        sys_cap_drop(signal);
        return err;
    }
    if (p->notify != CAP_NULL) {
        sys_cap_drop(p->notify);
    }
    p->notify = signal;
    if (p->state >= PROG_EXITED) {
        sys_signal_raise(signal);
    }
    return SK_OK;
}

static int64_t do_status(struct program *p, struct msg *request, struct msg *reply)
{
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    msg_begin(reply, SK_OK);
    msg_put(reply, p->state);
    msg_put(reply, (uint64_t)p->code);
    msg_put_str(reply, p->reason);
    return SK_OK;
}

static int64_t do_kill(struct program *p, struct msg *request)
{
    int64_t err = msg_end(request);

    if (err >= 0 && p->state <= PROG_RUNNING) {
        p->code = 128;
        snprintf(p->reason, sizeof(p->reason), "killed");
        program_end(p, PROG_KILLED);
    }
    return err;
}

static int64_t do_stop(struct program *p, struct msg *request)
{
    uint64_t limit_ms = msg_get(request);
    int64_t err = msg_end(request);

    if (err >= 0) {
        program_stop(p, limit_ms);
    }
    return err;
}

static int64_t handle(void *ctx, struct msg *request, struct msg *reply)
{
    switch (request->op) {
    case PROTO_ID:
        return PROTO_PROG;
    case PROG_ARG:
        return do_string(ctx, request, STRING_ARG);
    case PROG_ENV:
        return do_string(ctx, request, STRING_ENV);
    case PROG_CAP:
        return do_cap(ctx, request);
    case PROG_START:
        return do_start(ctx, request);
    case PROG_BIND:
        return do_bind(ctx, request);
    case PROG_STATUS:
        return do_status(ctx, request, reply);
    case PROG_KILL:
        return do_kill(ctx, request);
    case PROG_STOP:
        return do_stop(ctx, request);
    default:
        return SK_ENOSYS;
    }
}

static void gate_unused(void *ctx)
{
    struct program *p = ctx;

    p->gate_open = false;
    if (p->state == PROG_RUNNING) {
        server_remove(&p->gate);
    } else {
        program_discard(p);
    }
}

/* --- the loader --------------------------------------------------------------------------------------------------- */

static int64_t hand_over(struct program *p, struct msg *reply)
{
    int64_t err = server_gate(&p->gate, CAP_NULL, handle, gate_unused, p, 1);

    if (err >= 0) {
        p->gate_open = true;
        err = server_reply_handover(&p->gate, reply);
    }
    if (err != SERVER_NO_REPLY) {
        program_discard(p);
    }
    return err;
}

static int64_t do_create(struct msg *request, struct msg *reply)
{
    char path[PATH_BYTES];

    msg_get_str(request, path, sizeof(path));
    uint64_t kernel_bytes = msg_get(request), priority = msg_get(request), cpus = msg_get(request);
    cap_t log = msg_get_cap(request), mem = msg_get_cap(request);
    int64_t err = msg_end(request);
    if (err < 0) {
        sys_cap_drop(log);
        sys_cap_drop(mem);
        return err;
    }
    struct program *p = program_make(path, kernel_bytes, priority, cpus, log, mem, &err);
    return p ? hand_over(p, reply) : err;
}

static int64_t do_log(struct msg *request, struct msg *reply)
{
    char tag[64], colour[32];

    msg_get_str(request, tag, sizeof(tag));
    msg_get_str(request, colour, sizeof(colour));
    int64_t err = msg_end(request);
    if (err < 0) {
        return err;
    }
    struct log_session *l = log_make(tag, colour, false, &err);
    return l ? log_hand_over(l, reply) : err;
}

static int64_t do_mem(struct msg *request, struct msg *reply)
{
    uint64_t bytes = msg_get(request);
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    struct account *a = bytes ? account_make(account_root(), bytes) : account_root();
    if (!a) {
        return SK_ENOMEM;
    }
    struct mem_session *s = mem_make(a, bytes != 0, &err);
    if (!s) {
        account_close(a);
        return err;
    }
    return mem_hand_over(s, reply);
}

static int64_t loader_handle(void *ctx, struct msg *request, struct msg *reply)
{
    (void)ctx;
    switch (request->op) {
    case PROTO_ID:
        return PROTO_PROG;
    case PROG_CREATE:
        return do_create(request, reply);
    case PROG_LOG:
        return do_log(request, reply);
    case PROG_MEM:
        return do_mem(request, reply);
    default:
        return SK_ENOSYS;
    }
}

void prog_init(void)
{
    int64_t err = server_gate(&loader, CAP_NULL, loader_handle, NULL, NULL, 2);

    if (err < 0) {
        moe_log("cannot serve the loader: %s", sk_strerror(err));
    }
}

/* --- ned ------------------------------------------------------------------------------------------------------------
 */

static int64_t add_ned_caps(struct program *p)
{
    const struct {
        const char *name;
        cap_t cap;
        uint32_t rights;
    } caps[] = {
        {"loader", loader.cap, RIGHT_CALL},
        {"icu", boot->irqctl, RIGHT_CTRL},
        {"iommu", boot->dmactl, RIGHT_CTRL},
        {"ioport", boot->ioport, RIGHT_R | RIGHT_W},
        {"sigma0", boot->device_memory, RIGHT_R | RIGHT_W}, /* with CTRL one holder could revoke everybody's */
        {"machine", boot->machine, RIGHT_CTRL},
    };
    int64_t err = SK_OK;

    for (size_t i = 0; i < ARRAY_SIZE(caps) && err >= 0; i++) {
        err = program_add_own_cap(p, caps[i].name, caps[i].cap, caps[i].rights);
    }
    return err;
}

static int64_t add_ned_strings(struct program *p, const char *path, char *const argv[])
{
    char rsdp[40], epoch[40];
    int res = strings_add(p->strings, STRING_ARG, path);

    for (int i = 0; argv[i]; i++) {
        res |= strings_add(p->strings, STRING_ARG, argv[i]);
    }
    snprintf(rsdp, sizeof(rsdp), "SKERRY_RSDP=0x%lx", boot->rsdp);
    res |= strings_add(p->strings, STRING_ENV, rsdp);
    snprintf(epoch, sizeof(epoch), "SKERRY_EPOCH=%lu", wallclock_epoch());
    res |= strings_add(p->strings, STRING_ENV, epoch);
    return res < 0 ? SK_ENOMEM : SK_OK;
}

/* Its sessions: the raw console and the memory of the machine. Gives the capabilities that ned will get. */
static int64_t make_ned_sessions(cap_t *log, cap_t *mem)
{
    int64_t err;
    struct log_session *l = log_make("", "", true, &err);
    struct mem_session *m = l ? mem_make(account_root(), false, &err) : NULL;

    if (!m) {
        return err;
    }
    err = sys_cap_copy(log_gate(l), RIGHT_CALL);
    if (err < 0) {
        return err;
    }
    *log = (cap_t)err;
    err = sys_cap_copy(mem_gate(m), RIGHT_CALL);
    if (err < 0) {
        return err;
    }
    *mem = (cap_t)err;
    return SK_OK;
}

bool prog_start_ned(const char *path, char *const argv[])
{
    cap_t log = CAP_NULL, mem = CAP_NULL;
    int64_t err = make_ned_sessions(&log, &mem);
    struct program *p = err < 0 ? NULL : program_make(path, 2 * KERNEL_DEFAULT, 0, 0, log, mem, &err);

    if (p) {
        err = add_ned_caps(p);
        if (err >= 0) {
            err = add_ned_strings(p, path, argv);
        }
        if (err >= 0) {
            err = program_start(p);
        }
    }
    if (err < 0) {
        moe_log("%s does not run: %s; nothing else will be started", path, sk_strerror(err));
        return false;
    }
    program_ned = p;
    return true;
}

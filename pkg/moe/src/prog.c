// SPDX-License-Identifier: MIT
/* Programs [proto/prog.h].
 *
 * NEW --PROG_START--> RUNNING --MOE_EXIT, fault, PROG_KILL--> EXITED, FAULTED, KILLED
 * A program's slot is free again when it has ended (or was never started) and its maker's gate is unused. At its end
 * everything it had goes back at once: its quota takes the kernel objects, image_destroy() the memory. */
#include "moe.h"
#include "stack.h"

#include <elf.h>
#include <proto/prog.h>
#include <rt/exception.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdio.h>
#include <string.h>
#include <util/bits.h>

#define PROGRAMS_MAX      64
#define PATH_BYTES        128
#define STRING_BYTES      3500 /* an argument: what fits into a message */
#define KERNEL_DEFAULT    (512ull << 10) /* seven times what nvme-drv needs with a client */
#define PRIORITY_DEFAULT  64u
#define PRIORITY_MAX      200u /* below moe's own */
#define DEBUG_TAG_BYTES   16

struct program {
    struct server_source gate;    /* the maker's */
    struct server_source session; /* the program's own: CAP_MOE */
    struct server_source ended;   /* raised by the kernel */
    bool in_use, gate_open;
    enum prog_state state;
    int64_t code;
    char reason[160];
    char path[PATH_BYTES];
    const char *name; /* in path */
    char tag[DEBUG_TAG_BYTES];
    struct program_image image;
    struct run *strings_run; /* while NEW */
    struct strings *strings;
    struct log_session *log; /* only its partial line is of interest, and only while the program runs */
    cap_t notify;
    struct sk_env env; /* cap: ours, while NEW */
    uint32_t rights[SK_ENV_MAX];
};
static struct program programs[PROGRAMS_MAX];
static struct server_source loader;
static struct program *ned;

/* --- making ------------------------------------------------------------------------------------------------ */

/* Owns cap from here on, also when it fails. */
static int64_t add_cap(struct program *p, const char *name, cap_t cap, uint32_t rights)
{
    int64_t err = SK_OK;

    for (uint32_t i = 0; i < p->env.count; i++) {
        if (strcmp(p->env.entry[i].name, name) == 0) {
            err = SK_EEXIST;
        }
    }
    if (name[0] == '\0' || strlen(name) >= SK_NAME_MAX) {
        err = SK_EINVAL;
    } else if (p->env.count == SK_ENV_MAX) {
        err = SK_ENOMEM;
    }
    if (err < 0) {
        sys_cap_drop(cap);
        return err;
    }
    struct sk_env_entry *e = &p->env.entry[p->env.count];
    *e = (struct sk_env_entry){ .cap = cap };
    memcpy(e->name, name, strlen(name));
    p->rights[p->env.count++] = rights;
    return SK_OK;
}

/* Adds a copy of a capability that moe keeps. */
static int64_t add_own_cap(struct program *p, const char *name, cap_t cap, uint32_t rights)
{
    int64_t copy = sys_cap_copy(cap, rights);

    return copy < 0 ? copy : add_cap(p, name, (cap_t)copy, rights);
}

static void drop_new(struct program *p)
{
    for (uint32_t i = 0; i < p->env.count; i++) {
        sys_cap_drop(p->env.entry[i].cap);
    }
    p->env.count = 0;
    if (p->strings) {
        vm_unmap(p->strings, p->strings_run->size);
        p->strings = NULL;
    }
    if (p->strings_run) {
        (void)run_free(p->strings_run);
        p->strings_run = NULL;
    }
}

static int64_t make_strings(struct program *p)
{
    int64_t err = run_alloc(account_root(), sizeof(struct strings), 0, 0, true, &p->strings_run);

    if (err < 0) {
        return err;
    }
    p->strings = vm_map(p->strings_run->cap, 0, p->strings_run->size, RIGHT_R | RIGHT_W, &err);
    return err;
}

static struct program *take_slot(void)
{
    for (int i = 0; i < PROGRAMS_MAX; i++) {
        if (!programs[i].in_use) {
            programs[i] = (struct program){ .in_use = true };
            return &programs[i];
        }
    }
    return NULL;
}

static void discard(struct program *p)
{
    drop_new(p);
    image_destroy(&p->image);
    server_remove(&p->gate);
    server_remove(&p->session);
    server_remove(&p->ended);
    if (p->notify != CAP_NULL) {
        sys_cap_drop(p->notify);
    }
    p->in_use = false;
}

static int64_t session_handle(void *ctx, struct msg *request, struct msg *reply);
static void ended_event(void *ctx);

static int64_t load(struct program *p, uint64_t kernel_bytes, uint64_t priority, struct account *account)
{
    struct image_params params = {
        .path = p->path,
        .name = p->name,
        .kernel_bytes = kernel_bytes ? kernel_bytes : KERNEL_DEFAULT,
        .priority = priority ? (unsigned)min(priority, (uint64_t)PRIORITY_MAX) : PRIORITY_DEFAULT,
        .account = account,
    };
    int64_t err = image_load(&p->image, &params);

    if (err >= 0) {
        err = make_strings(p);
    }
    if (err >= 0) {
        err = server_gate(&p->session, CAP_NULL, session_handle, NULL, p, 0);
    }
    if (err >= 0) {
        err = server_signal(&p->ended, CAP_NULL, ended_event, p);
    }
    if (err >= 0) {
        err = sys_thread_set(p->image.thread, THREAD_EXIT_SIGNAL, p->ended.cap);
    }
    return err;
}

static void set_path(struct program *p, const char *path)
{
    snprintf(p->path, sizeof(p->path), "%s", path);
    const char *slash = strrchr(p->path, '/');
    p->name = slash ? slash + 1 : p->path;
}

/* A program in state NEW. Owns log and mem from here on. */
static struct program *make(const char *path, uint64_t kernel_bytes, uint64_t priority, cap_t log, cap_t mem,
                            int64_t *err)
{
    struct program *p = take_slot();
    struct account *account = mem_find(mem);

    if (!p) {
        moe_log("%s cannot be started: there are %d programs already", path, PROGRAMS_MAX);
        sys_cap_drop(log);
        sys_cap_drop(mem);
        *err = SK_ENOMEM;
        return NULL;
    }
    set_path(p, path);
    p->log = log_find(log);
    if (p->log) {
        snprintf(p->tag, sizeof(p->tag), "%s", log_tag(p->log));
    }
    *err = add_cap(p, "log", log, RIGHT_CALL);
    int64_t mem_err = add_cap(p, "mem", mem, RIGHT_CALL);
    *err = *err < 0 ? *err : mem_err;
    if (*err >= 0) {
        *err = load(p, kernel_bytes, priority, account ? account : account_root());
    }
    if (*err < 0) {
        discard(p);
        return NULL;
    }
    return p;
}

/* --- starting ---------------------------------------------------------------------------------------------- */

static int64_t grant_env(struct program *p)
{
    struct sk_env env = p->env;
    int64_t err = SK_OK;

    for (uint32_t i = 0; i < env.count; i++) {
        int64_t slot = sys_task_grant(p->image.task, env.entry[i].cap, p->rights[i], 0);
        if (slot < 0) {
            return slot;
        }
        env.entry[i].cap = (cap_t)slot;
    }
    void *page = vm_map(p->image.env->cap, 0, p->image.env->size, RIGHT_R | RIGHT_W, &err);
    if (!page) {
        return err;
    }
    memcpy(page, &env, sizeof(env));
    vm_unmap(page, p->image.env->size);
    return SK_OK;
}

static int64_t grant_fixed(struct program *p)
{
    const struct {
        cap_t cap, slot;
        uint32_t rights;
    } fixed[] = {
        { p->image.task, CAP_TASK, RIGHT_ALL },
        { p->image.thread, CAP_THREAD, RIGHT_ALL },
        { p->image.quota, CAP_QUOTA, RIGHT_ALL },
        { p->session.cap, CAP_MOE, RIGHT_CALL },
    };
    int64_t err = SK_OK;

    for (size_t i = 0; i < ARRAY_SIZE(fixed) && err >= 0; i++) {
        err = sys_task_grant(p->image.task, fixed[i].cap, fixed[i].rights, fixed[i].slot);
    }
    return err;
}

static int64_t make_stack(struct program *p, uint64_t *sp)
{
    const struct program_image *im = &p->image;
    const struct stack_aux aux[] = {
        { AT_PHDR, im->phdr_vaddr }, { AT_PHENT, im->phdr_size }, { AT_PHNUM, im->phdr_count },
        { AT_PAGESZ, PAGE_SIZE }, { AT_ENTRY, im->entry }, { AT_UID, 0 }, { AT_EUID, 0 }, { AT_GID, 0 },
        { AT_EGID, 0 }, { AT_SECURE, 0 }, { AT_SK_ENV, PROGRAM_ENV }, { AT_SK_UTCB, PROGRAM_UTCB },
        { AT_SK_FREE, PROGRAM_FREE }, { AT_SK_FREE_END, PROGRAM_FREE_END },
    };
    const uint64_t random[2] = { moe_random(), moe_random() };
    int64_t err = SK_OK;
    char *mem = vm_map(im->stack->cap, 0, im->stack->size, RIGHT_R | RIGHT_W, &err);

    if (!mem) {
        return err;
    }
    *sp = stack_build(mem, im->stack->size, PROGRAM_STACK_TOP, p->strings, p->path, random, aux, ARRAY_SIZE(aux));
    vm_unmap(mem, im->stack->size);
    return *sp ? SK_OK : SK_ENOMEM;
}

static int64_t start(struct program *p)
{
    uint64_t sp = 0;
    int64_t err = add_own_cap(p, "rom", rom_gate(), RIGHT_CALL);

    if (err == SK_EEXIST) { /* its maker gave it another */
        err = SK_OK;
    }
    if (err >= 0) {
        err = grant_fixed(p);
    }
    if (err >= 0) {
        err = grant_env(p);
    }
    if (err >= 0) {
        err = make_stack(p, &sp);
    }
    if (err >= 0) {
        err = sys_thread_start(p->image.thread, p->image.entry, sp, 0);
    }
    if (err < 0) {
        moe_log("%s cannot be started: %s", p->path, sk_strerror(err));
        return err;
    }
    p->state = PROG_RUNNING;
    drop_new(p);
    return SK_OK;
}

/* --- ending ---------------------------------------------------------------------------------------------------- */

static bool is_tagged(const struct program *p)
{
    return p->tag[0] != '\0';
}

static void report(const struct program *p)
{
    moe_log("program %s%s%s%s ended: %s", p->name, is_tagged(p) ? " (" : "", p->tag, is_tagged(p) ? ")" : "", p->reason);
}

/* p->reason and p->code are set. */
static void end(struct program *p, enum prog_state state)
{
    if (p->log) {
        log_end_line(p->log);
    }
    p->state = state;
    drop_new(p);
    image_destroy(&p->image);
    server_remove(&p->session);
    server_remove(&p->ended);
    mem_sweep();
    report(p);
    if (p->notify != CAP_NULL) {
        sys_signal_raise(p->notify);
    }
    if (p == ned) {
        moe_print_footprint();
    }
    if (!p->gate_open) {
        discard(p);
    }
}

static void end_exited(struct program *p, int64_t code)
{
    p->code = code;
    snprintf(p->reason, sizeof(p->reason), "exited with %ld", code);
    end(p, PROG_EXITED);
}

static void end_faulted(struct program *p)
{
    struct thread_info info;
    char cause[96];

    memcpy(&info, sk_utcb()->mr, sizeof(info));
    rt_exception_describe(&info.fault, cause, sizeof(cause));
    p->code = 128;
    snprintf(p->reason, sizeof(p->reason), "%s at ip 0x%lx", cause, info.fault.ip);
    end(p, PROG_FAULTED);
}

/* The main thread has stopped without a word to us. */
static void ended_event(void *ctx)
{
    struct program *p = ctx;
    struct sys_result r = sys_thread_info(p->image.thread);

    if (p->state != PROG_RUNNING) {
        return;
    }
    if (r.value == THREAD_FAULTED) {
        end_faulted(p);
    } else if (r.value == THREAD_EXITED) {
        end_exited(p, (int64_t)r.extra);
    } else if (r.value < 0) {
        p->code = 128;
        snprintf(p->reason, sizeof(p->reason), "destroyed its own main thread");
        end(p, PROG_KILLED);
    }
}

static int64_t session_handle(void *ctx, struct msg *request, struct msg *reply)
{
    struct program *p = ctx;

    (void)reply;
    if (request->op == PROTO_ID) {
        return PROTO_MOE;
    }
    if (request->op == MOE_STARTED) {
        if (p != ned) {
            return SK_EPERM;
        }
        moe_print_footprint();
        return SK_OK;
    }
    if (request->op != MOE_EXIT) {
        return SK_ENOSYS;
    }
    int64_t code = (int64_t)msg_get(request);
    if (msg_end(request) < 0) {
        return SK_EMSG;
    }
    end_exited(p, code);
    return SERVER_NO_REPLY;
}

/* --- requests of a program's maker --------------------------------------------------------------------------------- */

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
    return add_cap(p, name, cap, RIGHT_ALL);
}

static int64_t do_start(struct program *p, struct msg *request)
{
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    return p->state == PROG_NEW ? start(p) : SK_EBUSY;
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
        end(p, PROG_KILLED);
    }
    return err;
}

static int64_t handle(void *ctx, struct msg *request, struct msg *reply)
{
    switch (request->op) {
    case PROTO_ID: return PROTO_PROG;
    case PROG_ARG: return do_string(ctx, request, STRING_ARG);
    case PROG_ENV: return do_string(ctx, request, STRING_ENV);
    case PROG_CAP: return do_cap(ctx, request);
    case PROG_START: return do_start(ctx, request);
    case PROG_BIND: return do_bind(ctx, request);
    case PROG_STATUS: return do_status(ctx, request, reply);
    case PROG_KILL: return do_kill(ctx, request);
    default: return SK_ENOSYS;
    }
}

static void gate_unused(void *ctx)
{
    struct program *p = ctx;

    p->gate_open = false;
    if (p->state == PROG_RUNNING) {
        server_remove(&p->gate);
    } else {
        discard(p);
    }
}

/* --- the loader --------------------------------------------------------------------------------------------------- */

static int64_t hand_over(struct program *p, struct msg *reply)
{
    int64_t err = server_gate(&p->gate, CAP_NULL, handle, gate_unused, p, 1);

    if (err >= 0) {
        msg_begin(reply, SK_OK);
        msg_put_cap(reply, p->gate.cap, RIGHT_CALL);
        p->gate_open = true;
        err = server_reply_handover(&p->gate, reply);
    }
    if (err != SERVER_NO_REPLY) {
        discard(p);
    }
    return err;
}

static int64_t do_create(struct msg *request, struct msg *reply)
{
    char path[PATH_BYTES];

    msg_get_str(request, path, sizeof(path));
    uint64_t kernel_bytes = msg_get(request), priority = msg_get(request);
    cap_t log = msg_get_cap(request), mem = msg_get_cap(request);
    int64_t err = msg_end(request);
    if (err < 0) {
        sys_cap_drop(log);
        sys_cap_drop(mem);
        return err;
    }
    struct program *p = make(path, kernel_bytes, priority, log, mem, &err);
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
    case PROTO_ID: return PROTO_PROG;
    case PROG_CREATE: return do_create(request, reply);
    case PROG_LOG: return do_log(request, reply);
    case PROG_MEM: return do_mem(request, reply);
    default: return SK_ENOSYS;
    }
}

void prog_init(void)
{
    int64_t err = server_gate(&loader, CAP_NULL, loader_handle, NULL, NULL, 2);

    if (err < 0) {
        moe_log("cannot serve the loader: %s", sk_strerror(err));
    }
}

/* --- ned ------------------------------------------------------------------------------------------------------------ */

static int64_t add_ned_caps(struct program *p)
{
    const struct {
        const char *name;
        cap_t cap;
        uint32_t rights;
    } caps[] = {
        { "loader", loader.cap, RIGHT_CALL },       { "icu", boot->irqctl, RIGHT_ALL },
        { "iommu", boot->dmactl, RIGHT_ALL },       { "ioport", boot->ioport, RIGHT_ALL },
        { "sigma0", boot->device_memory, RIGHT_ALL }, { "machine", boot->machine, RIGHT_ALL },
    };
    int64_t err = SK_OK;

    for (size_t i = 0; i < ARRAY_SIZE(caps) && err >= 0; i++) {
        err = add_own_cap(p, caps[i].name, caps[i].cap, caps[i].rights);
    }
    return err;
}

static int64_t add_ned_strings(struct program *p, const char *path, char *const argv[])
{
    char rsdp[40];
    int res = strings_add(p->strings, STRING_ARG, path);

    for (int i = 0; argv[i]; i++) {
        res |= strings_add(p->strings, STRING_ARG, argv[i]);
    }
    snprintf(rsdp, sizeof(rsdp), "SKERRY_RSDP=0x%lx", boot->rsdp);
    res |= strings_add(p->strings, STRING_ENV, rsdp);
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
    struct program *p = err < 0 ? NULL : make(path, 2 * KERNEL_DEFAULT, 0, log, mem, &err);

    if (p) {
        err = add_ned_caps(p);
        if (err >= 0) {
            err = add_ned_strings(p, path, argv);
        }
        if (err >= 0) {
            err = start(p);
        }
    }
    if (err < 0) {
        moe_log("%s does not run: %s; nothing else will be started", path, sk_strerror(err));
        return false;
    }
    ned = p;
    return true;
}

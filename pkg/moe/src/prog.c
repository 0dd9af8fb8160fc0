// SPDX-License-Identifier: MIT
/* Programs [proto/prog.h].
 *
 * NEW --PROG_START--> RUNNING --MOE_EXIT, fault, PROG_KILL--> EXITED, FAULTED, KILLED
 * A program's slot is free again when it has ended (or was never started) and its maker's gate is unused. At its end
 * everything it had goes back at once: its quota takes the kernel objects, image_destroy() the memory. */
#include "prog.h"

#include <elf.h>
#include <rt/exception.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdio.h>
#include <string.h>
#include <util/bits.h>

#define PROGRAMS_MAX 64
#define PRIORITY_DEFAULT 64u
#define PRIORITY_MAX 200u /* below moe's own */

static struct program programs[PROGRAMS_MAX];
struct program *program_ned;

/* --- making ------------------------------------------------------------------------------------------------ */

/* Owns cap from here on, also when it fails. */
int64_t program_add_cap(struct program *p, const char *name, cap_t cap, uint32_t rights)
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
    *e = (struct sk_env_entry){.cap = cap};
    memcpy(e->name, name, strlen(name));
    p->rights[p->env.count++] = rights;
    return SK_OK;
}

/* Adds a copy of a capability that moe keeps. */
int64_t program_add_own_cap(struct program *p, const char *name, cap_t cap, uint32_t rights)
{
    int64_t copy = sys_cap_copy(cap, rights);

    return copy < 0 ? copy : program_add_cap(p, name, (cap_t)copy, rights);
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
            programs[i] = (struct program){.in_use = true};
            return &programs[i];
        }
    }
    return NULL;
}

static void stop_forget(struct program *p)
{
    server_remove(&p->limit);
    if (p->stop != CAP_NULL) {
        sys_cap_drop(p->stop);
        p->stop = CAP_NULL;
    }
}

void program_discard(struct program *p)
{
    drop_new(p);
    image_destroy(&p->image);
    server_remove(&p->gate);
    server_remove(&p->session);
    server_remove(&p->ended);
    if (p->notify != CAP_NULL) {
        sys_cap_drop(p->notify);
    }
    stop_forget(p);
    p->in_use = false;
}

static int64_t session_handle(void *ctx, struct msg *request, struct msg *reply);
static void ended_event(void *ctx);

static int64_t load(struct program *p, uint64_t kernel_bytes, uint64_t priority, uint64_t cpus, struct account *account)
{
    struct image_params params = {
        .path = p->path,
        .name = p->name,
        .kernel_bytes = kernel_bytes ? kernel_bytes : KERNEL_DEFAULT,
        .priority = priority ? (unsigned)min(priority, (uint64_t)PRIORITY_MAX) : PRIORITY_DEFAULT,
        .cpus = cpus,
        .account = account,
    };
    int64_t err = image_load(&p->image, &params);

    if (err >= 0) {
        err = make_strings(p);
    }
    if (err >= 0) {
        err = server_gate(&p->session, CAP_NULL, session_handle, NULL, p, 1);
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
struct program *program_make(const char *path, uint64_t kernel_bytes, uint64_t priority, uint64_t cpus, cap_t log,
                             cap_t mem, int64_t *err)
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
    *err = program_add_cap(p, "log", log, RIGHT_CALL);
    int64_t mem_err = program_add_cap(p, "mem", mem, RIGHT_CALL);
    *err = *err < 0 ? *err : mem_err;
    if (*err >= 0) {
        *err = load(p, kernel_bytes, priority, cpus, account ? account : account_root());
    }
    if (*err < 0) {
        program_discard(p);
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
        {p->image.task, CAP_TASK, RIGHT_ALL},
        {p->image.thread, CAP_THREAD, RIGHT_ALL},
        {p->image.quota, CAP_QUOTA, RIGHT_ALL},
        {p->session.cap, CAP_MOE, RIGHT_CALL},
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
        {AT_PHDR, im->phdr_vaddr},
        {AT_PHENT, im->phdr_size},
        {AT_PHNUM, im->phdr_count},
        {AT_PAGESZ, PAGE_SIZE},
        {AT_ENTRY, im->entry},
        {AT_UID, 0},
        {AT_EUID, 0},
        {AT_GID, 0},
        {AT_EGID, 0},
        {AT_SECURE, 0},
        {AT_SK_ENV, PROGRAM_ENV},
        {AT_SK_UTCB, PROGRAM_UTCB},
        {AT_SK_FREE, PROGRAM_FREE},
        {AT_SK_FREE_END, PROGRAM_FREE_END},
    };
    const uint64_t random[2] = {moe_random(), moe_random()};
    int64_t err = SK_OK;
    char *mem = vm_map(im->stack->cap, 0, im->stack->size, RIGHT_R | RIGHT_W, &err);

    if (!mem) {
        return err;
    }
    *sp = stack_build(mem, im->stack->size, PROGRAM_STACK_TOP, p->strings, p->path, random, aux, ARRAY_SIZE(aux));
    vm_unmap(mem, im->stack->size);
    return *sp ? SK_OK : SK_ENOMEM;
}

int64_t program_start(struct program *p)
{
    static uint64_t started;
    uint64_t sp = 0;

    if (machine_ends()) {
        return SK_EBUSY;
    }
    int64_t err = program_add_own_cap(p, "rom", rom_gate(), RIGHT_CALL);

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
    p->order = ++started;
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
    moe_log("program %s%s%s%s ended: %s", p->name, is_tagged(p) ? " (" : "", p->tag, is_tagged(p) ? ")" : "",
            p->reason);
}

/* p->reason and p->code are set. */
void program_end(struct program *p, enum prog_state state)
{
    if (p->log) {
        log_end_line(p->log);
    }
    p->state = state;
    drop_new(p);
    image_destroy(&p->image);
    server_remove(&p->session);
    server_remove(&p->ended);
    stop_forget(p);
    mem_sweep();
    report(p);
    if (p->notify != CAP_NULL) {
        sys_signal_raise(p->notify);
    }
    if (p == program_ned) {
        moe_print_footprint();
    }
    if (!p->gate_open) {
        program_discard(p);
    }
    machine_step();
}

struct program *program_last_started(void)
{
    struct program *last = NULL;

    for (int i = 0; i < PROGRAMS_MAX; i++) {
        struct program *p = &programs[i];

        if (p->in_use && p->state == PROG_RUNNING && p != program_ned && (!last || p->order > last->order)) {
            last = p;
        }
    }
    return last;
}

static void end_exited(struct program *p, int64_t code)
{
    p->code = code;
    snprintf(p->reason, sizeof(p->reason), "exited with %ld", code);
    program_end(p, PROG_EXITED);
}

static void end_faulted(struct program *p)
{
    struct thread_info info;
    char cause[96];

    memcpy(&info, sk_utcb()->mr, sizeof(info));
    rt_exception_describe(&info.fault, cause, sizeof(cause));
    p->code = 128;
    snprintf(p->reason, sizeof(p->reason), "%s at ip 0x%lx", cause, info.fault.ip);
    program_end(p, PROG_FAULTED);
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
        program_end(p, PROG_KILLED);
    }
}

static int64_t do_on_stop(struct program *p, struct msg *request)
{
    cap_t signal = msg_get_cap(request);
    int64_t err = signal == CAP_NULL ? SK_EMSG : msg_end(request);

    if (err >= 0 && p->stop != CAP_NULL) {
        err = SK_EEXIST;
    }
    if (err < 0) {
        sys_cap_drop(signal);
        return err;
    }
    p->stop = signal;
    return SK_OK;
}

/* What only ned may say. */
static int64_t ned_op(struct program *p, struct msg *request)
{
    if (p != program_ned) {
        return SK_EPERM;
    }
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    if (request->op == MOE_STARTED) {
        moe_print_footprint();
    } else {
        machine_end(request->op == MOE_POWER_OFF);
    }
    return SK_OK;
}

static int64_t session_handle(void *ctx, struct msg *request, struct msg *reply)
{
    struct program *p = ctx;

    (void)reply;
    switch (request->op) {
    case PROTO_ID:
        return PROTO_MOE;
    case MOE_STARTED:
    case MOE_END:
    case MOE_POWER_OFF:
        return ned_op(p, request);
    case MOE_ON_STOP:
        return do_on_stop(p, request);
    case MOE_EXIT:
        break;
    default:
        return SK_ENOSYS;
    }
    int64_t code = (int64_t)msg_get(request);
    if (msg_end(request) < 0) {
        return SK_EMSG;
    }
    end_exited(p, code);
    return SERVER_NO_REPLY;
}

// SPDX-License-Identifier: MIT
// Threads (kernel/thread.h): creation, end, faults, and their system calls.
#include <kernel/boot.h>
#include <kernel/core.h>
#include <kernel/log.h>
#include <kernel/quota.h>
#include <kernel/sys.h>

#define PAGE_FAULT_VECTOR 14   /* [SDM-3 6.3.1] */
#define RFLAGS_TF (1ull << 8)  /* [SDM-3 2.3] */
/* Page fault error code [SDM-3 4.7] */
#define PF_PRESENT (1u << 0)
#define PF_WRITE (1u << 1)
#define PF_FETCH (1u << 4)

void thread_complete_error(struct thread *t, int64_t rax)
{
    timer_cancel(&t->timer);
    t->ctx.regs.rax = (uint64_t)rax;
    t->state = THREAD_READY;
    sched_add(t, false);
}

void thread_complete(struct thread *t, int64_t rax, uint64_t rdx)
{
    t->ctx.regs.rdx = rdx;
    thread_complete_error(t, rax);
}

void thread_event_add(struct thread *t, struct event *e)
{
    uint64_t tag, label;

    list_push_back(&t->events, &e->node);
    if (t->state == THREAD_WAITING) {
        if (ipc_take_event(t, &tag, &label)) {
            thread_complete(t, (int64_t)tag, label);
        }
    } else if (t->state == THREAD_IN_GUEST && t->cpu == cpu_index()) {
        vcpu_thread_event(t);
    } else if (t->state == THREAD_IN_GUEST && sched_is_current(t)) {
        cpu_kick(t->cpu); /* its core_next() sees the event */
    }
}

bool thread_take_signal(struct thread *t, uint64_t *label)
{
    if (list_empty(&t->events) || list_first(&t->events, struct event, node)->kind != EVENT_SIGNAL) {
        return false;
    }
    *label = signal_take(container_of(list_first(&t->events, struct event, node), struct signal, event));
    return true;
}

static void thread_timeout(struct timer *timer)
{
    ipc_timeout(container_of(timer, struct thread, timer));
}

/* t stops whatever it does; its calls, in both parts, end. */
static void thread_halt(struct thread *t, enum thread_state state)
{
    context_stop(&t->ctx);
    if (t->state == THREAD_IN_GUEST) {
        vcpu_thread_abort(t);
    }
    ipc_abort(t);
    sched_remove(t);
    t->state = state;
}

/* The root task's end is nobody else's to report: without a word the machine would seem to hang. */
static void thread_report_root(const struct thread *t)
{
    kprintf("\nkernel: the root task's program %.8s ", t->name);
    if (t->state != THREAD_FAULTED) {
        kprintf("ended with code %ld", t->exit_code);
    } else if (t->fault.vector == FAULT_SYSCALL) {
        kprintf("died: foreign system call %lu without handler, at ip %lx", t->fault.rax, t->fault.ip);
    } else if (t->fault.vector == PAGE_FAULT_VECTOR) {
        kprintf("died: page fault %s %lx (%s) at ip %lx, sp %lx",
                (t->fault.error & PF_FETCH) != 0   ? "executing"
                : (t->fault.error & PF_WRITE) != 0 ? "writing"
                                                   : "reading",
                t->fault.address, (t->fault.error & PF_PRESENT) != 0 ? "not permitted" : "nothing is mapped there",
                t->fault.ip, t->fault.sp);
    } else {
        kprintf("died: %s, error code %lx, at ip %lx, sp %lx", trap_name(t->fault.vector), t->fault.error, t->fault.ip,
                t->fault.sp);
    }
    kprintf("; nothing new can run: reset the machine\n");
}

/* Nobody will serve t's gates; those who wait for its end are told. */
static void thread_end(struct thread *t, enum thread_state state)
{
    thread_halt(t, state);
    ipc_unbind_all(t);
    if (t->exit_signal != NULL) {
        signal_raise(signal_of(t->exit_signal));
    }
    if (t->is_root && state != THREAD_STOPPED) {
        thread_report_root(t);
    }
}

static void thread_set_exit_signal(struct thread *t, struct object *signal)
{
    struct object *old = t->exit_signal;

    if (signal != NULL) {
        object_get(signal);
    }
    t->exit_signal = signal;
    if (old != NULL) {
        object_put(old);
    }
}

static void thread_destroy(struct object *o)
{
    struct thread *t = thread_of(o);

    if (t->state == THREAD_EXITED || t->state == THREAD_FAULTED) {
        thread_set_exit_signal(t, NULL); /* raised already */
    }
    thread_end(t, THREAD_STOPPED);
    thread_set_exit_signal(t, NULL);
    sched_forget(t);
    mapping_remove(&t->utcb_map);
    quota_page_free(o->quota, t->utcb);
    quota_page_free(o->quota, t->ctx.fpu);
    t->utcb = NULL;
    list_remove(&t->task_node);
    object_put(&t->task->space.obj);
    t->task = NULL;
}

static void thread_free(struct object *o)
{
    quota_free(o->quota, thread_of(o), sizeof(struct thread));
}

static const struct object_ops thread_ops = {.name = "thread", .destroy = thread_destroy, .free = thread_free};

/* This one if it may, else the first that may. */
static uint8_t thread_first_cpu(const struct quota *q)
{
    return (uint8_t)((q->cpus >> cpu_index() & 1) != 0 ? cpu_index() : (unsigned)__builtin_ctzll(q->cpus));
}

static void thread_setup(struct thread *t, struct quota *q, struct task *task, uint8_t priority)
{
    object_init(&t->obj, &thread_ops, OBJ_THREAD, q);
    list_init(&t->run_node);
    list_init(&t->events);
    list_init(&t->bound_gates);
    list_init(&t->bound_signals);
    list_init(&t->call_node);
    list_init(&t->task_node);
    t->timer.fire = thread_timeout;
    t->state = THREAD_STOPPED;
    t->priority = priority;
    t->cpu = t->cpu_next = thread_first_cpu(q);
    t->task = task;
    object_get(&task->space.obj);
    list_push_back(&task->threads, &t->task_node);
    t->ctx.pt = &task->pt;
    fpu_state_init(t->ctx.fpu);
}

/* Pages for the UTCB and the FPU, and the UTCB's mapping. */
static int thread_pages_alloc(struct thread *t, struct quota *q, struct task *task, uint64_t utcb_va)
{
    int err = SK_ENOMEM;

    t->utcb = quota_page_alloc(q);
    t->ctx.fpu = quota_page_alloc(q);
    if (t->utcb != NULL && t->ctx.fpu != NULL) {
        err = space_map_page(&task->space, &t->utcb_map, utcb_va, t->utcb, RIGHT_R | RIGHT_W);
    }
    if (err != SK_OK) {
        if (t->utcb != NULL) {
            quota_page_free(q, t->utcb);
        }
        if (t->ctx.fpu != NULL) {
            quota_page_free(q, t->ctx.fpu);
        }
    }
    return err;
}

int thread_create(struct quota *q, struct task *task, uint64_t utcb_va, uint8_t priority, struct thread **out)
{
    struct thread *t = quota_alloc(q, sizeof(*t));

    if (t == NULL) {
        return SK_ENOMEM;
    }
    int err = thread_pages_alloc(t, q, task, utcb_va);
    if (err != SK_OK) {
        quota_free(q, t, sizeof(*t));
        return err;
    }
    thread_setup(t, q, task, priority);
    *out = t;
    return SK_OK;
}

void thread_start(struct thread *t, uint64_t ip, uint64_t sp, uint64_t arg)
{
    struct fpu_state *fpu = t->ctx.fpu;

    thread_halt(t, THREAD_READY);
    sched_forget(t);
    __builtin_memset(fpu, 0, PAGE_SIZE);
    fpu_state_init(fpu);
    context_init(&t->ctx, ip, sp, arg);
    t->ctx.fpu = fpu;
    t->ctx.pt = &t->task->pt;
    sched_add(t, false);
}

/* --- faults ---------------------------------------------------------------------------------------------------- */

static void fault_record(const struct thread *t, uint64_t vector, uint64_t error, uint64_t address,
                         struct utcb_fault *f)
{
    const struct regs *r = &t->ctx.regs;

    *f = (struct utcb_fault){
        .vector = vector,
        .error = error,
        .address = address,
        .ip = r->rip,
        .sp = r->rsp,
        .flags = r->rflags,
        .rax = r->rax,
        .rcx = r->rcx,
        .rdx = r->rdx,
        .rbx = r->rbx,
        .rbp = r->rbp,
        .rsi = r->rsi,
        .rdi = r->rdi,
        .r8 = r->r8,
        .r9 = r->r9,
        .r10 = r->r10,
        .r11 = r->r11,
        .r12 = r->r12,
        .r13 = r->r13,
        .r14 = r->r14,
        .r15 = r->r15,
    };
}

void thread_fault(struct thread *t, uint64_t vector, uint64_t error, uint64_t address)
{
    if (t->fault_handler != 0 && t->utcb->fault_armed != 0) {
        t->utcb->fault_armed = 0;
        fault_record(t, vector, error, address, &t->utcb->fault);
        t->ctx.regs.rip = t->fault_handler;
        t->ctx.regs.rflags &= ~RFLAGS_TF; /* else the handler's first instruction would fault, for good */
        t->ctx.entered_by_syscall = false;
        return;
    }
    fault_record(t, vector, error, address, &t->fault);
    thread_end(t, THREAD_FAULTED);
}

void core_fault(struct context *ctx, uint64_t address)
{
    struct thread *t = container_of(ctx, struct thread, ctx);

    core_stat.page_faults += ctx->regs.vector == PAGE_FAULT_VECTOR;
    thread_fault(t, ctx->regs.vector, ctx->regs.error, address);
}

/* --- system calls ------------------------------------------------------------------------------------------------ */

static int thread_lookup(struct thread *t, uint64_t cap, struct thread **out)
{
    struct object *o;
    int err = cap_lookup(t, cap, OBJ_THREAD, RIGHT_CTRL, &o);

    if (err == SK_OK) {
        *out = thread_of(o);
    }
    return err;
}

static int priority_check(const struct quota *q, uint64_t priority)
{
    if (priority > UINT8_MAX) {
        return SK_EINVAL;
    }
    return priority <= q->max_priority ? SK_OK : SK_EPERM;
}

int64_t sys_thread_create(struct thread *t, const struct sys_args *args)
{
    struct object *q, *task;
    struct thread *new;
    cap_t slot;
    int err = cap_lookup(t, args->a[0], OBJ_QUOTA, RIGHT_CTRL, &q);

    if (err == SK_OK) {
        err = cap_lookup(t, args->a[1], OBJ_TASK, RIGHT_CTRL, &task);
    }
    if (err == SK_OK) {
        err = priority_check(quota_of(q), args->a[3]);
    }
    if (err == SK_OK) {
        err = captable_reserve(t->task->caps, 1, &slot);
    }
    if (err == SK_OK) {
        err = thread_create(quota_of(q), task_of(task), args->a[2], (uint8_t)args->a[3], &new);
    }
    if (err != SK_OK) {
        return err;
    }
    captable_fill(t->task->caps, slot, &new->obj, RIGHT_ALL);
    return slot;
}

int64_t sys_thread_start(struct thread *t, const struct sys_args *args)
{
    struct thread *target;
    int err = thread_lookup(t, args->a[0], &target);

    if (err != SK_OK) {
        return err;
    }
    if (!is_user_address(args->a[1]) || !is_user_address(args->a[2])) {
        return SK_EINVAL;
    }
    thread_start(target, args->a[1], args->a[2], args->a[3]);
    return target == t ? SYS_NO_RESULT : SK_OK;
}

int64_t sys_thread_stop(struct thread *t, const struct sys_args *args)
{
    struct thread *target;
    int err = thread_lookup(t, args->a[0], &target);

    if (err != SK_OK) {
        return err;
    }
    if (target->state != THREAD_EXITED && target->state != THREAD_FAULTED) {
        thread_halt(target, THREAD_STOPPED);
    }
    return target == t ? SYS_NO_RESULT : SK_OK;
}

static int set_priority(struct thread *target, uint64_t value)
{
    int err = priority_check(target->obj.quota, value);

    if (err == SK_OK) {
        sched_set_priority(target, (uint8_t)value);
    }
    return err;
}

static int set_cpu(struct thread *target, uint64_t cpu)
{
    if (cpu >= cpu_count()) {
        return SK_ERANGE;
    }
    if ((target->obj.quota->cpus >> cpu & 1) == 0) {
        return SK_EPERM;
    }
    sched_set_cpu(target, (unsigned)cpu);
    return SK_OK;
}

static int set_address(uint64_t *field, uint64_t value)
{
    if (!is_user_address(value)) {
        return SK_EINVAL;
    }
    *field = value;
    return SK_OK;
}

static int set_exit_signal(struct thread *t, struct thread *target, uint64_t cap)
{
    struct object *o = NULL;
    int err = cap != CAP_NULL ? cap_lookup(t, cap, OBJ_SIGNAL, RIGHT_CALL, &o) : SK_OK;

    if (err == SK_OK) {
        thread_set_exit_signal(target, o);
    }
    return err;
}

int64_t sys_thread_set(struct thread *t, const struct sys_args *args)
{
    uint64_t value = args->a[2];
    struct thread *target;
    int err = thread_lookup(t, args->a[0], &target);

    if (err != SK_OK) {
        return err;
    }
    switch (args->a[1]) {
    case THREAD_PRIORITY:
        return set_priority(target, value);
    case THREAD_FS_BASE:
        return set_address(&target->ctx.fs_base, value);
    case THREAD_SYSCALL_HANDLER:
        return set_address(&target->syscall_handler, value);
    case THREAD_FAULT_HANDLER:
        return set_address(&target->fault_handler, value);
    case THREAD_EXIT_SIGNAL:
        return set_exit_signal(t, target, value);
    case THREAD_NAME:
        __builtin_memcpy(target->name, &value, sizeof(target->name));
        return SK_OK;
    case THREAD_CPU:
        return set_cpu(target, value);
    default:
        return SK_EINVAL;
    }
}

int64_t sys_thread_info(struct thread *t, const struct sys_args *args)
{
    struct thread_info *info = (struct thread_info *)t->utcb->mr;
    struct thread *target;
    int err = thread_lookup(t, args->a[0], &target);

    if (err != SK_OK) {
        return err;
    }
    context_sync(&target->ctx);
    info->state = target->state;
    info->exit_code = (uint64_t)target->exit_code;
    info->cpu_time_ns = sched_cpu_time_ns(target);
    info->priority = target->priority;
    info->cpu = target->cpu_next;
    if (target->state == THREAD_FAULTED) {
        info->fault = target->fault;
    } else {
        fault_record(target, 0, 0, 0, &info->fault);
    }
    t->ctx.regs.rdx = (uint64_t)target->exit_code;
    return target->state;
}

int64_t sys_thread_exit(struct thread *t, const struct sys_args *args)
{
    t->exit_code = (int64_t)args->a[0];
    thread_end(t, THREAD_EXITED);
    return SYS_NO_RESULT;
}

int64_t sys_thread_yield(struct thread *t, const struct sys_args *args)
{
    (void)args;
    sched_rotate(t);
    return SK_OK;
}

// SPDX-License-Identifier: MIT
/* Vcpus: a virtual processor of a guest, run by one thread at a time.
 *
 *   idle --SYS_VCPU_RUN--> runner = t, t IN_GUEST in its run queue; arch enters the guest whenever t is chosen
 *   running --exit to the VMM--> core_vcpu_exit()    --event for t--> vcpu_thread_event()
 *           --t stops or dies--> vcpu_thread_abort() --the vcpu dies--> vcpu_destroy() (t gets SK_EGONE)
 * Each of them ends in vcpu_release(): the vcpu is idle, and t is READY (abort: what the caller makes of it). */
#include <kernel/core.h>
#include <kernel/guest.h>
#include <kernel/sys.h>

#define GROUPS_GET (VCPU_GROUP_BASE | VCPU_GROUP_SEG | VCPU_GROUP_MSR | VCPU_GROUP_TSC)

static void vcpu_release(struct vcpu *v)
{
    struct thread *t = v->runner;

    v->runner = NULL;
    t->vcpu = NULL;
    t->ctx.vcpu = NULL;
}

/* The runner's SYS_VCPU_RUN returns; it never left its run queue. */
static void vcpu_complete(struct vcpu *v, int64_t rax)
{
    struct thread *t = v->runner;

    vcpu_release(v);
    t->state = THREAD_READY;
    t->ctx.regs.rax = (uint64_t)rax;
}

void core_vcpu_exit(struct context *ctx)
{
    vcpu_complete(container_of(ctx, struct thread, ctx)->vcpu, VCPU_EXIT);
}

void core_vcpu_yield(struct context *ctx)
{
    sched_spin(container_of(ctx, struct thread, ctx));
}

void vcpu_thread_event(struct thread *t)
{
    struct vcpu *v = t->vcpu;
    uint64_t label;

    vm_ops_get(NULL)->vcpu_pause(v->arch);
    if (thread_take_signal(t, &label)) {
        t->ctx.regs.rdx = label;
        vcpu_complete(v, VCPU_SIGNAL);
    } else {
        vcpu_complete(v, VCPU_EVENT);
    }
}

void vcpu_thread_abort(struct thread *t)
{
    struct vcpu *v = t->vcpu;

    vm_ops_get(NULL)->vcpu_pause(v->arch);
    vcpu_release(v);
}

static void vcpu_destroy(struct object *o)
{
    struct vcpu *v = vcpu_of(o);

    if (v->runner) {
        context_stop(&v->runner->ctx);
        vcpu_complete(v, SK_EGONE);
    }
    mapping_remove(&v->state_map);
    list_remove(&v->guest_node);
}

static void pages_free(struct quota *q, struct vcpu *v)
{
    for (unsigned i = 0; i < VM_VCPU_PAGES_MAX; i++) {
        if (v->pages[i]) {
            quota_page_free(q, v->pages[i]);
        }
    }
    if (v->state) {
        quota_page_free(q, v->state);
    }
}

static int pages_alloc(struct quota *q, struct vcpu *v)
{
    for (unsigned i = 0; i < vm_ops_get(NULL)->vcpu_pages; i++) {
        v->pages[i] = quota_page_alloc(q);
        if (!v->pages[i]) {
            return SK_ENOMEM;
        }
    }
    v->state = quota_page_alloc(q);
    return v->state ? SK_OK : SK_ENOMEM;
}

static void vcpu_free(struct object *o)
{
    struct vcpu *v = vcpu_of(o);
    struct guest *g = v->guest;

    vm_ops_get(NULL)->vcpu_fini(v->arch);
    g->arch.vcpus--;
    pages_free(o->quota, v);
    quota_free(o->quota, v, sizeof(*v));
    object_put(&g->space.obj);
}

static const struct object_ops vcpu_ops = { .name = "vcpu", .destroy = vcpu_destroy, .free = vcpu_free };

static int vcpu_setup(struct vcpu *v, struct quota *q, struct task *task, uint64_t state_va)
{
    int err = pages_alloc(q, v);

    if (err == SK_OK) {
        err = space_map_page(&task->space, &v->state_map, state_va, v->state, RIGHT_R | RIGHT_W);
    }
    if (err != SK_OK) {
        pages_free(q, v);
    }
    return err;
}

int64_t sys_vcpu_create(struct thread *t, const struct sys_args *args)
{
    struct object *guest, *task;
    struct create c;
    int err = cap_lookup(t, args->a[1], OBJ_GUEST, RIGHT_CTRL, &guest);

    if (err == SK_OK) {
        err = cap_lookup(t, args->a[2], OBJ_TASK, RIGHT_CTRL, &task);
    }
    if (err == SK_OK) {
        err = create_begin(&c, t, args->a[0], sizeof(struct vcpu));
    }
    if (err != SK_OK) {
        return err;
    }
    struct vcpu *v = c.mem;
    err = vcpu_setup(v, c.quota, task_of(task), args->a[3]);
    if (err != SK_OK) {
        create_abort(&c);
        return err;
    }
    v->guest = guest_of(guest);
    v->guest->arch.vcpus++;
    object_init(&v->obj, &vcpu_ops, OBJ_VCPU, c.quota);
    v->arch = vm_ops_get(NULL)->vcpu_init(v->pages, &v->guest->arch, v->state);
    object_get(guest);
    list_push_back(&v->guest->vcpus, &v->guest_node);
    return create_commit(&c, &v->obj, RIGHT_ALL);
}

/* Looks up a vcpu that nobody runs. */
static int vcpu_lookup_idle(struct thread *t, uint64_t cap, struct vcpu **out)
{
    struct object *o;
    int err = cap_lookup(t, cap, OBJ_VCPU, RIGHT_CTRL, &o);

    if (err != SK_OK) {
        return err;
    }
    *out = vcpu_of(o);
    return (*out)->runner ? SK_EBUSY : SK_OK;
}

int64_t sys_vcpu_run(struct thread *t, const struct sys_args *args)
{
    struct vcpu *v;
    int err = vcpu_lookup_idle(t, args->a[0], &v);

    if (err == SK_OK) {
        err = vm_ops_get(NULL)->vcpu_load(v->arch);
    }
    if (err != SK_OK) {
        return err;
    }
    v->runner = t;
    t->vcpu = v;
    t->ctx.vcpu = v->arch;
    t->state = THREAD_IN_GUEST;
    if (thread_has_event(t)) {
        vcpu_thread_event(t);
    }
    return SYS_NO_RESULT;
}

int64_t sys_vcpu_get(struct thread *t, const struct sys_args *args)
{
    struct vcpu *v;
    int err = vcpu_lookup_idle(t, args->a[0], &v);

    if (err == SK_OK && (args->a[1] & ~(uint64_t)GROUPS_GET)) {
        err = SK_EINVAL;
    }
    if (err == SK_OK) {
        vm_ops_get(NULL)->vcpu_get(v->arch, (uint32_t)args->a[1]);
    }
    return err;
}

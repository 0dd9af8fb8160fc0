// SPDX-License-Identifier: MIT
// What SVM and VMX share of a vcpu. See vm_vcpu.h.

#include "vm_vcpu.h"
#include "cpu.h"
#include "fpu.h"

static void gpr_copy(uint64_t *to, const uint64_t *from)
{
#pragma GCC unroll 16 /* a third of the instructions of the loop, at every exit */
    for (unsigned i = 0; i < GPR_COUNT; i++) {
        to[i] = from[i];
    }
}

static void fpu_reset(struct vcpu_arch *v)
{
    fpu_forget(v->fpu);
    __builtin_memset((void *)v->fpu, 0, PAGE_SIZE);
    fpu_state_init(v->fpu);
}

static void groups_load(struct vcpu_arch *v, uint32_t groups, const struct vcpu_state *s)
{
    if (groups & VCPU_GROUP_BASE) {
        gpr_copy(v->gpr, v->state->gpr); /* any value will do */
    }
    for (unsigned i = 0; i < VCPU_GROUPS_READABLE; i++) {
        if (groups & BIT(i)) {
            v->ops->load[i](v, s);
        }
    }
    if (groups & VCPU_GROUP_FPU) {
        fpu_reset(v);
    }
}

int vm_vcpu_load(struct vcpu_arch *v)
{
    const struct vm_present now = v->ops->present(v);
    struct vcpu_state *s = v->state;
    struct vm_request r;

    vm_request_copy(&r, s);
    enum vcpu_invalid bad = vm_request_check(&vm_limits, &r, &now);
    if (bad || (r.dirty & ~VCPU_GROUPS_ALL)) {
        s->exit = (struct vcpu_exit){ .reason = VCPU_EXIT_INVALID, .qual = bad };
        return SK_EINVAL;
    }
    groups_load(v, r.dirty, &r.s);
    v->ops->load_run(v, &r);
    s->run.inject = 0;
    s->dirty = 0;
    s->valid = 0;
    return SK_OK;
}

void vm_vcpu_get(struct vcpu_arch *v, uint32_t groups)
{
    if (groups & VCPU_GROUP_BASE) {
        gpr_copy(v->state->gpr, v->gpr);
    }
    for (unsigned i = 0; i < VCPU_GROUPS_READABLE; i++) {
        if (groups & BIT(i)) {
            v->ops->store[i](v, v->state);
        }
    }
    v->state->valid |= groups & VCPU_GROUPS_GET;
}

static void publish(struct vcpu_arch *v, struct vcpu_exit *e)
{
    struct vcpu_state *s = v->state;

    e->idt_vectoring = v->ops->event_take(v);
    gpr_copy(s->gpr, v->gpr);
    v->ops->store[0](v, s);
    s->exit = *e;
    s->exit.int_shadow = s->int_shadow != 0;
    s->dirty = 0;
    s->valid = VCPU_GROUP_BASE;
}

void vm_vcpu_pause(struct vcpu_arch *v)
{
    publish(v, &(struct vcpu_exit){ .reason = VCPU_EXIT_NONE });
}

void vm_vcpu_reset(struct vcpu_arch *v)
{
    vm_state_reset(v->state, vm_limits.signature);
    groups_load(v, VCPU_GROUPS_ALL, v->state);
}

enum vm_result vm_exit_tell(struct vcpu_arch *v, struct vcpu_exit *e)
{
    publish(v, e);
    core_stat.vm_exits_by_reason[e->reason]++;
    return VM_EXIT;
}

enum vm_result vm_exit_host(void)
{
    core_stat.vm_exits_by_reason[VCPU_EXIT_NONE]++;
    return VM_HOST_INTERRUPT;
}

struct irq_target *vm_doorbell(const struct vcpu_arch *v, uint16_t port, unsigned width, uint32_t eax)
{
    if (!v->guest->doorbells.count || width == 1) {
        return NULL;
    }
    return doorbell_match(&v->guest->doorbells, port, width == 2 ? eax & 0xffff : eax);
}

enum vm_result vm_exit_doorbell(struct irq_target *target)
{
    core_stat.vm_exits_by_reason[VCPU_EXIT_NONE]++;
    target->fire(target);
    return VM_DOORBELL;
}

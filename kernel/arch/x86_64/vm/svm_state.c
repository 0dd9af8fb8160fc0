// SPDX-License-Identifier: MIT
/* Guest state between the state page (abi/vcpu.h) and the VMCB.
 *
 * Loading is "decode, then commit": the dirty groups are copied out of the shared page, the copies are checked, and only
 * then the VMCB changes. EFER.SVME, which VMRUN demands, exists in the VMCB only. */

#include "cpu.h"
#include "fpu.h"
#include "svm.h"

#define RFLAGS_VM BIT(17)

/* The state that the request will meet. */
static struct vm_present present(const struct vcpu_arch *v)
{
    const struct vmcb_save *save = &v->vmcb->save;

    return (struct vm_present){
        .rflags = save->rflags,
        .efer = save->efer,
        .cr4 = save->cr4,
        .cs_attr = save->cs.attr,
        .shadow = (v->vmcb->control.interrupt_shadow & SVM_SHADOW) != 0,
        .nmi_blocked = v->nmi_blocked,
    };
}

/* [APM-2 15.5.1]: forced to 0 in real mode and to 3 in virtual-8086 mode, else the stack segment's DPL */
static uint8_t cpl_of(const struct vcpu_state *s)
{
    if (!(s->cr0 & CR0_PE)) {
        return 0;
    }
    return s->rflags & RFLAGS_VM ? 3 : (uint8_t)(s->ss.attr >> 5 & 3);
}

/* What the TLB holds under this vcpu's tag belongs to other paging than the VMM now sets. [APM-2 15.16] */
static bool paging_changes(const struct vmcb_save *save, const struct vcpu_state *s)
{
    return save->cr0 != s->cr0 || save->cr3 != s->cr3 || save->cr4 != s->cr4 || save->efer != (s->efer | EFER_SVME);
}

static void commit_base(struct vcpu_arch *v, const struct vcpu_state *s)
{
    struct vmcb_save *save = &v->vmcb->save;

    if (paging_changes(save, s)) {
        v->asid_generation = 0;
    }
#pragma GCC unroll 16 /* a third of the instructions of the loop, at every exit */
    for (unsigned i = 0; i < GPR_COUNT; i++) {
        v->gpr[i] = v->state->gpr[i];
    }
    save->rax = v->gpr[GPR_RAX];
    save->rsp = v->gpr[GPR_RSP];
    save->rip = s->rip;
    save->rflags = s->rflags;
    save->cr0 = s->cr0;
    save->cr2 = s->cr2;
    save->cr3 = s->cr3;
    save->cr4 = s->cr4;
    save->efer = s->efer | EFER_SVME;
    save->cs = s->cs;
    save->ss = s->ss;
    save->cpl = cpl_of(s);
    v->vmcb->control.interrupt_shadow = s->int_shadow ? SVM_SHADOW : 0;
}

static void commit_seg(struct vcpu_arch *v, const struct vcpu_state *s)
{
    struct vmcb_save *save = &v->vmcb->save;

    save->ds = s->ds;
    save->es = s->es;
    save->fs = s->fs;
    save->gs = s->gs;
    save->ldtr = s->ldtr;
    save->tr = s->tr;
    save->gdtr = s->gdtr;
    save->idtr = s->idtr;
}

static void commit_msr(struct vcpu_arch *v, const struct vcpu_state *s)
{
    struct vmcb_save *save = &v->vmcb->save;

    save->star = s->star;
    save->lstar = s->lstar;
    save->cstar = s->cstar;
    save->sfmask = s->sfmask;
    save->kernel_gs_base = s->kernel_gs_base;
    save->sysenter_cs = s->sysenter_cs;
    save->sysenter_esp = s->sysenter_esp;
    save->sysenter_eip = s->sysenter_eip;
    save->g_pat = s->pat;
    save->dr6 = s->dr6;
    save->dr7 = s->dr7;
    v->xcr0 = s->xcr0;
    v->tsc_aux = s->tsc_aux;
}

static void fpu_reset(struct vcpu_arch *v)
{
    fpu_forget(v->fpu);
    __builtin_memset((void *)v->fpu, 0, PAGE_SIZE);
    fpu_state_init(v->fpu);
}

/* V_IRQ with the VINTR intercept exits as soon as the guest can take an interrupt; no vector is ever delivered by it. */
static void commit_irq_window(struct vcpu_arch *v, bool wanted)
{
    struct vmcb_control *c = &v->vmcb->control;

    if (wanted) {
        c->v_intr |= SVM_V_IRQ;
        c->intercept1 |= SVM_I1_VINTR;
    } else {
        c->v_intr &= ~SVM_V_IRQ;
        c->intercept1 &= ~SVM_I1_VINTR;
    }
}

static void request_commit(struct vcpu_arch *v, const struct vm_request *r)
{
    if (r->dirty & VCPU_GROUP_BASE) {
        commit_base(v, &r->s);
    }
    if (r->dirty & VCPU_GROUP_SEG) {
        commit_seg(v, &r->s);
    }
    if (r->dirty & VCPU_GROUP_MSR) {
        commit_msr(v, &r->s);
    }
    if (r->dirty & VCPU_GROUP_TSC) {
        v->vmcb->control.tsc_offset = r->s.tsc_offset;
        v->tsc_ratio = r->s.tsc_ratio;
    }
    if (r->dirty & VCPU_GROUP_FPU) {
        fpu_reset(v);
    }
    v->vmcb->control.eventinj = r->inject;
    v->vmcb->control.nrip = v->vmcb->save.rip; /* what a software interrupt pushes, with NRIPS [APM-2 15.20] */
    if (r->inject && EVENT_TYPE(r->inject) == VCPU_EVENT_NMI) {
        svm_nmi_injected(v);
    }
    v->nmi_window = r->nmi_window;
    commit_irq_window(v, r->irq_window);
}

int svm_state_load(struct vcpu_arch *v)
{
    struct vcpu_state *s = v->state;
    const struct vm_present now = present(v);
    struct vm_request r;

    vm_request_copy(&r, s);
    enum vcpu_invalid bad = vm_request_check(&svm_cpu.limits, &r, &now);
    if (bad || (r.dirty & ~VCPU_GROUPS_ALL)) {
        s->exit = (struct vcpu_exit){ .reason = VCPU_EXIT_INVALID, .qual = bad };
        return SK_EINVAL;
    }
    request_commit(v, &r);
    if (v->guest->vcpus > 1) { /* PAUSE means that one waits for another; with a filter it is intercepted anyway */
        v->vmcb->control.intercept1 |= SVM_I1_PAUSE;
    }
    s->run.inject = 0;
    s->dirty = 0;
    s->valid = 0;
    return SK_OK;
}

/* The VMCB's unused attribute bits are undefined. */
static struct vcpu_seg seg_get(struct vcpu_seg s)
{
    s.attr &= 0xfff;
    return s;
}

static void publish_base(struct vcpu_arch *v)
{
    const struct vmcb_save *save = &v->vmcb->save;
    struct vcpu_state *s = v->state;

#pragma GCC unroll 16 /* a third of the instructions of the loop, at every exit */
    for (unsigned i = 0; i < GPR_COUNT; i++) {
        s->gpr[i] = v->gpr[i];
    }
    s->gpr[GPR_RAX] = save->rax;
    s->gpr[GPR_RSP] = save->rsp;
    s->rip = save->rip;
    s->rflags = save->rflags;
    s->cr0 = save->cr0;
    s->cr2 = save->cr2;
    s->cr3 = save->cr3;
    s->cr4 = save->cr4;
    s->efer = save->efer & ~EFER_SVME;
    s->cs = seg_get(save->cs);
    s->ss = seg_get(save->ss);
    s->int_shadow = v->vmcb->control.interrupt_shadow & SVM_SHADOW;
    s->cpl = save->cpl;
}

static void publish_seg(struct vcpu_arch *v)
{
    const struct vmcb_save *save = &v->vmcb->save;
    struct vcpu_state *s = v->state;

    s->ds = seg_get(save->ds);
    s->es = seg_get(save->es);
    s->fs = seg_get(save->fs);
    s->gs = seg_get(save->gs);
    s->ldtr = seg_get(save->ldtr);
    s->tr = seg_get(save->tr);
    s->gdtr = (struct vcpu_seg){ .limit = save->gdtr.limit & 0xffff, .base = save->gdtr.base };
    s->idtr = (struct vcpu_seg){ .limit = save->idtr.limit & 0xffff, .base = save->idtr.base };
}

static void publish_msr(struct vcpu_arch *v)
{
    const struct vmcb_save *save = &v->vmcb->save;
    struct vcpu_state *s = v->state;

    s->star = save->star;
    s->lstar = save->lstar;
    s->cstar = save->cstar;
    s->sfmask = save->sfmask;
    s->kernel_gs_base = save->kernel_gs_base;
    s->sysenter_cs = save->sysenter_cs;
    s->sysenter_esp = save->sysenter_esp;
    s->sysenter_eip = save->sysenter_eip;
    s->pat = save->g_pat;
    s->dr6 = save->dr6;
    s->dr7 = save->dr7;
    s->xcr0 = v->xcr0;
    s->debugctl = 0;
    s->tsc_aux = v->tsc_aux;
}

void svm_state_get(struct vcpu_arch *v, uint32_t groups)
{
    if (groups & VCPU_GROUP_BASE) {
        publish_base(v);
    }
    if (groups & VCPU_GROUP_SEG) {
        publish_seg(v);
    }
    if (groups & VCPU_GROUP_MSR) {
        publish_msr(v);
    }
    if (groups & VCPU_GROUP_TSC) {
        v->state->tsc_offset = v->vmcb->control.tsc_offset;
        v->state->tsc_ratio = v->tsc_ratio;
    }
    v->state->valid |= groups & VCPU_GROUPS_GET;
}

void svm_state_publish(struct vcpu_arch *v, const struct vcpu_exit *e)
{
    struct vcpu_state *s = v->state;

    s->exit = *e;
    s->exit.int_shadow = v->vmcb->control.interrupt_shadow & SVM_SHADOW;
    publish_base(v);
    s->dirty = 0;
    s->valid = VCPU_GROUP_BASE;
}

void svm_state_init(struct vcpu_arch *v)
{
    struct vcpu_state *s = v->state;

    vm_state_reset(s, svm_cpu.signature);
    commit_base(v, s);
    commit_seg(v, s);
    commit_msr(v, s);
    v->vmcb->control.tsc_offset = 0;
    v->tsc_ratio = s->tsc_ratio;
    fpu_reset(v);
}

uint64_t svm_event_take(struct vcpu_arch *v)
{
    struct vmcb_control *c = &v->vmcb->control;
    uint64_t event = c->eventinj & VCPU_EVENT_VALID ? c->eventinj : 0;

    c->eventinj = 0;
    if (event && EVENT_TYPE(event) == VCPU_EVENT_NMI) {
        /* not taken after all */
        v->nmi_blocked = false;
        c->intercept1 &= ~SVM_I1_IRET;
    }
    return event;
}

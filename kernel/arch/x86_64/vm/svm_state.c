// SPDX-License-Identifier: MIT
/* Guest state between the state page (abi/vcpu.h) and the VMCB. EFER.SVME, which VMRUN demands, exists in the VMCB only. */

#include "cpu.h"
#include "svm.h"

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
        v->tag_generation = 0;
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

static void commit_tsc(struct vcpu_arch *v, const struct vcpu_state *s)
{
    v->vmcb->control.tsc_offset = s->tsc_offset;
    v->tsc_ratio = s->tsc_ratio;
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

static void commit_run(struct vcpu_arch *v, const struct vm_request *r)
{
    v->vmcb->control.eventinj = r->inject;
    v->vmcb->control.nrip = v->vmcb->save.rip; /* what a software interrupt pushes, with NRIPS [APM-2 15.20] */
    if (r->inject && EVENT_TYPE(r->inject) == VCPU_EVENT_NMI) {
        svm_nmi_injected(v);
    }
    v->nmi_window = r->nmi_window;
    commit_irq_window(v, r->irq_window);
    if (v->guest->vcpus > 1) { /* PAUSE means that one waits for another; with a filter it is intercepted anyway */
        v->vmcb->control.intercept1 |= SVM_I1_PAUSE;
    }
}

/* The VMCB's unused attribute bits are undefined. */
static struct vcpu_seg seg_get(struct vcpu_seg s)
{
    s.attr &= 0xfff;
    return s;
}

static void publish_base(const struct vcpu_arch *v, struct vcpu_state *s)
{
    const struct vmcb_save *save = &v->vmcb->save;

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

static void publish_seg(const struct vcpu_arch *v, struct vcpu_state *s)
{
    const struct vmcb_save *save = &v->vmcb->save;

    s->ds = seg_get(save->ds);
    s->es = seg_get(save->es);
    s->fs = seg_get(save->fs);
    s->gs = seg_get(save->gs);
    s->ldtr = seg_get(save->ldtr);
    s->tr = seg_get(save->tr);
    s->gdtr = (struct vcpu_seg){ .limit = save->gdtr.limit & 0xffff, .base = save->gdtr.base };
    s->idtr = (struct vcpu_seg){ .limit = save->idtr.limit & 0xffff, .base = save->idtr.base };
}

static void publish_msr(const struct vcpu_arch *v, struct vcpu_state *s)
{
    const struct vmcb_save *save = &v->vmcb->save;

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

static void publish_tsc(const struct vcpu_arch *v, struct vcpu_state *s)
{
    s->tsc_offset = v->vmcb->control.tsc_offset;
    s->tsc_ratio = v->tsc_ratio;
}

static uint64_t event_take(struct vcpu_arch *v)
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

const struct vm_state_ops svm_state_ops = {
    .present = present,
    .load = { commit_base, commit_seg, commit_msr, commit_tsc },
    .load_run = commit_run,
    .store = { publish_base, publish_seg, publish_msr, publish_tsc },
    .event_take = event_take,
};

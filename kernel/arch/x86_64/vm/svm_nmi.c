// SPDX-License-Identifier: MIT
/* NMI masking of a guest.
 *
 * The hardware injects an NMI whenever it is told to; that the processor masks further NMIs until the handler's IRET
 * is left to software [APM-2 15.21.10]. After an injection IRET is intercepted; the intercept comes before the
 * instruction, so the guest is stepped over it with RFLAGS.TF (IRET loads the flags anew, so that the guest does not
 * see it), and #DB says that it is done. Other exits during the step mean that IRET is still ahead:
 *
 *   OPEN --inject--> BLOCKED (IRET intercepted) --IRET--> STEPPING (#DB intercepted) --#DB--> OPEN
 *                        ^----------------------any other exit-------'
 *
 * An interrupt shadow is stepped over in the same way when the VMM waits for a window. An IRET that faults inside
 * the guest leaves TF in the flags that its handler's frame holds; the handler returns to the IRET with it, which steps it. */

#include "svm.h"
#include "cpu.h"

static void step_begin(struct vcpu_arch *v)
{
    struct vmcb *m = v->vmcb;

    v->stepping = true;
    v->step_tf = (m->save.rflags & RFLAGS_TF) != 0;
    m->save.rflags |= RFLAGS_TF;
    m->control.intercept_exceptions |= 1u << EXCP_DB;
    m->control.intercept1 &= ~SVM_I1_IRET;
}

static void step_end(struct vcpu_arch *v)
{
    v->stepping = false;
    v->vmcb->control.intercept_exceptions &= ~(1u << EXCP_DB);
}

void svm_nmi_injected(struct vcpu_arch *v)
{
    v->nmi_blocked = true;
    v->vmcb->control.intercept1 |= SVM_I1_IRET;
}

bool svm_nmi_prepare(struct vcpu_arch *v)
{
    if (!v->nmi_window || v->nmi_blocked) {
        return false;
    }
    if (svm_nmi_open(v)) {
        return true;
    }
    if (!v->stepping) {
        step_begin(v);
    }
    return false;
}

void svm_nmi_iret(struct vcpu_arch *v) { step_begin(v); }

void svm_nmi_debug(struct vcpu_arch *v)
{
    struct vmcb_save *save = &v->vmcb->save;

    step_end(v);
    if (!v->nmi_blocked && !v->step_tf) {
        save->rflags &= ~RFLAGS_TF; /* IRET has loaded its own */
    }
    v->nmi_blocked = false;
    if (!v->step_tf) {
        save->dr6 &= ~DR6_BS;
    }
    /* what else the guest's debug registers or its TF have caused is the guest's */
    if (v->step_tf || (save->dr6 & FIELD(3, 0))) {
        v->vmcb->control.eventinj = VCPU_EVENT_VALID | VCPU_EVENT_EXCP | EXCP_DB;
    }
}

void svm_nmi_unstep(struct vcpu_arch *v)
{
    if (!v->stepping) {
        return;
    }
    step_end(v);
    if (!v->step_tf) {
        v->vmcb->save.rflags &= ~RFLAGS_TF;
    }
    if (v->nmi_blocked) {
        v->vmcb->control.intercept1 |= SVM_I1_IRET;
    }
}

// SPDX-License-Identifier: MIT
/* What guests need under QEMU's TCG (7.2), which emulates SVM with two faults:
 *
 *   - An interrupt in EVENTINJ stays in its processor's mind until another event: if the processor has to stop before
 *     that, it delivers the interrupt again, whatever the guest's IF. Other types of events are forgotten properly.
 *   - VMRUN with V_IRQ sets a bit of a word in which its other threads set theirs, without a lock: an interrupt for
 *     the host that arrives just then is forgotten until the local APIC is looked at for another reason, and so may V_IRQ be
 *     (then the other's bit is there, and ends the run).
 *
 * So an interrupt for guest code at CPL 0 is given as a software interrupt, which differs only in the check of the
 * gate's DPL against the CPL. Any other is followed at once by an interrupt for the host, whose #VMEXIT is the other
 * event. And after a run with V_IRQ, as the window for interrupts uses it, the host's APIC is looked at. */

#include "apic.h"
#include "svm.h"
#include "trap.h"

static bool event_is_interrupt(uint64_t event)
{
    return (event & VCPU_EVENT_VALID) && EVENT_TYPE(event) == VCPU_EVENT_INTR;
}

void svm_tcg_entry(struct vcpu_arch *v)
{
    struct vmcb_control *c = &v->vmcb->control;

    v->tcg_window = c->v_intr & SVM_V_IRQ;
    if (!event_is_interrupt(c->eventinj)) {
        return;
    }
    if (v->vmcb->save.cpl == 0) {
        c->eventinj |= VCPU_EVENT_SOFTINT;
    } else {
        c->v_intr &= ~SVM_V_IRQ;
        apic_send(apic_id(), APIC_IPI_VECTOR(VECTOR_IPI));
    }
}

void svm_tcg_exit(struct vcpu_arch *v)
{
    struct vmcb_control *c = &v->vmcb->control;

    if (event_is_interrupt(v->injected) && c->exitintinfo == (v->injected | VCPU_EVENT_SOFTINT)) {
        c->exitintinfo = v->injected;
    }
    if (v->tcg_window) {
        apic_look_again();
        if (c->exitcode != SVM_EXIT_VINTR) {
            c->v_intr |= SVM_V_IRQ;
        }
    }
}

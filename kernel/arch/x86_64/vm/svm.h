// SPDX-License-Identifier: MIT
/* SVM: what the svm_*.c files share.
 *
 *   svm.c        detection, the vm_ops, world switch with its surroundings (TLB, FPU, debug registers)
 *   svm_state.c  state page <-> VMCB
 *   svm_exit.c   exits: finished here (host interrupt, doorbell, NMI bookkeeping) or described in the state page
 *   svm_nmi.c    the guest's NMI mask, which the hardware does not keep
 *   svm_tcg.c    what QEMU's TCG does not do as the hardware
 *   svm_entry.S  VMRUN
 *
 * Where a vcpu's registers are between two runs: rax, rsp, rip, rflags, control registers, segments, syscall MSRs,
 * DR6 and DR7 in the VMCB; other general registers in `gpr`; FPU registers in `fpu` or, while the processor's FPU owner is
 * `fpu`, in the processor; DR0 to DR3 in `dr` or in the processor (vm_host.h). XCR0 and TSC_AUX are set around each VMRUN
 * if they differ. */
#pragma once

#include "svm_defs.h"
#include "vm_vcpu.h"

enum svm_page { SVM_PAGE_VCPU, SVM_PAGE_VMCB, SVM_PAGE_FPU, SVM_PAGES };

/* What this machine's SVM can do. */
struct svm_cpu {
    uint64_t features;     /* VM_FEAT_* */
    uint32_t svm_features; /* CPUID_SVM edx */
    uint32_t asid_count;   /* ASIDs 1 .. asid_count - 1 */
    bool tcg;              /* it is QEMU's TCG */
    paddr_t iopm_pa, msrpm_pa;
};
extern struct svm_cpu svm_cpu;

/* svm_entry.S: runs the guest until #VMEXIT; interrupts off before and after. */
void svm_enter(uint64_t *gpr, uint64_t vmcb_pa, uint64_t host_save_pa);

/* svm_exit.c. First, without the BKL: what must be kept if the exit is never told. Then the exit. */
void svm_exit_begin(struct vcpu_arch *v);
enum vm_result svm_exit(struct vcpu_arch *v);
enum vm_result svm_exit_nmi_window(struct vcpu_arch *v);

/* svm_state.c */
extern const struct vm_state_ops svm_state_ops;

/* svm_nmi.c */
static inline bool svm_nmi_open(const struct vcpu_arch *v)
{
    return !v->nmi_blocked && !(v->vmcb->control.interrupt_shadow & SVM_SHADOW);
}
/* An NMI has been put into EVENTINJ. */
void svm_nmi_injected(struct vcpu_arch *v);
/* Before an entry: true if the VMM's NMI window is open now, and the guest must not be entered. */
bool svm_nmi_prepare(struct vcpu_arch *v);
/* The guest is at its IRET. */
void svm_nmi_iret(struct vcpu_arch *v);
/* #DB, intercepted because of stepping. */
void svm_nmi_debug(struct vcpu_arch *v);
/* Any other exit: the step, if there was one, has not been completed. */
void svm_nmi_unstep(struct vcpu_arch *v);

/* svm_tcg.c: around each VMRUN there, with the events in place; before svm_exit_begin(). */
void svm_tcg_entry(struct vcpu_arch *v);
void svm_tcg_exit(struct vcpu_arch *v);

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
 * `fpu`, in the processor; DR0 to DR3 in `dr` or in the processor (vm_host.h). XCR0 and TSC_AUX are set around each VMRUN if they differ.
 *
 * The state page is shared with the VMM: it is written at exits and read only by svm_state.c's load, once per field. */
#pragma once

#include "svm_defs.h"
#include "vm_check.h"
#include <kernel/core.h>
#include <kernel/vm.h>

enum svm_page { SVM_PAGE_VCPU, SVM_PAGE_VMCB, SVM_PAGE_FPU, SVM_PAGES };

struct vcpu_arch {
    uint64_t gpr[GPR_COUNT]; /* first, for svm_entry.S; rax and rsp are in the VMCB */
    uint32_t cpu;            /* vm_claim() */
    struct vmcb *vmcb;
    paddr_t vmcb_pa;
    struct guest_arch *guest;
    struct vcpu_state *state;
    struct fpu_state *fpu;
    uint64_t xcr0, tsc_aux, tsc_ratio;
    uint64_t dr[4];
    uint64_t injected; /* EVENTINJ at the last entry */
    bool tcg_window;   /* V_IRQ was set at the last entry; svm_tcg.c only */
    /* TLB tag: valid while asid_generation is the processor's; tlb_generation is the guest's when it was last clean. */
    uint32_t asid;
    uint64_t asid_generation, tlb_generation;
    /* svm_nmi.c */
    bool nmi_window;  /* wanted by the VMM */
    bool nmi_blocked; /* between the injection of an NMI and its IRET */
    bool stepping;    /* over one instruction, by RFLAGS.TF */
    bool step_tf;     /* the guest's own TF meanwhile */
};
_Static_assert(sizeof(struct vcpu_arch) <= PAGE_SIZE, "the vcpu is one page");

/* What this machine's SVM can do. */
struct svm_cpu {
    struct vm_limits limits;
    uint64_t features;          /* VM_FEAT_* */
    uint32_t svm_features;      /* CPUID_SVM edx */
    uint32_t asid_count;        /* ASIDs 1 .. asid_count - 1 */
    uint64_t xcr0;              /* the kernel's */
    uint32_t signature;         /* CPUID 1 eax */
    bool tcg;                   /* it is QEMU's TCG */
    paddr_t iopm_pa, msrpm_pa;
};
extern struct svm_cpu svm_cpu;

/* svm_entry.S: runs the guest until #VMEXIT; interrupts off before and after. */
void svm_enter(uint64_t *gpr, uint64_t vmcb_pa, uint64_t host_save_pa);
_Static_assert(offsetof(struct vcpu_arch, gpr) == 0, "svm_entry.S");

/* svm_exit.c. First, without the BKL: what must be kept if the exit is never told. Then the exit. */
void svm_exit_begin(struct vcpu_arch *v);
enum vm_result svm_exit(struct vcpu_arch *v);
enum vm_result svm_exit_nmi_window(struct vcpu_arch *v);

/* svm_state.c */
void svm_state_init(struct vcpu_arch *v);
int svm_state_load(struct vcpu_arch *v);
void svm_state_get(struct vcpu_arch *v, uint32_t groups);
/* Publishes e and BASE. */
void svm_state_publish(struct vcpu_arch *v, const struct vcpu_exit *e);
/* The event that is still to be delivered moves out of the VMCB: the value for exit.idt_vectoring. */
uint64_t svm_event_take(struct vcpu_arch *v);

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

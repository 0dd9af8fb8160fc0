// SPDX-License-Identifier: MIT
/* A vcpu, and what SVM and VMX share of it: its place between two runs, state page <-> hardware by groups, the ends of
 * exits. svm.h and vmx.h say which registers are where.
 *
 * The state page is shared with the VMM: it is written at exits and read only by vm_vcpu_load(), once per field. */
#pragma once

#include "vm_check.h"
#include "vmx_defs.h"
#include <kernel/core.h>
#include <kernel/vm.h>

enum vmx_msr_slot { VMX_MSR_STAR, VMX_MSR_LSTAR, VMX_MSR_CSTAR, VMX_MSR_SFMASK, VMX_MSR_KERNEL_GS_BASE, VMX_MSRS };

struct vcpu_arch {
    uint64_t gpr[GPR_COUNT]; /* first, for svm_entry.S and vmx_entry.S; rsp and SVM's rax are in the VMCS or VMCB */
    uint32_t cpu;            /* vm_claim() */
    const struct vm_state_ops *ops;
    struct guest_arch *guest;
    struct vcpu_state *state;
    struct fpu_state *fpu;
    uint64_t xcr0, tsc_aux, tsc_ratio;
    uint64_t dr[4];
    uint64_t injected; /* VCPU_EVENT_* of the last entry */
    /* TLB tag: valid while tag_generation is the processor's; tlb_generation is the guest's when it was last clean. */
    uint64_t tag_generation, tlb_generation;
    union {
        struct { /* SVM */
            struct vmcb *vmcb;
            paddr_t vmcb_pa;
            bool tcg_window; /* V_IRQ was set at the last entry; svm_tcg.c only */
            /* svm_nmi.c */
            bool nmi_window;  /* wanted by the VMM */
            bool nmi_blocked; /* between the injection of an NMI and its IRET */
            bool stepping;    /* over one instruction, by RFLAGS.TF */
            bool step_tf;     /* the guest's own TF meanwhile */
        };
        struct { /* VMX */
            struct vmx_msr msr[VMX_MSRS] __attribute__((aligned(16)));
            paddr_t vmcs_pa;
            uint64_t cr2, dr6;
            uint64_t event; /* VCPU_EVENT_*, to be delivered at the next entry */
            uint32_t proc_controls;
            bool launched; /* VMRESUME, not VMLAUNCH */
            bool rip_back; /* rip stands one byte before itself, for the injection of a software interrupt */
        };
    };
};
_Static_assert(sizeof(struct vcpu_arch) <= PAGE_SIZE, "the vcpu is one page");
_Static_assert(offsetof(struct vcpu_arch, gpr) == 0, "svm_entry.S, vmx_entry.S");

/* Between the state page and the VMCB or VMCS. load[] and store[] are by the groups' bits; gpr and the FPU are done. */
struct vm_state_ops {
    struct vm_present (*present)(const struct vcpu_arch *v);
    void (*load[VCPU_GROUPS_READABLE])(struct vcpu_arch *v, const struct vcpu_state *s);
    void (*load_run)(struct vcpu_arch *v, const struct vm_request *r); /* the event and the windows, behind the groups */
    void (*store[VCPU_GROUPS_READABLE])(const struct vcpu_arch *v, struct vcpu_state *s);
    /* The event that is still to be delivered moves out: the value for exit.idt_vectoring. */
    uint64_t (*event_take)(struct vcpu_arch *v);
};

/* What this machine allows; vm_limits_init() and what SVM or VMX adds. */
extern struct vm_limits vm_limits;

#define EXCP_DB 1u
#define EXCP_MC 18u
#define DR6_BS BIT(14)
#define VM_SEG_ES 0u
#define VM_UNKNOWN 0xffu /* exit.io_seg, exit.cr_gpr */

/* vm_ops: vcpu_load, vcpu_get, vcpu_pause. "Decode, then commit": the dirty groups are copied out of the shared page, the
 * copies are checked, and only then the VMCB or VMCS changes. */
int vm_vcpu_load(struct vcpu_arch *v);
void vm_vcpu_get(struct vcpu_arch *v, uint32_t groups);
void vm_vcpu_pause(struct vcpu_arch *v);
/* The state after power-on, in v and in the state page. */
void vm_vcpu_reset(struct vcpu_arch *v);

/* The exit is told to the VMM, with BASE and the event that is still to be delivered. */
enum vm_result vm_exit_tell(struct vcpu_arch *v, struct vcpu_exit *e);
/* The host's exit: it neither ends the run nor concerns the VMM; the run goes on by way of core_next(). */
enum vm_result vm_exit_host(void);
/* What an OUT rings, or NULL. */
struct irq_target *vm_doorbell(const struct vcpu_arch *v, uint16_t port, unsigned width, uint32_t eax);
/* The OUT is done; firing may end this run. */
enum vm_result vm_exit_doorbell(struct irq_target *target);

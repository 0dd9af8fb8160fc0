// SPDX-License-Identifier: MIT
/* Hardware virtualization, behind one interface: arch/x86_64/vm/svm.c and (later) vmx.c.
 * vcpu objects (object/vcpu.c) own a struct vcpu_arch and its state page (abi/vcpu.h). */
#pragma once

#include <kernel/arch.h>

struct vcpu_arch; /* VMCB and host save state, or VMCS; FPU state; guest DRs */

/* A port doorbell of a guest space: the OUT raises without an exit (SYS_DOORBELL_BIND). */
struct doorbell {
    uint16_t port;
    bool any;            /* every value */
    uint32_t value;
    struct irq_target *target;
};
#define GUEST_DOORBELLS_MAX 64

/* What a vcpu needs of its guest space; part of the guest object. */
struct guest_arch {
    struct page_table pt;
    struct doorbell doorbell[GUEST_DOORBELLS_MAX];
    unsigned doorbell_count;
    uint32_t asid;       /* SVM ASID or VMX VPID, from vm_ops */
    uint64_t tlb_generation; /* incremented when translations were removed */
};

struct vm_ops {
    const char *name; /* "SVM", "VMX" */
    enum vm_kind kind;
    const struct pt_format *pt_format;
    uint64_t features; /* VM_FEAT_* */
    unsigned vcpu_pages; /* pages that vcpu_init() needs, physically contiguous not required */

    /* Initialises v from zeroed pages; state holds the reset state afterwards. */
    int (*vcpu_init)(struct vcpu_arch *v, struct guest_arch *guest, struct vcpu_state *state);
    void (*vcpu_fini)(struct vcpu_arch *v);
    /* Loads state->run and the dirty groups after checking a copy of each field. 0, or SK_EINVAL with the
     * exit filled (VCPU_EXIT_INVALID). Called by SYS_VCPU_RUN; the guest is entered when the context is resumed. */
    int (*vcpu_load)(struct vcpu_arch *v);
    /* Brings groups into the state page (SYS_VCPU_GET). */
    void (*vcpu_get)(struct vcpu_arch *v, uint32_t groups);
    /* Enters the guest on the kernel stack, called by arch to resume a context with ctx->vcpu set, with
     * interrupts off. Returns after each #VMEXIT that the kernel cannot finish alone:
     *   VM_HOST_INTERRUPT: a host interrupt is pending; the caller takes it, then core_next() decides.
     *   VM_DOORBELL: a doorbell was rung and the guest can go on; core_next() decides who runs.
     *   VM_EXIT: the exit is in the state page; the caller calls core_vcpu_exit(). */
    enum vm_result { VM_HOST_INTERRUPT, VM_DOORBELL, VM_EXIT } (*vcpu_enter)(struct vcpu_arch *v);
    /* An event for the VMM is pending: publish BASE into the state page with exit.reason = NONE. */
    void (*vcpu_pause)(struct vcpu_arch *v);
};

/* NULL when the processor or firmware offers none; then *why says so in words ("SVM is disabled by firmware
 * (VM_CR.SVMDIS)", ...). */
const struct vm_ops *vm_ops_get(const char **why);
/* Detects and enables virtualization; called once by arch at boot after the FPU is set up. */
void vm_init(void);

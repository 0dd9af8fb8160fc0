// SPDX-License-Identifier: MIT
/* Hardware virtualization, behind one interface: arch/x86_64/vm/svm.c and vmx.c.
 * vcpu objects (object/vcpu.c) own a struct vcpu_arch and its state page (abi/vcpu.h). BKL guards everything. */
#pragma once

#include <kernel/arch.h>

struct vcpu_arch; /* VMCB and host save state, or VMCS; guest registers and debug registers; FPU state */

/* --- port doorbells of a guest (SYS_DOORBELL_BIND): the OUT raises without an exit; vm/doorbell.c ----------------- */

struct doorbell {
    uint16_t port;
    bool any;            /* every value */
    uint32_t value;      /* 0 if any */
    struct irq_target *target;
    void *owner;         /* the caller's: what keeps target alive */
};
#define GUEST_DOORBELLS_MAX 64

/* Sorted by port; for one port the values in ascending order, then `any`. */
struct doorbell_table {
    struct doorbell entry[GUEST_DOORBELLS_MAX];
    unsigned count;
};
/* The entry with exactly this port and value, NULL if there is none. */
struct doorbell *doorbell_get(struct doorbell_table *t, uint16_t port, uint32_t value, bool any);
/* SK_EEXIST, SK_ENOMEM (the table is full). */
must_check int doorbell_add(struct doorbell_table *t, const struct doorbell *d);
void doorbell_remove(struct doorbell_table *t, struct doorbell *d);
/* What an OUT of value rings: the entry for the value, else the port's `any`, else NULL. */
struct irq_target *doorbell_match(const struct doorbell_table *t, uint16_t port, uint32_t value);

/* --- guests and vcpus ---------------------------------------------------------------------------------------------- */

/* What a vcpu needs of its guest space; part of the guest object. */
struct guest_arch {
    struct page_table pt;
    struct doorbell_table doorbells;
    uint64_t tlb_generation; /* incremented when translations were removed */
    unsigned vcpus;
};

#define VM_VCPU_PAGES_MAX 3

/* Why vcpu_enter() came back. */
enum vm_result {
    VM_HOST_INTERRUPT, /* a host interrupt is pending; the caller takes it, then core_next() decides */
    VM_DOORBELL,       /* a doorbell was rung and the guest can go on; core_next() decides who runs */
    VM_PAUSE,          /* the guest spins: the caller calls core_vcpu_yield() */
    VM_EXIT,           /* the exit is in the state page; the caller calls core_vcpu_exit() */
};

struct vm_ops {
    const char *name; /* "SVM", "VMX" */
    enum vm_kind kind;
    const struct pt_format *pt_format;
    uint64_t features; /* VM_FEAT_* */
    unsigned vcpu_pages; /* at most VM_VCPU_PAGES_MAX; need not be contiguous */
    bool (*cpu_init)(void); /* vm_cpu_init() */

    /* Makes a vcpu of vcpu_pages zeroed pages, which it owns until vcpu_fini(); it lives in the first. state (one page, the
     * kernel's view) holds the reset state afterwards. */
    struct vcpu_arch *(*vcpu_init)(void *const *pages, struct guest_arch *guest, struct vcpu_state *state);
    /* The processor keeps nothing of it; its pages can be freed. */
    void (*vcpu_fini)(struct vcpu_arch *v);
    /* Loads state->run and the dirty groups after checking a copy of each field. 0, or SK_EINVAL with the
     * exit filled (VCPU_EXIT_INVALID). Called by SYS_VCPU_RUN; the guest is entered when the context is resumed. */
    int (*vcpu_load)(struct vcpu_arch *v);
    /* Brings groups into the state page (SYS_VCPU_GET). */
    void (*vcpu_get)(struct vcpu_arch *v, uint32_t groups);
    /* Enters the guest on the kernel stack, called by arch to resume a context with ctx->vcpu set, with
     * interrupts off. Returns after each #VMEXIT that it cannot finish alone. The BKL is not held while the guest
     * runs; VM_HOST_INTERRUPT also if the run has been ended by then. */
    enum vm_result (*vcpu_enter)(struct vcpu_arch *v);
    /* The run ends without an exit: publishes BASE into the state page with exit.reason = NONE. */
    void (*vcpu_pause)(struct vcpu_arch *v);
};

/* NULL when the processor or firmware offers none; then *why (may be NULL) says so in words ("SVM is disabled by
 * firmware (VM_CR.SVMDIS)", ...). */
const struct vm_ops *vm_ops_get(const char **why);
/* Detects and enables virtualization, tells in kinfo and on the console; called once by arch at boot after the FPU is set up. */
void vm_init(void);
/* Enables it on one of the other processors; needs no lock. False: it is refused there. */
must_check bool vm_cpu_init(void);

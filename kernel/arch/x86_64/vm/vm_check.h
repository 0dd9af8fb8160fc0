// SPDX-License-Identifier: MIT
/* Checks of guest state that a VMM wants to load: what the processor would refuse at entry is refused before, with a
 * reason, and what it would silently change is refused too. Pure functions on a private copy; the same for
 * SVM and VMX. [APM-2 15.5.1] */
#pragma once

#include <kernel/types.h>

/* What this machine allows. */
struct vm_limits {
    uint64_t cr4_valid;  /* bits that the processor has */
    uint64_t efer_valid; /* bits that a guest may have (no SVME) */
    uint64_t xcr0_valid; /* components that the kernel switches; 0: no XSAVE */
    uint64_t phys_limit; /* 1 << MAXPHYADDR */
    unsigned va_bits;    /* 48 or 57 */
    bool tsc_aux;        /* MSR_TSC_AUX exists */
    bool tsc_scale;      /* VM_FEAT_TSC_SCALE */
    uint32_t signature;  /* CPUID 1 eax: the vcpu's rdx after power-on */
};

/* Each looks at its group of s (VCPU_GROUP_*) only. cr4_now: what the guest has already, which is always allowed. */
enum vcpu_invalid vm_check_base(const struct vm_limits *l, const struct vcpu_state *s, uint64_t cr4_now);
enum vcpu_invalid vm_check_seg(const struct vm_limits *l, const struct vcpu_state *s);
enum vcpu_invalid vm_check_msr(const struct vm_limits *l, const struct vcpu_state *s);

/* Of a VCPU_EVENT_*. */
#define EVENT_VECTOR(e) ((unsigned)(e) & 0xff)
#define EVENT_TYPE(e) ((e) & (7ull << 8))

/* What the guest can take. */
struct vm_event_state {
    bool intr_open; /* rflags.IF and no shadow */
    bool nmi_open;
    bool cs_long; /* 64-bit code: no INTO, no BOUND */
};
enum vcpu_invalid vm_check_event(uint64_t event, const struct vm_event_state *e);

#define VCPU_GROUPS_READABLE 4u /* BASE, SEG, MSR and TSC: bits 0 to 3 */
#define VCPU_GROUPS_GET ((1u << VCPU_GROUPS_READABLE) - 1)
#define VCPU_GROUPS_ALL (VCPU_GROUPS_GET | VCPU_GROUP_FPU)

/* What the VMM asked for, copied out of the shared page: each field is read once. */
struct vm_request {
    uint32_t dirty;
    uint64_t inject;
    bool irq_window, nmi_window;
    struct vcpu_state s; /* dirty groups only, without gpr: any value will do, they are copied when all is checked */
};
void vm_request_copy(struct vm_request *r, const struct vcpu_state *s);

/* What the vcpu has where the request does not say. */
struct vm_present {
    uint64_t rflags, efer, cr4;
    uint16_t cs_attr;
    bool shadow, nmi_blocked;
};
enum vcpu_invalid vm_request_check(const struct vm_limits *l, const struct vm_request *r, const struct vm_present *now);

/* x86 processor state after power-on [APM-2 14.1.3, table 14-1] in all groups; signature: CPUID 1 eax. */
void vm_state_reset(struct vcpu_state *s, uint32_t signature);

// SPDX-License-Identifier: MIT
/* What SVM and VMX share of the host's side: limits of this machine, what each processor keeps of vcpus, and the BKL
 * around the world switch.
 *
 * Parts of a vcpu stay in the processor that ran it last (debug registers, TLB tag, the VMCS). vm_claim() gets them out
 * of there before another one works with it. FPU registers take care of themselves (fpu.h). */
#pragma once

#include "vm_check.h"
#include "../smp.h"
#include <kernel/vm.h>

/* Of each processor: BKL. */
struct vm_cpu {
    uint64_t *dr_owner;         /* whose DR0..3 it holds */
    uint32_t tag_next;          /* the next ASID or VPID */
    uint64_t tag_generation;    /* a vcpu's tag is valid while it has this generation; a new vcpu's is 0 */
    struct vcpu_arch *current;  /* VMX: whose VMCS is current */
    uint64_t tsc_ratio;         /* SVM: of guests, what MSR_TSC_RATIO holds */
};
extern struct vm_cpu vm_cpus[CPUS_MAX];
static inline struct vm_cpu *vm_this(void)
{
    return &vm_cpus[cpu_index()];
}

/* From now on v belongs to this processor; unload(v) is called on the one that had it. cpu: v's field, 0 at first. True:
 * it is new here. */
bool vm_claim(void *v, uint32_t *cpu, void (*unload)(void *v));
/* Right before and behind the world switch: the guest runs without the BKL, under nested. False: the run was ended
 * meanwhile, the exit must not be told. */
void vm_guest_begin(struct page_table *nested);
bool vm_guest_end(const struct vcpu_arch *v);

/* What a guest may have on this processor. */
void vm_limits_init(struct vm_limits *l);

/* DR0 to DR3 of one vcpu are in the processor until another's are needed: host code never uses them, and DR7 is off
 * outside the guest. dr: the four registers in a vcpu. */
void vm_dr_load(uint64_t *dr);
/* The processor keeps nothing of dr. */
void vm_dr_unload(const uint64_t *dr);

// SPDX-License-Identifier: MIT
/* What SVM and VMX share of the host's side: limits of this machine, what each processor keeps of vcpus, and the BKL
 * around the world switch.
 *
 * Parts of a vcpu stay in the processor that ran it last (debug registers, TLB tag, the VMCS). vm_claim() gets them out
 * of there before another one works with it. FPU registers take care of themselves (fpu.h). */
#pragma once

#include "../smp.h"
#include "vm_vcpu.h"

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

/* From now on v belongs to this processor; unload(v) is called on the one that had it. True: it is new here. */
bool vm_claim(struct vcpu_arch *v, void (*unload)(void *v));
/* v's TLB tag is good on this processor. */
bool vm_tag_valid(const struct vcpu_arch *v);
/* v gets a tag of 1 .. last that was not used since the last flush. True: flush all now, there was none left. */
bool vm_tag_new(struct vcpu_arch *v, uint32_t last, uint32_t *tag);
/* FPU and debug registers, XCR0 and TSC_AUX of v. Host values of the last two are restored behind each run, so that
 * nobody else needs to know. xcr0: what the processor has then. */
void vm_switch_in(struct vcpu_arch *v);
void vm_switch_out(const struct vcpu_arch *v, uint64_t xcr0);
/* Right before and behind the world switch: the guest runs without the BKL, under nested. False: the run was ended
 * meanwhile, the exit must not be told. */
void vm_guest_begin(struct page_table *nested);
bool vm_guest_end(const struct vcpu_arch *v);

/* Fills vm_limits. */
void vm_limits_init(void);

/* MSRs that guests read and write themselves: those that the world switch switches. */
#define MSR_SYSENTER_CS 0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u
#define VM_FREE_MSRS 10u
extern const uint32_t vm_free_msrs[VM_FREE_MSRS];

/* DR0 to DR3 of one vcpu are in the processor until another's are needed: host code never uses them, and DR7 is off
 * outside the guest. dr: the four registers in a vcpu, of which the processor keeps nothing from now on. */
void vm_dr_unload(const uint64_t *dr);

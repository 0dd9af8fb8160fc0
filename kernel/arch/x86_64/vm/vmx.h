// SPDX-License-Identifier: MIT
/* VMX: what the vmx_*.c files share.
 *
 *   vmx.c        the vm_ops, world switch with its surroundings (TLB, FPU, debug registers, host state)
 *   vmx_cpu.c    detection, controls, VMXON
 *   vmx_state.c  state page <-> VMCS
 *   vmx_exit.c   exits: finished here (host interrupt, doorbell, CR0 and CR4) or described in the state page
 *   vmx_entry.S  VMLAUNCH and VMRESUME
 *
 * Where a vcpu's registers are between two runs: rsp, rip, rflags, CR0, CR3, CR4, EFER, segments, SYSENTER MSRs, PAT
 * and DR7 in the VMCS; syscall MSRs and KernelGSBase in `msr`, which VM entry loads and VM exit stores; general
 * registers, CR2 and DR6 in vcpu_arch; FPU registers and DR0 to DR3 as with SVM (fpu.h, vm_host.h). XCR0 and TSC_AUX
 * are set around each run if they differ.
 *
 * CR0 and CR4: the guest sees what it wrote. Bits that VMX fixes (NE, VMXE), that would act on the host (CD, NW) or
 * that a guest may not have are masked and read from the shadow; the others are the guest's own.
 *
 * The VMCS of one vcpu is current on the processor (vm_host.h); vmcs_read() and vmcs_write() reach that one only,
 * so whoever uses them calls vmcs_use() first. */
#pragma once

#include "vm_vcpu.h"

enum vmx_page { VMX_PAGE_VCPU, VMX_PAGE_VMCS, VMX_PAGE_FPU, VMX_PAGES };

/* What this machine's VMX can do. */
struct vmx_cpu {
    uint32_t revision;                      /* of a VMCS */
    uint32_t pin, proc, proc2, exit, entry; /* controls of a new vcpu */
    uint64_t ept_cap;                       /* VMX_EPT_CAP_* */
    uint64_t cr0_fixed;                     /* bits that are 1 in a guest's CR0 */
    bool io_info, len_0;                    /* VMX_BASIC_IO_INFO, VMX_MISC_LEN_0 */
    paddr_t msr_bitmap_pa, host_msr_pa;
};
extern struct vmx_cpu vmx_cpu;

/* CR0 and CR4 bits that the guest does not own. */
#define VMX_CR0_MASK (CR0_NE | CR0_NW | CR0_CD)
static inline uint64_t vmx_cr4_mask(void)
{
    return ~vm_limits.cr4_valid;
}

/* vmx.c; host tests have their own */
uint64_t vmcs_read(uint32_t field);
void vmcs_write(uint32_t field, uint64_t value);
void vmcs_use(struct vcpu_arch *v);

/* vmx_entry.S: runs the current VMCS's guest until VM exit; interrupts off before and after. False: the instruction
 * failed, and VMCS_INSN_ERROR may say why. */
bool vmx_enter(uint64_t *gpr, uint64_t launched);
extern const char vmx_exit_entry[]; /* VMCS_HOST_RIP */

/* vmx_cpu.c: detects and enables; what vmx_init() does before the ops can be used. False: *why says why not. */
bool vmx_detect(const char **why);
/* VMXON on this processor. NULL, or why not. */
const char *vmx_on(void);

/* vmx_exit.c. First, without the BKL: what must be kept if the exit is never told. Then the exit. */
void vmx_exit_begin(struct vcpu_arch *v);
enum vm_result vmx_exit(struct vcpu_arch *v);
enum vm_result vmx_exit_refused(struct vcpu_arch *v);

/* vmx_state.c */
void vmx_state_init(struct vcpu_arch *v);
extern const struct vm_state_ops vmx_state_ops;
/* Before an entry: v->event goes into the VMCS. */
void vmx_event_enter(struct vcpu_arch *v);
/* Behind an exit: an event whose delivery it interrupted becomes v->event again. */
void vmx_event_keep(struct vcpu_arch *v);

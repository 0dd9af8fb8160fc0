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

#include "vm_check.h"
#include "vmx_defs.h"
#include <kernel/core.h>
#include <kernel/vm.h>

enum vmx_page { VMX_PAGE_VCPU, VMX_PAGE_VMCS, VMX_PAGE_FPU, VMX_PAGES };
enum vmx_msr_slot { VMX_MSR_STAR, VMX_MSR_LSTAR, VMX_MSR_CSTAR, VMX_MSR_SFMASK, VMX_MSR_KERNEL_GS_BASE, VMX_MSRS };

struct vcpu_arch {
    uint64_t gpr[GPR_COUNT]; /* first, for vmx_entry.S; rsp is in the VMCS */
    uint32_t cpu;            /* vm_claim() */
    struct vmx_msr msr[VMX_MSRS] __attribute__((aligned(16)));
    paddr_t vmcs_pa;
    struct guest_arch *guest;
    struct vcpu_state *state;
    struct fpu_state *fpu;
    uint64_t cr2, dr6, xcr0, tsc_aux, tsc_ratio;
    uint64_t dr[4];
    uint64_t event;    /* VCPU_EVENT_*, to be delivered at the next entry */
    uint64_t injected; /* event of the last entry */
    uint32_t proc_controls;
    bool launched; /* VMRESUME, not VMLAUNCH */
    bool rip_back; /* rip stands one byte before itself, for the injection of a software interrupt */
    /* TLB tag: valid while vpid_generation is the processor's; tlb_generation is the guest's when it was last clean. */
    uint16_t vpid;
    uint64_t vpid_generation, tlb_generation;
};
_Static_assert(sizeof(struct vcpu_arch) <= PAGE_SIZE, "the vcpu is one page");
_Static_assert(offsetof(struct vcpu_arch, gpr) == 0, "vmx_entry.S");

/* What this machine's VMX can do. */
struct vmx_cpu {
    struct vm_limits limits;
    uint64_t xcr0;                          /* the kernel's */
    uint32_t signature;                     /* CPUID 1 eax */
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
    return ~vmx_cpu.limits.cr4_valid;
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
int vmx_state_load(struct vcpu_arch *v);
void vmx_state_get(struct vcpu_arch *v, uint32_t groups);
/* Publishes e and BASE. */
void vmx_state_publish(struct vcpu_arch *v, const struct vcpu_exit *e);
/* The event that is still to be delivered: the value for exit.idt_vectoring. */
uint64_t vmx_event_take(struct vcpu_arch *v);
/* Before an entry: v->event goes into the VMCS. */
void vmx_event_enter(struct vcpu_arch *v);
/* Behind an exit: an event whose delivery it interrupted becomes v->event again. */
void vmx_event_keep(struct vcpu_arch *v);

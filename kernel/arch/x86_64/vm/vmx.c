// SPDX-License-Identifier: MIT
/* Intel VMX: vcpus and the surroundings of the world switch. See vmx.h for the map of the files.
 *
 * TLB: each vcpu has a virtual-processor identifier (VPID) of its own, so that entries and exits keep its translations.
 * A new one is taken when all have been used up, after all cached translations were dropped. INVEPT drops what is
 * cached of a guest's EPT when translations were removed from it, and before a vcpu's first run: its root may be a
 * reused page. Without VPIDs the processor drops linear translations at each switch by itself. [SDM-3 29.4] */

#include "vmx.h"
#include "cpu.h"
#include "fpu.h"
#include "paging.h"
#include "vm_host.h"
#include "vm_priv.h"
#include <kernel/log.h>
#include <string.h>

#define PAUSE_GAP 128u     /* PAUSEs no further apart than this many cycles ... */
#define PAUSE_WINDOW 4096u /* ... for this long make a spinning guest */

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static struct table_pointer host_idtr;

/* --- VMCS ------------------------------------------------------------------------------------------------ */

uint64_t vmcs_read(uint32_t field)
{
    uint64_t value;

    asm volatile("vmread %1, %0" : "=r"(value) : "r"((uint64_t)field) : "cc");
    return value;
}

void vmcs_write(uint32_t field, uint64_t value)
{
    bool failed;

    asm volatile("vmwrite %2, %1; setbe %0" : "=qm"(failed) : "r"((uint64_t)field), "r"(value) : "cc");
    assert(!failed);
}

static void vmcs_clear(const struct vcpu_arch *v)
{
    asm volatile("vmclear %0" : : "m"(v->vmcs_pa.v) : "cc", "memory");
}

/* What a processor has of its own; CR3, FS base and the stack are written before each entry. */
static void host_state_write_cpu(void)
{
    vmcs_write(VMCS_HOST_GS_BASE, (uint64_t)cpu_this());
    vmcs_write(VMCS_HOST_TR_BASE, (uint64_t)&cpu_this()->tss);
    vmcs_write(VMCS_HOST_GDTR_BASE, (uint64_t)cpu_this()->gdt);
}

/* On the processor that had v. [SDM-3 25.11.1] */
static void vmx_vcpu_unload(void *arg)
{
    struct vcpu_arch *v = arg;

    vm_dr_unload(v->dr);
    vmcs_clear(v);
    v->launched = false;
    v->tag_generation = 0;
    v->tlb_generation = v->guest->tlb_generation - 1;
    if (vm_this()->current == v) {
        vm_this()->current = NULL;
    }
}

void vmcs_use(struct vcpu_arch *v)
{
    bool moved = vm_claim(v, vmx_vcpu_unload);

    if (vm_this()->current != v) {
        asm volatile("vmptrld %0" : : "m"(v->vmcs_pa.v) : "cc", "memory");
        vm_this()->current = v;
    }
    if (moved) {
        host_state_write_cpu();
    }
}

/* --- TLB -------------------------------------------------------------------------------------------------- */

struct invalidate {
    uint64_t what, address;
};

static uint64_t ept_pointer(const struct vcpu_arch *v)
{
    return v->guest->pt.root.v | VMX_EPTP_FLAGS;
}

static void vpid_new(struct vcpu_arch *v)
{
    const struct invalidate none = {0};
    uint32_t vpid;

    if (vm_tag_new(v, UINT16_MAX, &vpid)) {
        asm volatile("invvpid %0, %1" : : "m"(none), "r"(VMX_INVALIDATE_ALL) : "cc", "memory");
    }
    vmcs_write(VMCS_VPID, vpid);
}

static void tlb_prepare(struct vcpu_arch *v)
{
    if ((vmx_cpu.proc2 & VMX_PROC2_VPID) && !vm_tag_valid(v)) {
        vpid_new(v);
    }
    if (v->tlb_generation != v->guest->tlb_generation) {
        const struct invalidate guest = {.what = ept_pointer(v)};

        asm volatile("invept %0, %1" : : "m"(guest), "r"(VMX_INVALIDATE_ONE) : "cc", "memory");
        v->tlb_generation = v->guest->tlb_generation;
    }
}

/* --- world switch -------------------------------------------------------------------------------------- */

static uint64_t dr6_read(void)
{
    uint64_t v;

    asm volatile("mov %%dr6, %0" : "=r"(v));
    return v;
}

/* The registers that neither VMX nor vmx_entry.S switches. Of CR2 and DR6 the kernel has no values. */
static void switch_in(struct vcpu_arch *v)
{
    vm_switch_in(v);
    asm volatile("mov %0, %%dr6" : : "r"(v->dr6));
    cr2_write(v->cr2);
    vmcs_write(VMCS_HOST_CR3, cr3_read());
    vmcs_write(VMCS_HOST_FS_BASE, cpu_this()->fs_base);
    tlb_prepare(v);
}

/* VM exit leaves limits of 64 KiB in GDTR and IDTR. [SDM-3 28.5.2] */
static void switch_out(struct vcpu_arch *v)
{
    struct table_pointer gdtr = {sizeof(cpu_this()->gdt) - 1, (uint64_t)cpu_this()->gdt};

    asm volatile("lgdt %0; lidt %1" : : "m"(gdtr), "m"(host_idtr));
    v->cr2 = cr2_read();
    v->dr6 = dr6_read();
    vm_switch_out(v, v->xcr0);
}

static enum vm_result vmx_vcpu_enter(struct vcpu_arch *v)
{
    vmcs_use(v);
    vmx_event_enter(v);
    switch_in(v);
    vm_guest_begin(&v->guest->pt);
    bool entered = vmx_enter(v->gpr, v->launched);
    switch_out(v);
    if (entered) {
        vmx_exit_begin(v);
    }
    if (!vm_guest_end(v)) {
        return VM_HOST_INTERRUPT;
    }
    return entered ? vmx_exit(v) : vmx_exit_refused(v);
}

static void vmx_vcpu_pause(struct vcpu_arch *v)
{
    vmcs_use(v);
    vm_vcpu_pause(v);
}

static int vmx_vcpu_load(struct vcpu_arch *v)
{
    vmcs_use(v);
    return vm_vcpu_load(v);
}

static void vmx_vcpu_get(struct vcpu_arch *v, uint32_t groups)
{
    vmcs_use(v);
    vm_vcpu_get(v, groups);
}

/* --- vcpus ------------------------------------------------------------------------------------------------ */

static void controls_write(struct vcpu_arch *v)
{
    v->proc_controls = vmx_cpu.proc;
    vmcs_write(VMCS_PIN_CONTROLS, vmx_cpu.pin);
    vmcs_write(VMCS_PROC_CONTROLS, vmx_cpu.proc);
    vmcs_write(VMCS_PROC_CONTROLS2, vmx_cpu.proc2);
    vmcs_write(VMCS_EXIT_CONTROLS, vmx_cpu.exit);
    vmcs_write(VMCS_ENTRY_CONTROLS, vmx_cpu.entry);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1u << EXCP_MC);
    vmcs_write(VMCS_PF_ERROR_MASK, 0);
    vmcs_write(VMCS_PF_ERROR_MATCH, 0);
    vmcs_write(VMCS_CR3_TARGET_COUNT, 0);
    vmcs_write(VMCS_CR0_MASK, VMX_CR0_MASK);
    vmcs_write(VMCS_CR4_MASK, vmx_cr4_mask());
    vmcs_write(VMCS_MSR_BITMAP, vmx_cpu.msr_bitmap_pa.v);
    vmcs_write(VMCS_EPT_POINTER, ept_pointer(v));
    if (vmx_cpu.proc2 & VMX_PROC2_PAUSE_LOOP) {
        vmcs_write(VMCS_PLE_GAP, PAUSE_GAP);
        vmcs_write(VMCS_PLE_WINDOW, PAUSE_WINDOW);
    }
    if (vmx_cpu.proc2 & VMX_PROC2_XSAVES) {
        vmcs_write(VMCS_XSS_EXIT_BITMAP, 0); /* IA32_XSS stays 0: writing it is an exit */
    }
}

static void msr_lists_write(struct vcpu_arch *v)
{
    static const uint32_t index[VMX_MSRS] = {
        [VMX_MSR_STAR] = MSR_STAR,
        [VMX_MSR_LSTAR] = MSR_LSTAR,
        [VMX_MSR_CSTAR] = MSR_CSTAR,
        [VMX_MSR_SFMASK] = MSR_SFMASK,
        [VMX_MSR_KERNEL_GS_BASE] = MSR_KERNEL_GS_BASE,
    };
    uint64_t pa = virt_to_phys(v->msr).v;

    for (unsigned i = 0; i < VMX_MSRS; i++) {
        v->msr[i].index = index[i];
    }
    vmcs_write(VMCS_ENTRY_MSR_LOAD_ADDR, pa);
    vmcs_write(VMCS_EXIT_MSR_STORE_ADDR, pa);
    vmcs_write(VMCS_EXIT_MSR_LOAD_ADDR, vmx_cpu.host_msr_pa.v);
    vmcs_write(VMCS_ENTRY_MSR_LOAD_COUNT, VMX_MSRS);
    vmcs_write(VMCS_EXIT_MSR_STORE_COUNT, VMX_MSRS);
    vmcs_write(VMCS_EXIT_MSR_LOAD_COUNT, VMX_MSRS);
}

/* What stays. */
static void host_state_write(void)
{
    vmcs_write(VMCS_HOST_CR0, cr0_read());
    vmcs_write(VMCS_HOST_CR4, cr4_read());
    vmcs_write(VMCS_HOST_EFER, msr_read(MSR_EFER));
    vmcs_write(VMCS_HOST_PAT, msr_read(MSR_PAT));
    vmcs_write(VMCS_HOST_CS_SEL, SEL_KERNEL_CS);
    vmcs_write(VMCS_HOST_SS_SEL, SEL_KERNEL_SS);
    vmcs_write(VMCS_HOST_DS_SEL, 0);
    vmcs_write(VMCS_HOST_ES_SEL, 0);
    vmcs_write(VMCS_HOST_FS_SEL, 0);
    vmcs_write(VMCS_HOST_GS_SEL, 0);
    vmcs_write(VMCS_HOST_TR_SEL, SEL_TSS);
    vmcs_write(VMCS_HOST_IDTR_BASE, host_idtr.base);
    vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
    vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
    vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
    vmcs_write(VMCS_HOST_RIP, (uint64_t)vmx_exit_entry);
}

static struct vcpu_arch *vmx_vcpu_init(void *const *pages, struct guest_arch *guest, struct vcpu_state *state)
{
    struct vcpu_arch *v = pages[VMX_PAGE_VCPU];

    memcpy(pages[VMX_PAGE_VMCS], &vmx_cpu.revision, sizeof(vmx_cpu.revision));
    v->vmcs_pa = virt_to_phys(pages[VMX_PAGE_VMCS]);
    v->ops = &vmx_state_ops;
    v->fpu = pages[VMX_PAGE_FPU];
    v->guest = guest;
    v->state = state;
    v->tlb_generation = guest->tlb_generation - 1;
    vmcs_clear(v);
    vmcs_use(v);
    controls_write(v);
    msr_lists_write(v);
    host_state_write();
    vmcs_write(VMCS_LINK_POINTER, ~0ull);
    vmcs_write(VMCS_GUEST_DEBUGCTL, 0);
    vmcs_write(VMCS_GUEST_ACTIVITY, 0);
    vmx_state_init(v);
    return v;
}

static void vmx_vcpu_fini(struct vcpu_arch *v)
{
    fpu_forget(v->fpu);
    vm_claim(v, vmx_vcpu_unload);
    vmx_vcpu_unload(v);
}

static bool vmx_cpu_init(void)
{
    return !vmx_on();
}

static struct vm_ops vmx_ops = {
    .name = "VMX",
    .kind = VM_VMX,
    .pt_format = &pt_ept_format,
    .features = VM_FEAT_NEXT_RIP,
    .vcpu_pages = VMX_PAGES,
    .cpu_init = vmx_cpu_init,
    .vcpu_init = vmx_vcpu_init,
    .vcpu_fini = vmx_vcpu_fini,
    .vcpu_load = vmx_vcpu_load,
    .vcpu_get = vmx_vcpu_get,
    .vcpu_enter = vmx_vcpu_enter,
    .vcpu_pause = vmx_vcpu_pause,
};
_Static_assert(VMX_PAGES <= VM_VCPU_PAGES_MAX, "pages of a vcpu");

const struct vm_ops *vmx_init(const char **why)
{
    if (!vmx_detect(why)) {
        return NULL;
    }
    asm volatile("sidt %0" : "=m"(host_idtr));
    vmx_ops.features |= vm_limits.tsc_scale ? VM_FEAT_TSC_SCALE : 0;
    return &vmx_ops;
}

// SPDX-License-Identifier: MIT
/* Intel VMX: what this processor can do, the controls of every vcpu, and VMXON.
 *
 * Exits go to the host for what belongs to it (interrupts, NMIs) and for what the VMM emulates: I/O, CPUID, HLT, most
 * MSRs, CR8, XSETBV, WBINVD, MONITOR and MWAIT. CR3, INVLPG, exceptions, RDTSC, PCIDs and most of CR0 and CR4 are the
 * guest's own business under EPT. [SDM-3 25.6, 25.7, 25.8, A] */

#include "cpu.h"
#include "page_table.h"
#include "paging.h"
#include "vm_host.h"
#include "vmx.h"
#include <string.h>

struct vmx_cpu vmx_cpu;

static uint8_t msr_bitmap[PAGE_SIZE] __attribute__((aligned(4096)));
/* What VM exit loads; the order does not matter. */
static struct vmx_msr host_msr[VMX_MSRS] __attribute__((aligned(16))) = {
    {.index = MSR_STAR},   {.index = MSR_LSTAR},          {.index = MSR_CSTAR},
    {.index = MSR_SFMASK}, {.index = MSR_KERNEL_GS_BASE},
};

#define PROC_NEEDED                                                                                                    \
    (VMX_PROC_TSC_OFFSET | VMX_PROC_HLT | VMX_PROC_MWAIT | VMX_PROC_RDPMC | VMX_PROC_CR8_LOAD | VMX_PROC_CR8_STORE |   \
     VMX_PROC_IO | VMX_PROC_MSR_BITMAP | VMX_PROC_MONITOR | VMX_PROC_SECONDARY)
#define PROC2_WANTED                                                                                                   \
    (VMX_PROC2_RDTSCP | VMX_PROC2_VPID | VMX_PROC2_PAUSE_LOOP | VMX_PROC2_INVPCID | VMX_PROC2_XSAVES |                 \
     VMX_PROC2_TSC_SCALE)

/* need: refused without; want: taken if it is there. */
static const struct {
    uint32_t msr, need, want;
    uint32_t *out;
    const char *why;
} controls[] = {
    {MSR_VMX_TRUE_PIN, VMX_PIN_INTR | VMX_PIN_NMI | VMX_PIN_VIRTUAL_NMI, 0, &vmx_cpu.pin,
     "the processor's VMX lacks virtual NMIs, which are required"},
    {MSR_VMX_TRUE_PROC, PROC_NEEDED, 0, &vmx_cpu.proc,
     "the processor's VMX lacks MSR bitmaps or secondary controls, which are required"},
    {MSR_VMX_PROC2, VMX_PROC2_EPT | VMX_PROC2_UNRESTRICTED | VMX_PROC2_WBINVD, PROC2_WANTED, &vmx_cpu.proc2,
     "the processor's VMX lacks EPT or unrestricted guests, which are required"},
    {MSR_VMX_TRUE_EXIT,
     VMX_EXITC_SAVE_DEBUG | VMX_EXITC_HOST_64 | VMX_EXITC_LOAD_PAT | VMX_EXITC_SAVE_EFER | VMX_EXITC_LOAD_EFER, 0,
     &vmx_cpu.exit, "the processor's VMX cannot switch PAT and EFER at exits, which is required"},
    {MSR_VMX_TRUE_ENTRY, VMX_ENTRYC_LOAD_DEBUG | VMX_ENTRYC_LOAD_PAT | VMX_ENTRYC_LOAD_EFER, 0, &vmx_cpu.entry,
     "the processor's VMX cannot switch PAT and EFER at entries, which is required"},
};

/* Bits 31:0 of the MSR must be 1, bits 63:32 may be. [SDM-3 A.3.1] */
static const char *controls_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(controls); i++) {
        uint64_t allowed = msr_read(controls[i].msr);
        uint32_t must = (uint32_t)allowed, may = (uint32_t)(allowed >> 32);

        if (controls[i].need & ~may) {
            return controls[i].why;
        }
        *controls[i].out = must | controls[i].need | (controls[i].want & may);
    }
    if (vmx_cpu.proc & (VMX_PROC_CR3_LOAD | VMX_PROC_CR3_STORE)) {
        return "the processor's VMX cannot leave CR3 to the guest, which is required";
    }
    return NULL;
}

static const char *ept_init(void)
{
    const uint64_t need =
        VMX_EPT_CAP_WALK_4 | VMX_EPT_CAP_WRITE_BACK | VMX_EPT_CAP_2M | VMX_EPT_CAP_INVEPT | VMX_EPT_CAP_INVEPT_ONE;

    vmx_cpu.ept_cap = msr_read(MSR_VMX_EPT_VPID_CAP);
    if ((vmx_cpu.ept_cap & need) != need) {
        return "the processor's EPT lacks write-back tables of four levels, 2 MiB pages or INVEPT, which are required";
    }
    if (!(vmx_cpu.ept_cap & VMX_EPT_CAP_1G)) {
        pt_max_leaf_level = 2;
    }
    if (!(vmx_cpu.ept_cap & VMX_EPT_CAP_INVVPID) || !(vmx_cpu.ept_cap & VMX_EPT_CAP_INVVPID_ALL)) {
        vmx_cpu.proc2 &= ~(uint32_t)VMX_PROC2_VPID;
    }
    return NULL;
}

/* Lets guests read and write an MSR that the world switch switches. */
static void msr_allow(uint32_t msr)
{
    uint32_t byte = (msr >= 0xc0000000u ? VMX_MSR_BITMAP_HIGH : 0) + (msr & 0x1fff) / 8;
    uint8_t keep = (uint8_t) ~(1u << msr % 8);

    msr_bitmap[byte] &= keep;
    msr_bitmap[byte + VMX_MSR_BITMAP_WRITE] &= keep;
}

static void msrs_init(void)
{
    memset(msr_bitmap, 0xff, sizeof(msr_bitmap));
    for (unsigned i = 0; i < VM_FREE_MSRS; i++) {
        msr_allow(vm_free_msrs[i]);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(host_msr); i++) {
        host_msr[i].value = msr_read(host_msr[i].index);
    }
    vmx_cpu.msr_bitmap_pa = (paddr_t){image_to_phys(msr_bitmap)};
    vmx_cpu.host_msr_pa = (paddr_t){image_to_phys(host_msr)};
}

static void limits_init(void)
{
    vm_limits_init();
    vm_limits.cr4_valid &= msr_read(MSR_VMX_CR4_FIXED1) & ~CR4_VMXE;
    if (!(vmx_cpu.proc2 & VMX_PROC2_RDTSCP)) {
        vm_limits.tsc_aux = false;
    }
    vm_limits.tsc_scale = (vmx_cpu.proc2 & VMX_PROC2_TSC_SCALE) != 0;
    /* unrestricted guests may do without protected mode and paging */
    vmx_cpu.cr0_fixed = msr_read(MSR_VMX_CR0_FIXED0) & ~(CR0_PE | CR0_PG);
}

/* Firmware decides once, and locks. [SDM-3 24.7] */
static const char *feature_control(void)
{
    uint64_t v = msr_read(MSR_FEATURE_CONTROL);

    if (!(v & FEATURE_CONTROL_LOCK)) {
        msr_write(MSR_FEATURE_CONTROL, v | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
        return NULL;
    }
    if (v & FEATURE_CONTROL_VMX) {
        return NULL;
    }
    return "VMX is disabled by firmware (IA32_FEATURE_CONTROL); enable it in the firmware's setup";
}

const char *vmx_on(void)
{
    uint32_t *region = cpu_this()->vm_page[0];
    uint64_t pa = virt_to_phys(region).v;
    bool failed;

    *region = vmx_cpu.revision;
    msr_write(MSR_SYSENTER_CS, 0);
    if (vm_limits.tsc_aux) {
        msr_write(MSR_TSC_AUX, 0);
    }
    const char *bad = feature_control();
    if (bad) {
        return bad;
    }
    cr0_write((cr0_read() | msr_read(MSR_VMX_CR0_FIXED0)) & msr_read(MSR_VMX_CR0_FIXED1));
    cr4_write((cr4_read() | msr_read(MSR_VMX_CR4_FIXED0)) & msr_read(MSR_VMX_CR4_FIXED1));
    asm volatile("vmxon %1; setbe %0" : "=qm"(failed) : "m"(pa) : "cc", "memory");
    if (!failed) {
        return NULL;
    }
    cr4_write(cr4_read() & ~CR4_VMXE);
    return "the processor refuses VMXON";
}

bool vmx_detect(const char **why)
{
    uint64_t basic;
    const char *bad;

    if (!(cpuid(1, 0).ecx & CPUID_FEATURES_VMX)) {
        return false; /* svm.c has said what is missing */
    }
    bad = feature_control(); /* without it, the other MSRs may not be there */
    basic = bad ? 0 : msr_read(MSR_VMX_BASIC);
    if (!bad && !(basic & VMX_BASIC_TRUE)) {
        /* all that have them have these MSRs */
        bad = "the processor's VMX lacks unrestricted guests, which are required";
    }
    bad = bad ? bad : controls_init();
    bad = bad ? bad : ept_init();
    if (!bad) {
        vmx_cpu.revision = basic & VMX_BASIC_REVISION;
        vmx_cpu.io_info = (basic & VMX_BASIC_IO_INFO) != 0;
        vmx_cpu.len_0 = (msr_read(MSR_VMX_MISC) & VMX_MISC_LEN_0) != 0;
        limits_init();
        msrs_init();
        bad = vmx_on();
    }
    *why = bad;
    return !bad;
}

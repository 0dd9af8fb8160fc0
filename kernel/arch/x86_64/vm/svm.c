// SPDX-License-Identifier: MIT
/* AMD SVM: detection, intercepts, and the surroundings of the world switch. See svm.h for the map of the files.
 *
 * Intercepted is what belongs to the host (interrupts, SMI, machine checks, cache invalidation, SVM's instructions) and what
 * the VMM emulates (I/O, CPUID, HLT, most MSRs, CR8, XSETBV). CR0, CR3, CR4, INVLPG, exceptions, RDTSC and task switches
 * are the guest's own business under nested paging.
 *
 * TLB: each vcpu has an address space identifier of its own. A new one is taken when the processor's have all been used
 * up (then everything is flushed once) and, on processors that cannot flush by ASID, when translations were
 * removed from the guest: an unused ASID has no cached translations. No other entry flushes. [APM-2 15.16] */

#include "svm.h"
#include "cpu.h"
#include "fpu.h"
#include "paging.h"
#include "vm_host.h"
#include "vm_priv.h"

#define PAUSE_FILTER_COUNT 4000u   /* PAUSEs ... */
#define PAUSE_FILTER_THRESHOLD 128u /* ... no further apart than this many cycles make a spinning guest */

struct svm_cpu svm_cpu;

static uint8_t svm_iopm[SVM_IOPM_SIZE] __attribute__((aligned(4096)));
static uint8_t svm_msrpm[SVM_MSRPM_SIZE] __attribute__((aligned(4096)));
enum { HOST_SAVE_VMRUN, HOST_SAVE_VMSAVE }; /* cpu->vm_page[] */

/* --- world switch -------------------------------------------------------------------------------------- */

static void asid_new(struct vcpu_arch *v)
{
    struct vmcb_control *c = &v->vmcb->control;
    bool flush = vm_tag_new(v, svm_cpu.asid_count - 1, &c->guest_asid);

    c->tlb_control = flush ? SVM_TLB_FLUSH_ALL : SVM_TLB_NOTHING;
}

static void tlb_prepare(struct vcpu_arch *v)
{
    struct vmcb_control *c = &v->vmcb->control;
    uint64_t generation = v->guest->tlb_generation;

    if (!vm_tag_valid(v)) {
        asid_new(v);
    } else if (v->tlb_generation == generation) {
        c->tlb_control = SVM_TLB_NOTHING;
        return;
    } else if (svm_cpu.svm_features & CPUID_SVM_FLUSH_BY_ASID) {
        c->tlb_control = SVM_TLB_FLUSH_GUEST;
    } else {
        asid_new(v);
    }
    v->tlb_generation = generation;
}

/* The TSC ratio acts on guests only. */
static void switch_in(struct vcpu_arch *v)
{
    vm_switch_in(v);
    if (v->tsc_ratio != vm_this()->tsc_ratio) {
        msr_write(MSR_TSC_RATIO, v->tsc_ratio);
        vm_this()->tsc_ratio = v->tsc_ratio;
    }
    tlb_prepare(v);
}

/* QEMU's TCG does not intercept XSETBV: there the guest sets XCR0 itself, and it is read back. */
static void switch_out(struct vcpu_arch *v)
{
    uint64_t xcr0 = v->xcr0;

    if (vm_limits.xcr0_valid && (v->vmcb->save.cr4 & CR4_OSXSAVE)) {
        xcr0 = xcr_read(0);
        v->xcr0 = xcr0 & vm_limits.xcr0_valid; /* what is not switched is not kept */
    }
    vm_switch_out(v, xcr0);
}

/* On the processor that ran v. */
static void svm_vcpu_unload(void *arg)
{
    struct vcpu_arch *v = arg;

    vm_dr_unload(v->dr);
    v->tag_generation = 0;
}

static enum vm_result svm_vcpu_enter(struct vcpu_arch *v)
{
    vm_claim(v, svm_vcpu_unload);
    if (svm_nmi_prepare(v)) {
        return svm_exit_nmi_window(v);
    }
    v->injected = v->vmcb->control.eventinj;
    if (svm_cpu.tcg) {
        svm_tcg_entry(v);
    }
    switch_in(v);
    vm_guest_begin(&v->guest->pt);
    svm_enter(v->gpr, v->vmcb_pa.v, virt_to_phys(cpu_this()->vm_page[HOST_SAVE_VMSAVE]).v);
    switch_out(v);
    if (svm_cpu.tcg) {
        svm_tcg_exit(v);
    }
    svm_exit_begin(v);
    return vm_guest_end(v) ? svm_exit(v) : VM_HOST_INTERRUPT;
}

/* --- vcpus ------------------------------------------------------------------------------------------------ */

static void intercepts_init(struct vmcb_control *c)
{
    c->intercept_cr_read = c->intercept_cr_write = 1u << 8;
    c->intercept_exceptions = 1u << EXCP_MC;
    c->intercept1 = SVM_I1_INTR | SVM_I1_NMI | SVM_I1_SMI | SVM_I1_INIT | SVM_I1_RDPMC | SVM_I1_CPUID | SVM_I1_RSM |
                    SVM_I1_INVD | SVM_I1_HLT | SVM_I1_INVLPGA | SVM_I1_IOIO_PROT | SVM_I1_MSR_PROT |
                    SVM_I1_FERR_FREEZE | SVM_I1_SHUTDOWN;
    c->intercept2 = SVM_I2_VMRUN | SVM_I2_VMMCALL | SVM_I2_VMLOAD | SVM_I2_VMSAVE | SVM_I2_STGI | SVM_I2_CLGI |
                    SVM_I2_SKINIT | SVM_I2_WBINVD | SVM_I2_MONITOR | SVM_I2_MWAIT | SVM_I2_MWAIT_ARMED |
                    SVM_I2_XSETBV | SVM_I2_RDPRU;
    c->intercept3 = SVM_I3_INVLPGB | SVM_I3_INVLPGB_ILLEGAL | SVM_I3_MCOMMIT | SVM_I3_TLBSYNC;
    if (svm_cpu.svm_features & CPUID_SVM_PAUSE_FILTER) {
        c->intercept1 |= SVM_I1_PAUSE;
        c->pause_filter_count = PAUSE_FILTER_COUNT;
    }
    if (svm_cpu.svm_features & CPUID_SVM_PAUSE_THRESHOLD) {
        c->pause_filter_threshold = PAUSE_FILTER_THRESHOLD;
    }
}

static struct vcpu_arch *svm_vcpu_init(void *const *pages, struct guest_arch *guest, struct vcpu_state *state)
{
    struct vcpu_arch *v = pages[SVM_PAGE_VCPU];
    struct vmcb_control *c;

    v->ops = &svm_state_ops;
    v->vmcb = pages[SVM_PAGE_VMCB];
    v->vmcb_pa = virt_to_phys(v->vmcb);
    v->fpu = pages[SVM_PAGE_FPU];
    v->guest = guest;
    v->state = state;
    c = &v->vmcb->control;
    intercepts_init(c);
    c->iopm_base_pa = svm_cpu.iopm_pa.v;
    c->msrpm_base_pa = svm_cpu.msrpm_pa.v;
    c->v_intr = SVM_V_INTR_MASKING | SVM_V_IGN_TPR | SVM_V_PRIO_HIGHEST;
    c->nested_ctl = SVM_NP_ENABLE;
    c->n_cr3 = guest->pt.root.v;
    vm_vcpu_reset(v);
    return v;
}

static void svm_vcpu_fini(struct vcpu_arch *v)
{
    fpu_forget(v->fpu);
    vm_claim(v, svm_vcpu_unload);
    vm_dr_unload(v->dr);
}

/* --- detection ---------------------------------------------------------------------------------------------- */

/* Lets guests read and write an MSR that VMLOAD and VMSAVE switch. */
static void msrpm_allow(uint32_t msr)
{
    uint32_t range = msr >= 0xc0000000u ? 0x800 : 0;
    uint32_t bit = (msr & 0x1fff) * 2;

    svm_msrpm[range + bit / 8] &= (uint8_t)~(3u << bit % 8);
}

static void permission_maps_init(void)
{
    svm_cpu.iopm_pa = (paddr_t){ image_to_phys(svm_iopm) };
    svm_cpu.msrpm_pa = (paddr_t){ image_to_phys(svm_msrpm) };
    __builtin_memset(svm_iopm, 0xff, sizeof(svm_iopm));
    __builtin_memset(svm_msrpm, 0xff, sizeof(svm_msrpm));
    for (unsigned i = 0; i < VM_FREE_MSRS; i++) {
        msrpm_allow(vm_free_msrs[i]);
    }
}

static bool svm_cpu_init(void)
{
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SVME);
    msr_write(MSR_VM_HSAVE_PA, virt_to_phys(cpu_this()->vm_page[HOST_SAVE_VMRUN]).v);
    if (vm_limits.tsc_aux) {
        msr_write(MSR_TSC_AUX, 0);
    }
    if (vm_limits.tsc_scale) {
        msr_write(MSR_TSC_RATIO, VCPU_TSC_RATIO_1);
    }
    vm_this()->tsc_ratio = VCPU_TSC_RATIO_1;
    return true;
}

static struct vm_ops svm_ops = {
    .name = "SVM",
    .kind = VM_SVM,
    .pt_format = &pt_npt_format,
    .vcpu_pages = SVM_PAGES,
    .cpu_init = svm_cpu_init,
    .vcpu_init = svm_vcpu_init,
    .vcpu_fini = svm_vcpu_fini,
    .vcpu_load = vm_vcpu_load,
    .vcpu_get = vm_vcpu_get,
    .vcpu_enter = svm_vcpu_enter,
    .vcpu_pause = vm_vcpu_pause,
};
_Static_assert(SVM_PAGES <= VM_VCPU_PAGES_MAX, "pages of a vcpu");

static void features_init(struct cpuid_regs svm)
{
    vm_limits_init();
    svm_cpu.tcg = cpu_is_tcg();
    svm_cpu.svm_features = svm.edx;
    svm_cpu.asid_count = svm.ebx;
    if (svm.edx & CPUID_SVM_NRIPS) {
        svm_ops.features |= VM_FEAT_NEXT_RIP;
    }
    if (svm.edx & CPUID_SVM_DECODE_ASSISTS) {
        svm_ops.features |= VM_FEAT_DECODE;
    }
    if (svm.edx & CPUID_SVM_TSC_RATE) {
        svm_ops.features |= VM_FEAT_TSC_SCALE;
        vm_limits.tsc_scale = true;
    }
    svm_cpu.features = svm_ops.features;
}

const struct vm_ops *svm_init(const char **why)
{
    bool ext = cpuid(0x80000000u, 0).eax >= CPUID_SVM;

    if (!ext || !(cpuid(CPUID_EXT_FEATURES, 0).ecx & CPUID_EXT_FEATURES_SVM)) {
        *why = "the processor has no AMD SVM and no Intel VMX (QEMU: use -cpu EPYC,+svm)";
        return NULL;
    }
    struct cpuid_regs svm = cpuid(CPUID_SVM, 0);
    if (msr_read(MSR_VM_CR) & VM_CR_SVMDIS) {
        *why = "SVM is disabled by firmware (VM_CR.SVMDIS); enable it in the firmware's setup";
        return NULL;
    }
    if (!(svm.edx & CPUID_SVM_NP)) {
        *why = "the processor's SVM lacks nested paging, which is required";
        return NULL;
    }
    if (svm.ebx < 2) {
        *why = "the processor's SVM offers no address space identifiers";
        return NULL;
    }
    features_init(svm);
    permission_maps_init();
    return svm_cpu_init() ? &svm_ops : NULL;
}

// SPDX-License-Identifier: MIT
// MSR emulation [SDM-4; APM-2 appendix A]: what Linux and other guests touch on a machine with our CPUID.
#include "msr.h"
#include "../dev/lapic.h"
#include "../gmem.h"
#include "../smp.h"
#include "cpuid.h"
#include "pvclock.h"
#include "tsc.h"

#include <abi/vcpu.h>
#include <string.h>
#include <util/bits.h>

#define MSR_TSC 0x10u
#define MSR_PLATFORM_ID 0x17u
#define MSR_TSC_ADJUST 0x3bu
#define MSR_UCODE_REV 0x8bu
#define MSR_MTRR_CAP 0xfeu
#define MSR_SYSENTER_CS 0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u
#define MSR_MCG_CAP 0x179u
#define MSR_MCG_STATUS 0x17au
#define MSR_MISC_ENABLE 0x1a0u
#define MSR_DEBUGCTL 0x1d9u
#define MSR_MTRR_PHYS 0x200u
#define MSR_MTRR_FIX64 0x250u
#define MSR_MTRR_FIX16 0x258u
#define MSR_MTRR_FIX4 0x268u
#define MSR_PAT 0x277u
#define MSR_MTRR_DEF_TYPE 0x2ffu
#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_SFMASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX 0xc0000103u
#define MSR_AMD_PATCH 0xc0010020u
#define MSR_AMD_SYSCFG 0xc0010010u
#define MSR_AMD_HWCR 0xc0010015u
#define MSR_AMD_TOP_MEM 0xc001001au
#define MSR_AMD_TOP_MEM2 0xc001001du
#define MSR_AMD_NB_CFG 0xc001001fu
#define MSR_AMD_INT_PENDING 0xc0010055u
#define MSR_AMD_PSTATE_LIMIT 0xc0010061u
#define MSR_AMD_VM_CR 0xc0010114u
#define MSR_AMD_OSVW 0xc0010140u
#define MSR_AMD_IC_CFG 0xc0011021u
#define MSR_AMD_DE_CFG 0xc0011029u

#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define CR0_PG BIT(31)

#define MTRR_VAR_COUNT 8u
#define MTRR_FIX_COUNT 11u
#define MTRR_WB 6ull
#define MTRR_UC 0ull
#define HWCR_TSC_FREQ_SEL BIT(24)

/* What is not in the state page. */
static struct msrs {
    uint64_t mtrr_var[2 * MTRR_VAR_COUNT], mtrr_fix[MTRR_FIX_COUNT], mtrr_def;
    uint64_t tsc_adjust, misc_enable, de_cfg;
} msrs[VCPUS_MAX];

/* The state in which firmware leaves a PC: memory write-back, the VGA hole and the PCI hole uncached. */
void msr_reset(void)
{
    struct cpuid_guest none = {0};
    unsigned bits = cpuid_guest_leaf(0x80000008, 0, &none).eax & 0xff;
    struct msrs m = {
        .mtrr_def = BIT(11) | BIT(10) | MTRR_WB,
        .misc_enable = BIT(0), /* fast strings */
        .de_cfg = BIT(1),      /* LFENCE serialises */
    };

    for (unsigned i = 0; i < MTRR_FIX_COUNT; i++) {
        m.mtrr_fix[i] = i == 2 ? 0 : 0x0606060606060606ull; /* 0xa0000-0xbffff is the third register */
    }
    m.mtrr_var[0] = GMEM_HOLE_START | MTRR_UC;
    m.mtrr_var[1] = (((1ull << (bits != 0 ? bits : 36)) - 1) & ~((4ull << 30) - GMEM_HOLE_START - 1)) | BIT(11);
    for (unsigned i = 0; i < VCPUS_MAX; i++) {
        msrs[i] = m;
    }
}

static uint64_t *mtrr_find(uint32_t msr)
{
    struct msrs *m = &msrs[vcpu_this];

    if (msr - MSR_MTRR_PHYS < 2 * MTRR_VAR_COUNT) {
        return &m->mtrr_var[msr - MSR_MTRR_PHYS];
    }
    if (msr == MSR_MTRR_FIX64) {
        return &m->mtrr_fix[0];
    }
    if (msr - MSR_MTRR_FIX16 < 2) {
        return &m->mtrr_fix[1 + msr - MSR_MTRR_FIX16];
    }
    if (msr - MSR_MTRR_FIX4 < 8) {
        return &m->mtrr_fix[3 + msr - MSR_MTRR_FIX4];
    }
    return msr == MSR_MTRR_DEF_TYPE ? &m->mtrr_def : NULL;
}

/* Fields of the state page that are MSRs without side effects. */
static uint64_t *state_find(struct vcpu_state *s, uint32_t msr, uint32_t *group)
{
    *group = VCPU_GROUP_MSR;
    switch (msr) {
    case MSR_STAR:
        return &s->star;
    case MSR_LSTAR:
        return &s->lstar;
    case MSR_CSTAR:
        return &s->cstar;
    case MSR_SFMASK:
        return &s->sfmask;
    case MSR_KERNEL_GS_BASE:
        return &s->kernel_gs_base;
    case MSR_SYSENTER_CS:
        return &s->sysenter_cs;
    case MSR_SYSENTER_ESP:
        return &s->sysenter_esp;
    case MSR_SYSENTER_EIP:
        return &s->sysenter_eip;
    case MSR_PAT:
        return &s->pat;
    case MSR_TSC_AUX:
        return &s->tsc_aux;
    case MSR_DEBUGCTL:
        return &s->debugctl;
    case MSR_FS_BASE:
        *group = VCPU_GROUP_SEG;
        return &s->fs.base;
    case MSR_GS_BASE:
        *group = VCPU_GROUP_SEG;
        return &s->gs.base;
    default:
        return NULL;
    }
}

static bool canonical(uint64_t v)
{
    return (uint64_t)((int64_t)(v << 16) >> 16) == v;
}

/* Memory types of PAT: 0, 1, 4..7 in each byte [SDM-3 12.12.2] */
static bool pat_valid(uint64_t v)
{
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t t = v >> i & 0xff;
        if (t > 7 || t == 2 || t == 3) {
            return false;
        }
    }
    return true;
}

static bool state_valid(uint32_t msr, uint64_t v)
{
    switch (msr) {
    case MSR_PAT:
        return pat_valid(v);
    case MSR_TSC_AUX:
        return v >> 32 == 0;
    case MSR_DEBUGCTL:
        return (v & ~0x3full) == 0;
    case MSR_STAR:
    case MSR_SFMASK:
    case MSR_SYSENTER_CS:
        return true;
    default:
        return canonical(v);
    }
}

static bool efer_write(struct vcpu_state *s, uint64_t v)
{
    if ((v & ~cpuid_efer_mask()) != 0) {
        return false;
    }
    if ((s->cr0 & CR0_PG) != 0 && ((v ^ s->efer) & EFER_LME) != 0) {
        return false; /* not while paging is on [SDM-3 2.2.1] */
    }
    s->efer = (v & ~EFER_LMA) | (s->efer & EFER_LMA);
    s->dirty |= VCPU_GROUP_BASE;
    return true;
}

static void tsc_set_offset(struct vcpu_state *s, uint64_t offset)
{
    s->tsc_offset = offset;
    s->dirty |= VCPU_GROUP_TSC;
}

/* Read as a constant; writes are ignored. */
static bool constant_find(uint32_t msr, uint64_t *v)
{
    switch (msr) {
    case MSR_MTRR_CAP:
        *v = BIT(10) | BIT(8) | MTRR_VAR_COUNT;
        return true; /* WC, fixed ranges */
    case MSR_UCODE_REV:
        *v = 0x01000065;
        return true;
    case MSR_AMD_HWCR:
        *v = HWCR_TSC_FREQ_SEL;
        return true;
    case MSR_AMD_VM_CR:
        *v = BIT(4);
        return true; /* SVM disabled */
    case MSR_PLATFORM_ID:
    case MSR_MCG_CAP:
    case MSR_MCG_STATUS:
    case MSR_AMD_SYSCFG:
    case MSR_AMD_PATCH:
    case MSR_AMD_TOP_MEM:
    case MSR_AMD_TOP_MEM2:
    case MSR_AMD_NB_CFG:
    case MSR_AMD_INT_PENDING:
    case MSR_AMD_PSTATE_LIMIT:
    case MSR_AMD_OSVW:
    case MSR_AMD_OSVW + 1:
    case MSR_AMD_IC_CFG:
        *v = 0;
        return true;
    default:
        return false;
    }
}

static bool is_apic(uint32_t msr)
{
    return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE ||
           msr - MSR_X2APIC_FIRST <= MSR_X2APIC_LAST - MSR_X2APIC_FIRST;
}

bool msr_read(struct vcpu_state *s, uint32_t msr, uint64_t *value)
{
    const struct msrs *m = &msrs[vcpu_this];
    uint32_t group;
    uint64_t *p = state_find(s, msr, &group);

    p = p != NULL ? p : mtrr_find(msr);
    if (p != NULL) {
        *value = *p;
        return true;
    }
    switch (msr) {
    case MSR_EFER:
        *value = s->efer;
        return true;
    case MSR_TSC:
        *value = tsc_guest_now();
        return true;
    case MSR_TSC_ADJUST:
        *value = m->tsc_adjust;
        return true;
    case MSR_MISC_ENABLE:
        *value = m->misc_enable;
        return true;
    case MSR_AMD_DE_CFG:
        *value = m->de_cfg;
        return true;
    default:
        return is_apic(msr) ? lapic_msr_read(msr, value) : constant_find(msr, value) || pvclock_msr_read(msr, value);
    }
}

bool msr_write(struct vcpu_state *s, uint32_t msr, uint64_t value)
{
    struct msrs *m = &msrs[vcpu_this];
    uint32_t group;
    uint64_t *p = state_find(s, msr, &group), ignored;

    if (p != NULL) {
        if (!state_valid(msr, value)) {
            return false;
        }
        *p = value;
        s->dirty |= group;
        return true;
    }
    p = mtrr_find(msr); /* kept for the guest's own eyes: nested paging makes all RAM write-back */
    if (p != NULL) {
        *p = value;
        return true;
    }
    switch (msr) {
    case MSR_EFER:
        return efer_write(s, value);
    case MSR_TSC:
        m->tsc_adjust += value - tsc_guest_now();
        tsc_set_offset(s, s->tsc_offset + value - tsc_guest_now());
        return true;
    case MSR_TSC_ADJUST:
        tsc_set_offset(s, s->tsc_offset + value - m->tsc_adjust);
        m->tsc_adjust = value;
        return true;
    case MSR_MISC_ENABLE:
        m->misc_enable = value;
        return true;
    case MSR_AMD_DE_CFG:
        m->de_cfg = value | BIT(1);
        return true;
    default:
        return is_apic(msr) ? lapic_msr_write(msr, value)
                            : constant_find(msr, &ignored) || pvclock_msr_write(msr, value);
    }
}

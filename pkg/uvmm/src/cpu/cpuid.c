// SPDX-License-Identifier: MIT
/* CPUID policy: a leaf is masked by what is listed here (a white list), so a new host feature never leaks into the
 * guest by itself. [SDM-2 CPUID; APM-3 appendix E; KVM's paravirtual leaves: kernel.org "KVM CPUID bits"] */
#include "cpuid.h"
#include "../dev/lapic.h"

#include <stdbool.h>
#include <stddef.h>
#include <util/bits.h>

/* Leaf 1 EDX: FPU VME DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2.
 * Machine checks are there without banks: Linux calls their absence an error. */
#define L1_EDX                                                                                                         \
    (BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(9) | BIT(11) | BIT(12) |     \
     BIT(13) | BIT(14) | BIT(15) | BIT(16) | BIT(17) | BIT(19) | BIT(23) | BIT(24) | BIT(25) | BIT(26))
/* Leaf 1 ECX: SSE3 PCLMUL SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND */
#define L1_ECX                                                                                                         \
    (BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(22) | BIT(23) | BIT(25) | BIT(26) |        \
     BIT(28) | BIT(29) | BIT(30))
#define L1_EDX_HTT BIT(28)
#define L1_ECX_X2APIC BIT(21)
#define L1_ECX_TSC_DEADLINE BIT(24)
#define L1_ECX_XSAVE BIT(26)
#define L1_ECX_OSXSAVE BIT(27)
#define L1_ECX_AVX (BIT(28) | BIT(12) | BIT(29)) /* AVX and what is encoded with VEX only: FMA, F16C */
#define L1_ECX_HYPERVISOR BIT(31)
/* Leaf 7: FSGSBASE BMI1 AVX2 SMEP BMI2 ERMS RDSEED ADX SMAP CLFLUSHOPT CLWB SHA; UMIP GFNI RDPID; FSRM */
#define L7_EBX                                                                                                         \
    (BIT(0) | BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(9) | BIT(18) | BIT(19) | BIT(20) | BIT(23) | BIT(24) | BIT(29))
#define L7_EBX_TSC_ADJUST BIT(1)
#define L7_EBX_AVX2 BIT(5)
#define L7_ECX (BIT(2) | BIT(8) | BIT(22))
#define L7_EDX BIT(4)
/* 0x80000001 EDX: the bits that repeat leaf 1 on AMD, SYSCALL NX MMXEXT PDPE1GB RDTSCP LM */
#define E1_EDX ((L1_EDX & 0x0183f3ff) | BIT(11) | BIT(20) | BIT(22) | BIT(26) | BIT(27) | BIT(29))
/* 0x80000001 ECX: LAHF ABM SSE4A MISALIGNSSE PREFETCHW TOPOEXT */
#define E1_ECX (BIT(0) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(22))
#define E1_ECX_CMP_LEGACY BIT(1) /* with several cores */
#define E7_EDX_INVARIANT_TSC BIT(8)
/* 0x80000008 EBX: CLZERO, XSAVEERPTR, SSB_NO (a load never passes a store speculatively) */
#define E8_EBX_SSB_NO BIT(26)
#define E8_EBX (BIT(0) | BIT(2) | E8_EBX_SSB_NO)

/* 0x80000021 EAX: NO_NESTED_DATA_BP, LFENCE_SERIALIZING, NULL_SEL_CLR_BASE, SRSO_NO [APM-3 E.4.24; AMD's "Technical
 * Update Regarding Speculative Return Stack Overflow"] */
#define E21_EAX_SRSO_NO BIT(29)
#define E21_EAX (BIT(0) | BIT(2) | BIT(6) | E21_EAX_SRSO_NO)

/* KVM: CLOCKSOURCE, NOP_IO_DELAY, CLOCKSOURCE2, PV_EOI, CLOCKSOURCE_STABLE; PV_UNHALT: who waits for a lock halts */
#define HV_FEATURES (BIT(0) | BIT(1) | BIT(3) | BIT(6) | BIT(24))
#define HV_PV_UNHALT BIT(7)

#define VENDOR_AMD 0x444d4163u /* "cAMD", ECX of leaf 0 */
#define CR4_OSXSAVE BIT(18)

#define MAX_BASIC 0x16u
#define MAX_EXTENDED 0x80000021u
#define BUS_KHZ (LAPIC_BUS_HZ / 1000u)

static struct cpuid_host host;
static uint32_t max_basic_host, max_extended_host;
static bool no_speculation; /* the host's processor is QEMU's emulation, which executes nothing in advance */

static bool host_is_tcg(void)
{
    struct cpuid_regs r = host.leaf(CPUID_HV_BASE, 0); /* "TCGTCGTCGTCG" */

    return (host.leaf(1, 0).ecx & L1_ECX_HYPERVISOR) != 0 && r.ebx == 0x54474354 && r.ecx == 0x43544743 &&
           r.edx == 0x47435447;
}

void cpuid_init(const struct cpuid_host *h)
{
    host = *h;
    max_basic_host = host.leaf(0, 0).eax;
    max_extended_host = host.leaf(0x80000000, 0).eax;
    no_speculation = host_is_tcg();
}

/* The highest extended leaf that the guest has. */
static uint32_t max_extended(void)
{
    bool amd = host.leaf(0, 0).ecx == VENDOR_AMD;

    return amd && no_speculation ? MAX_EXTENDED : min(max_extended_host, MAX_EXTENDED);
}

static struct cpuid_regs leaf_e21(void)
{
    uint32_t eax = max_extended_host >= 0x80000021 ? host.leaf(0x80000021, 0).eax & (uint32_t)E21_EAX : 0;

    return (struct cpuid_regs){.eax = eax | (no_speculation ? (uint32_t)E21_EAX_SRSO_NO : 0)};
}

static bool host_has_xsave(void)
{
    return max_basic_host >= 0xd && (host.leaf(1, 0).ecx & L1_ECX_XSAVE) != 0;
}

/* x87 and SSE always; AVX when all of its state is switched. Further components stay hidden. */
uint64_t cpuid_xcr0_mask(void)
{
    struct cpuid_regs d;

    if (!host_has_xsave()) {
        return 0;
    }
    d = host.leaf(0xd, 0);
    uint64_t m = (d.eax | (uint64_t)d.edx << 32) & host.xcr0 & 7;
    return (m & 3) == 3 ? m : 0;
}

int cpuid_xcr0_valid(uint64_t xcr0)
{
    return (xcr0 & 1) != 0 && (xcr0 & ~cpuid_xcr0_mask()) == 0 && ((xcr0 & 4) == 0 || (xcr0 & 2) != 0);
}

uint64_t cpuid_efer_mask(void)
{
    struct cpuid_regs e = host.leaf(0x80000001, 0);

    return BIT(0) | BIT(8) | BIT(10) | ((e.edx & BIT(20)) != 0 ? BIT(11) : 0);
}

uint64_t cpuid_tsc_hz(void)
{
    return host.tsc_hz;
}

static unsigned processors(const struct cpuid_guest *g)
{
    return max(g->vcpus, 1u);
}

/* Bits of an APIC id that number the cores of the package. */
static unsigned id_bits(const struct cpuid_guest *g)
{
    unsigned n = processors(g);

    return n == 1 ? 0 : 32 - (unsigned)__builtin_clz(n - 1);
}

static struct cpuid_regs leaf_1(const struct cpuid_guest *g)
{
    struct cpuid_regs r = host.leaf(1, 0);

    r.ebx = (r.ebx & 0xff00) | 1u << (id_bits(g) + 16) | g->apic_id << 24; /* CLFLUSH size; ids of the package */
    r.ecx &= L1_ECX;
    if (cpuid_xcr0_mask() == 0) {
        r.ecx &= (uint32_t)~L1_ECX_XSAVE;
    }
    if ((cpuid_xcr0_mask() & 4) == 0) {
        r.ecx &= (uint32_t)~L1_ECX_AVX;
    }
    r.ecx |= L1_ECX_X2APIC | L1_ECX_TSC_DEADLINE | L1_ECX_HYPERVISOR;
    r.ecx |= (g->cr4 & CR4_OSXSAVE) != 0 ? L1_ECX_OSXSAVE : 0;
    r.edx &= L1_EDX;
    r.edx |= BIT(9) | BIT(12); /* APIC and MTRRs are emulated */
    r.edx |= g->vcpus > 1 ? L1_EDX_HTT : 0;
    return r;
}

/* Deterministic cache parameters, Intel's leaf 4 and AMD's 0x8000001d have the same form: caches of the first two
 * levels belong to a core, the third is shared by all. */
static struct cpuid_regs leaf_cache(uint32_t leaf, uint32_t sub, const struct cpuid_guest *g)
{
    struct cpuid_regs r = host.leaf(leaf, sub);
    uint32_t ids = (1u << id_bits(g)) - 1;

    r.eax &= 0x3fff;
    if ((r.eax & 0x1f) != 0) {
        r.eax |= (r.eax >> 5 & 7) >= 3 ? ids << 14 : 0;
        r.eax |= leaf == 4 ? ids << 26 : 0;
    }
    return r;
}

static struct cpuid_regs leaf_7(uint32_t sub)
{
    struct cpuid_regs r = {0};

    if (sub != 0 || max_basic_host < 7) {
        return r;
    }
    r = host.leaf(7, 0);
    r.eax = 0;
    r.ebx = (r.ebx & L7_EBX) | L7_EBX_TSC_ADJUST;
    if ((cpuid_xcr0_mask() & 4) == 0) {
        r.ebx &= (uint32_t)~L7_EBX_AVX2;
    }
    r.ecx &= L7_ECX;
    r.edx &= L7_EDX;
    return r;
}

/* Extended topology: cores of one thread in one package [SDM-2 CPUID 0Bh]. */
static struct cpuid_regs leaf_b(uint32_t sub, const struct cpuid_guest *g)
{
    struct cpuid_regs r = {.ecx = sub & 0xff, .edx = g->apic_id};

    if (sub <= 1) {
        r.eax = sub == 0 ? 0 : id_bits(g);
        r.ebx = sub == 0 ? 1 : processors(g);
        r.ecx |= (sub + 1) << 8;
    }
    return r;
}

/* Bytes of the XSAVE area (standard format) for these components. */
static uint32_t xsave_size(uint64_t components)
{
    uint32_t size = 576; /* legacy region and header [SDM-1 13.4] */

    if ((components & 4) != 0) {
        struct cpuid_regs c = host.leaf(0xd, 2);
        size = max(size, c.eax + c.ebx);
    }
    return size;
}

/* Only XSAVEOPT of the extensions: the compacted format is not offered. */
static struct cpuid_regs leaf_d(uint32_t sub, const struct cpuid_guest *g)
{
    uint64_t mask = cpuid_xcr0_mask();
    struct cpuid_regs r = {0};

    if (mask == 0) {
        return r;
    }
    switch (sub) {
    case 0:
        r.eax = (uint32_t)mask;
        r.ebx = xsave_size(g->xcr0 & mask);
        r.ecx = xsave_size(mask);
        return r;
    case 1:
        r.eax = host.leaf(0xd, 1).eax & 1;
        return r;
    case 2:
        if ((mask & 4) != 0) {
            r = host.leaf(0xd, 2);
            r.ecx = r.edx = 0;
        }
        return r;
    default:
        return r;
    }
}

/* TSC = bus clock * ebx / eax. Linux computes kHz in 32 bits: ebx is as large as does not overflow there, and so within
 * 3 ppm. */
static struct cpuid_regs leaf_15(void)
{
    uint64_t khz = host.tsc_hz / 1000, denominator = (UINT32_MAX - BUS_KHZ) / khz;

    return (struct cpuid_regs){(uint32_t)denominator, (uint32_t)((khz * denominator + BUS_KHZ / 2) / BUS_KHZ),
                               LAPIC_BUS_HZ, 0};
}

static struct cpuid_regs leaf_16(void)
{
    uint32_t mhz = (uint32_t)((host.tsc_hz + 500000) / 1000000);

    return (struct cpuid_regs){mhz, mhz, 100, 0};
}

static struct cpuid_regs basic_leaf(uint32_t leaf, uint32_t sub, const struct cpuid_guest *g)
{
    struct cpuid_regs r = {0};

    switch (leaf) {
    case 0:
        r = host.leaf(0, 0);
        r.eax = MAX_BASIC;
        return r;
    case 1:
        return leaf_1(g);
    case 2:
        return max_basic_host >= 2 ? host.leaf(2, 0) : r;
    case 4:
        return max_basic_host >= 4 ? leaf_cache(4, sub, g) : r;
    case 7:
        return leaf_7(sub);
    case 0xb:
        return leaf_b(sub, g);
    case 0xd:
        return leaf_d(sub, g);
    case 0x15:
        return leaf_15();
    case 0x16:
        return leaf_16();
    default:
        return r; /* 5, 6, 9, 0xa: no MONITOR, no power management, no performance counters */
    }
}

static struct cpuid_regs extended_leaf(uint32_t leaf, uint32_t sub, const struct cpuid_guest *g)
{
    struct cpuid_regs r = {0};

    if (leaf > max_extended()) {
        return r;
    }
    r = leaf <= max_extended_host ? host.leaf(leaf, 0) : r;
    bool amd = host.leaf(0, 0).ecx == VENDOR_AMD;
    switch (leaf) {
    case 0x80000000:
        r.eax = max_extended();
        break;
    case 0x80000001:
        r.ecx &= E1_ECX;
        r.ecx |= amd && g->vcpus > 1 ? (uint32_t)E1_ECX_CMP_LEGACY : 0;
        r.edx &= E1_EDX;
        break;
    case 0x80000007:
        r = (struct cpuid_regs){.edx = E7_EDX_INVARIANT_TSC};
        break;
    case 0x80000008:
        r.eax &= 0xffff;
        r.ebx &= (uint32_t)E8_EBX;
        r.ebx |= amd && no_speculation ? (uint32_t)E8_EBX_SSB_NO : 0;
        r.ecx = amd ? id_bits(g) << 12 | (processors(g) - 1) : 0;
        r.edx = 0;
        break;
    case 0x8000001d:
        r = leaf_cache(leaf, sub, g);
        break;
    case 0x8000001e:
        r = (struct cpuid_regs){g->apic_id, g->apic_id, 0, 0};
        break; /* a core per id, one node */
    case 0x80000021:
        return leaf_e21();
    case 0x80000002 ... 0x80000006:
        break; /* brand string, caches */
    default:
        return (struct cpuid_regs){0};
    }
    return r;
}

static struct cpuid_regs hypervisor_leaf(uint32_t leaf, const struct cpuid_guest *g)
{
    switch (leaf) {
    case CPUID_HV_BASE: /* "KVMKVMKVM\0\0\0" */
        return (struct cpuid_regs){CPUID_HV_TIMING, 0x4b4d564b, 0x564b4d56, 0x0000004d};
    case CPUID_HV_FEATURES:
        return (struct cpuid_regs){.eax = (uint32_t)(HV_FEATURES | (g->vcpus > 1 ? HV_PV_UNHALT : 0))};
    case CPUID_HV_TIMING: /* TSC and APIC bus clock in kHz */
        return (struct cpuid_regs){(uint32_t)(host.tsc_hz / 1000), BUS_KHZ, 0, 0};
    default:
        return (struct cpuid_regs){0};
    }
}

struct cpuid_regs cpuid_guest_leaf(uint32_t leaf, uint32_t sub, const struct cpuid_guest *g)
{
    if ((leaf & 0xffffff00) == CPUID_HV_BASE) {
        return hypervisor_leaf(leaf, g);
    }
    if ((leaf & 0x80000000) != 0) {
        return extended_leaf(leaf, sub, g);
    }
    return basic_leaf(leaf, sub, g);
}

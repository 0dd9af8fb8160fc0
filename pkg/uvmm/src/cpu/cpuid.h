// SPDX-License-Identifier: MIT
/* The guest's CPUID leaves: those of the host, reduced to what the kernel switches and uvmm emulates, so that every
 * leaf agrees with the others; and the hypervisor leaves of the KVM paravirtual interface. Pure: the host's leaves come
 * from a callback. */
#pragma once

#include <stdint.h>

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};

struct cpuid_host {
    struct cpuid_regs (*leaf)(uint32_t leaf, uint32_t sub);
    uint64_t xcr0; /* state components that the kernel switches */
    uint64_t tsc_hz;
};

/* What of the guest's state shows in CPUID; xcr0 in leaf CPUID_XSAVE only. */
struct cpuid_guest {
    uint64_t cr4, xcr0;
    unsigned apic_id, vcpus; /* processors of the machine: each a core of its own in one package */
};

#define CPUID_XSAVE 0xdu
#define CPUID_HV_BASE 0x40000000u
#define CPUID_HV_FEATURES 0x40000001u
#define CPUID_HV_TIMING 0x40000010u

void cpuid_init(const struct cpuid_host *host);
struct cpuid_regs cpuid_guest_leaf(uint32_t leaf, uint32_t sub, const struct cpuid_guest *g);
/* State components that the guest may enable; 0: no XSAVE. */
uint64_t cpuid_xcr0_mask(void);
/* May the guest set XCR0 to this? [SDM-1 13.3] */
int cpuid_xcr0_valid(uint64_t xcr0);
/* EFER bits that the guest may set. */
uint64_t cpuid_efer_mask(void);
uint64_t cpuid_tsc_hz(void);

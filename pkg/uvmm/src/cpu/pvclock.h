// SPDX-License-Identifier: MIT
/* KVM's paravirtual clock and EOI [kernel.org: "KVM-specific MSRs"]: pages in guest RAM that the guest registers by
 * MSR. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MSR_KVM_WALL_CLOCK_NEW 0x4b564d00u
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01u
#define MSR_KVM_PV_EOI_EN 0x4b564d04u
#define MSR_KVM_WALL_CLOCK 0x11u
#define MSR_KVM_SYSTEM_TIME 0x12u

struct pvclock_time {
    uint32_t version; /* odd while it is written */
    uint32_t pad0;
    uint64_t tsc_timestamp, system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad[2];
};
_Static_assert(sizeof(struct pvclock_time) == 32, "pvclock layout");
#define PVCLOCK_TSC_STABLE 1u

/* Multiplier and shift so that ns = ((tsc << shift, or >> -shift) * mul) >> 32. */
void pvclock_scale(uint64_t tsc_hz, uint32_t *mul, int8_t *shift);
void pvclock_reset(void);
/* The MSRs above. false: #GP (malformed value). */
bool pvclock_msr_read(uint32_t msr, uint64_t *v);
bool pvclock_msr_write(uint32_t msr, uint64_t v);
/* After an exit: has the guest ended the interrupt by its flag? Then the APIC is told. */
void pv_eoi_exit(void);
/* Before an entry: may the guest end the interrupt in service by its flag? */
void pv_eoi_entry(void);

// SPDX-License-Identifier: MIT
/* Local APICs, one for each vcpu, as xAPIC (registers at 0xfee00000) and x2APIC (MSRs) [SDM-3 ch. 11]. A vcpu's index
 * is its APIC id. Timers count at 25 MHz (told in CPUID 0x40000010 and 0x15) and know TSC-deadline mode. Vectors below
 * 16 set the error status and are never delivered to the processor. Functions without a vcpu are about the calling
 * thread's (vcpu_this). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LAPIC_BASE 0xfee00000ull
#define LAPIC_BUS_HZ 25000000u

#define MSR_APIC_BASE 0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC_FIRST 0x800u
#define MSR_X2APIC_LAST 0x8ffu

enum lapic_delivery {
    LAPIC_FIXED = 0,
    LAPIC_LOWEST = 1,
    LAPIC_SMI = 2,
    LAPIC_NMI = 4,
    LAPIC_INIT = 5,
    LAPIC_STARTUP = 6,
    LAPIC_EXTINT = 7,
};

/* All of them, as after power-on. */
void lapic_reset(void);
/* Claims the MMIO range. */
int lapic_init(void);
/* As firmware leaves the first processor's: enabled, the 8259's interrupts pass through LINT0, NMIs through LINT1
 * (virtual wire) [SDM-3 11.2; MPS 3.6.2.2]. */
void lapic_virtual_wire(void);
/* The calling vcpu has got an INIT message: reset, but for id and mode [SDM-3 11.4.7.3]. */
void lapic_init_received(void);

/* --- messages (lapic_ipi.c) --- */

#define LAPIC_BROADCAST 0xffffffffu /* physical destination */

struct lapic_message {
    uint32_t dest; /* 8 bits of an xAPIC, IO-APIC or MSI: lapic_dest8() */
    bool logical;
    bool level;
    enum lapic_delivery mode;
    uint8_t vector;
};

/* Destination field of 8 bits: all ones means everybody in both modes. */
static inline uint32_t lapic_dest8(uint32_t dest)
{
    return (dest & 0xff) == 0xff ? LAPIC_BROADCAST : dest & 0xff;
}
/* Delivers to every APIC that the destination names, or with LAPIC_LOWEST to the one of them whose processor does the
 * least urgent work, in turn among equals. */
void lapic_send(const struct lapic_message *m);
/* Bit per vcpu that the destination names. */
uint32_t lapic_targets(uint32_t dest, bool logical);

/* --- one APIC --- */

void lapic_deliver(unsigned vcpu, enum lapic_delivery mode, uint8_t vector, bool level);
/* Highest pending vector whose priority is above the processor's; -1 if none. */
int lapic_pending(void);
/* The processor takes that vector: IRR -> ISR. */
void lapic_accept(int vector);
void lapic_eoi(void);
/* Is the interrupt in service one whose EOI nobody needs to see at once (edge, nothing else pending)? For PV EOI. */
bool lapic_eoi_is_lazy(void);
/* Does LINT0 pass the 8259's interrupts on to the processor? */
bool lapic_takes_extint(void);
/* An NMI arrived since the last call. */
bool lapic_nmi_take(void);

/* The MSRs above. false: #GP. */
bool lapic_msr_read(uint32_t msr, uint64_t *value);
bool lapic_msr_write(uint32_t msr, uint64_t value);
/* CR8 [SDM-3 11.8.6]: bits 7:4 of TPR. */
uint8_t lapic_cr8_read(void);
void lapic_cr8_write(uint8_t v);

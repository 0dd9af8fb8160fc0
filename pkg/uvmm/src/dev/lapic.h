// SPDX-License-Identifier: MIT
/* Local APIC of the one processor, id 0, as xAPIC (registers at 0xfee00000) and x2APIC (MSRs) [SDM-3 ch. 11].
 * Its timer counts nanoseconds (bus clock 1 GHz, told in CPUID 0x40000010 and 0x15) and knows TSC-deadline mode.
 * Vectors below 16 set the error status and are never delivered to the processor. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LAPIC_BASE 0xfee00000ull
#define LAPIC_BUS_HZ 1000000000ull

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

void lapic_reset(void);
/* Claims the MMIO range. */
int lapic_init(void);
/* As firmware leaves it: enabled, the 8259's interrupts pass through LINT0, NMIs through LINT1 (virtual wire)
 * [SDM-3 11.2; MPS 3.6.2.2]. */
void lapic_virtual_wire(void);

/* Does a message with this destination mean our APIC? */
bool lapic_match(uint32_t dest, bool logical);
void lapic_deliver(enum lapic_delivery mode, uint8_t vector, bool level);

/* Highest pending vector whose priority is above the processor's; -1 if none. */
int lapic_pending(void);
/* The processor takes that vector: IRR -> ISR. */
void lapic_accept(int vector);
void lapic_eoi(void);
/* Is the interrupt in service one whose EOI nobody needs to see at once (edge, nothing else pending)? For PV EOI. */
bool lapic_eoi_is_lazy(void);
bool lapic_any_in_service(void);
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

/* TSC conversion, provided by the processor's part. */
uint64_t tsc_guest_now(void);
uint64_t tsc_guest_to_ns(uint64_t guest_tsc);

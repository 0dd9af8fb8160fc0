// SPDX-License-Identifier: MIT
// Local APIC, IO-APICs and PICs, towards the rest of arch.
#pragma once

#include "acpi.h"

#include <kernel/arch.h>

/* Switches this processor's local APIC on, as x2APIC if it can. lapic: physical address from the MADT, or 0. */
void apic_init(uint64_t lapic);
/* The same for the other processors. */
void apic_cpu_init(void);
/* Sends an interprocessor interrupt: APIC_IPI_* or a vector. */
void apic_send(uint32_t id, uint32_t command);
#define APIC_IPI_NMI       0x4400u /* delivery mode, and bit 14: assert [SDM-3 12.6.1] */
#define APIC_IPI_INIT      0x4500u
#define APIC_IPI_STARTUP   0x4600u /* | page of the code */
#define APIC_IPI_VECTOR(v) (0x4000u | (v))
bool apic_is_x2apic(void);
uint32_t apic_id(void);
void apic_eoi(void);
/* No effect on a local APIC, but that an emulated one tells its processor again what is pending. */
void apic_look_again(void);
/* Timer: divided by 16, one shot. 0 stops it. */
void apic_timer_set(uint32_t ticks);
uint32_t apic_timer_current(void);
/* Its interrupt has come, but has not been taken. */
bool apic_timer_pending(void);
/* From now on the timer's interrupt comes at the MSR_TSC_DEADLINE value; or, as at first, when the count is 0. */
void apic_timer_use_deadline(void);
void apic_timer_use_count(void);

/* Masks both PICs for good, their vectors out of the way of exceptions. */
void pic_init(void);
/* Maps and masks all lines. */
void ioapic_init(const struct acpi_info *acpi);
bool ioapic_address_overlaps(uint64_t base, uint64_t size);
/* Prints the lines in use. */
void ioapic_debug_print(void);
/* Prints lines and vectors in use, spurious and unknown interrupts. */
void irq_debug_print(void);

/* vectors.c: one target per vector. 0: none free. */
unsigned vector_alloc(struct irq_target *t);
void vector_free(unsigned vector);

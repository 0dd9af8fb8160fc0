// SPDX-License-Identifier: MIT
// Interrupts from devices to the guest: lines of the IO-APIC, and MSIs straight to local APICs.
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Sets the level of a global system interrupt (IO-APIC input). Level-triggered lines are level-sensitive as programmed
 * by the guest; edge entries fire on false -> true. gsi beyond the IO-APIC: ignored. */
void irq_set_line(unsigned gsi, bool level);
/* Delivers the message as the local APIC bus would [SDM-3 11.11]. Vectors below 16 set the APIC's error status and
 * deliver nothing. */
void irq_msi(uint64_t address, uint32_t data);

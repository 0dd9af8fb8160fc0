// SPDX-License-Identifier: MIT
/* IO-APIC with 24 inputs at 0xfec00000 [82093AA data sheet; version 0x20 with the EOI register of later chipsets].
 * A redirection entry with a vector below 16 leads to an APIC error, never to an interrupt: guests write 0 to pins. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define IOAPIC_BASE 0xfec00000ull
#define IOAPIC_PINS 24u
#define IOAPIC_ID 0xfu /* no vcpu has it */

int ioapic_init(void);
void ioapic_reset(void);
void ioapic_set_pin(unsigned pin, bool level);
/* A local APIC ended a level-triggered interrupt with this vector. */
void ioapic_eoi(uint8_t vector);
/* Pin 0 in ExtINT mode passes the 8259's output to the processor. */
bool ioapic_takes_extint(void);

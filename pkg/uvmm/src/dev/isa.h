// SPDX-License-Identifier: MIT
/* Interrupts of the PC's fixed devices, by their ISA number: input n of the 8259 pair, and the IO-APIC input that the
 * MADT names for it (0 -> 2, else the same). */
#pragma once

#include <stdbool.h>

#define ISA_IRQ_PIT 0u
#define ISA_IRQ_COM1 4u
#define ISA_IRQ_RTC 8u
#define ISA_IRQ_SCI 9u
#define ISA_IRQS 16u

void isa_irq_set(unsigned irq, bool level);
/* A rising edge. */
void isa_irq_pulse(unsigned irq);

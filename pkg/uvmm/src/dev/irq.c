// SPDX-License-Identifier: MIT
// Where interrupt lines lead: IO-APIC inputs, and the 8259 pair for the first sixteen.
#include "../irq.h"
#include "../smp.h"
#include "ioapic.h"
#include "isa.h"
#include "pic.h"

/* The pair's output goes to the first processor. */
static void pic_line(unsigned irq, bool level)
{
    pic_set_line(irq, level);
    if (pic_asserted()) {
        vcpu_kick(0);
    }
}

void irq_set_line(unsigned gsi, bool level)
{
    if (gsi >= IOAPIC_PINS) {
        return;
    }
    ioapic_set_pin(gsi, level);
    if (gsi < ISA_IRQS && gsi != 0 && gsi != PIC_CASCADE) {
        pic_line(gsi, level);
    }
}

void isa_irq_set(unsigned irq, bool level)
{
    ioapic_set_pin(irq == ISA_IRQ_PIT ? 2 : irq, level);
    pic_line(irq, level);
}

void isa_irq_pulse(unsigned irq)
{
    isa_irq_set(irq, false);
    isa_irq_set(irq, true);
    isa_irq_set(irq, false);
}

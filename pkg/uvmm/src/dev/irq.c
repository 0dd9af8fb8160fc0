// SPDX-License-Identifier: MIT
// Where interrupt lines lead: IO-APIC inputs, and the 8259 pair for the first sixteen.
#include "../irq.h"
#include "../pci/pci.h"
#include "../smp.h"
#include "ioapic.h"
#include "isa.h"
#include "pic.h"

#include <util/bits.h>

/* The pair's output goes to the first processor. */
static void pic_line(unsigned irq, bool level)
{
    pic_set_line(irq, level);
    if (pic_asserted()) {
        vcpu_kick(0);
    }
}

/* Pins of PCI, which share two inputs of the pair: asserted while one of those pins is. */
static void pci_line(unsigned gsi, bool level)
{
    static uint8_t asserted;
    uint8_t bit = (uint8_t)BIT(gsi - PCI_GSI_FIRST), shared = gsi & 1 ? 0xaa : 0x55;

    asserted = level ? asserted | bit : asserted & (uint8_t)~bit;
    pic_line(PCI_PIC_IRQ(gsi), (asserted & shared) != 0);
}

void irq_set_line(unsigned gsi, bool level)
{
    if (gsi >= IOAPIC_PINS) {
        return;
    }
    ioapic_set_pin(gsi, level);
    if (gsi >= PCI_GSI_FIRST) {
        pci_line(gsi, level);
        return;
    }
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

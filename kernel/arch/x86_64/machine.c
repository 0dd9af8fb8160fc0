// SPDX-License-Identifier: MIT
/* Ports, reserved ranges and reset. Documents: [ACPI-6.4] 4.8.3.6 (reset register); port 0xcf9: Intel ICH data
 * sheets, "Reset Control Register"; 8042 command 0xfe: IBM PC/AT Technical Reference. */
#include "machine.h"

#include "apic.h"
#include "cpu.h"
#include "paging.h"
#include "time.h"

#include <kernel/log.h>

#define RESET_CONTROL 0xcf9
#define KBC_STATUS 0x64
#define KBC_INPUT_FULL BIT(1)
#define KBC_PULSE_RESET 0xfe
#define RESET_WAIT_NS 50000000ull

static const struct acpi_info *acpi;
static const struct boot_plan *plan;

void machine_init(const struct acpi_info *a, const struct boot_plan *p)
{
    acpi = a;
    plan = p;
}

uint32_t port_in(uint16_t port, unsigned width)
{
    return width == 1 ? inb(port) : width == 2 ? inw(port) : inl(port);
}

void port_out(uint16_t port, unsigned width, uint32_t value)
{
    switch (width) {
    case 1:
        outb(port, (uint8_t)value);
        break;
    case 2:
        outw(port, (uint16_t)value);
        break;
    default:
        outl(port, value);
    }
}

bool port_reserved(uint16_t port, unsigned count)
{
    static const struct { uint16_t first, last; } reserved[] = {
        { 0x20, 0x21 },   /* PIC 1 */
        { 0x40, 0x43 },   /* PIT */
        { 0x61, 0x61 },   /* PIT gate, NMI status */
        { 0xa0, 0xa1 },   /* PIC 2 */
        { 0x3f8, 0x3ff }, /* COM1 */
    };
    for (unsigned i = 0; i < ARRAY_SIZE(reserved); i++) {
        if (port <= reserved[i].last && port + count > reserved[i].first) {
            return true;
        }
    }
    return false;
}

bool phys_reserved(paddr_t base, uint64_t size)
{
    if (size > UINT64_MAX - base.v) {
        return true;
    }
    return memmap_overlaps(&plan->ram, base.v, size) ||
           (base.v < 0xfef00000 && base.v + size > 0xfee00000) || /* local APICs; MSIs are written by devices only */
           ioapic_address_overlaps(base.v, size);
}

static void reset_by_acpi(void)
{
    if (!acpi || !acpi->has_reset) {
        return;
    }
    if (acpi->reset_space == ACPI_SPACE_IO && acpi->reset_address < 0x10000) {
        outb((uint16_t)acpi->reset_address, acpi->reset_value);
    }
}

void machine_reset(void)
{
    asm volatile("cli");
    console_write("", 0); /* what programs have queued */
    reset_by_acpi();
    time_delay_ns(RESET_WAIT_NS);
    outb(RESET_CONTROL, 0x02); /* hard reset, then its trigger */
    outb(RESET_CONTROL, 0x06);
    time_delay_ns(RESET_WAIT_NS);
    for (int i = 0; i < 100000 && (inb(KBC_STATUS) & KBC_INPUT_FULL); i++) {
        cpu_relax();
    }
    outb(KBC_STATUS, KBC_PULSE_RESET);
    time_delay_ns(RESET_WAIT_NS);
    static const struct { uint16_t limit; uint64_t base; } __attribute__((packed)) no_idt;
    asm volatile("lidt %0; ud2" : : "m"(no_idt)); /* triple fault */
}

// SPDX-License-Identifier: MIT
/* IO-APICs: interrupt lines, numbered by ACPI's global system interrupts.
 *
 * A line is masked until it is attached, and again after it is detached; a level line is masked by its target's fire
 * function at delivery (irq_line_mask) and unmasked when it was served. BKL.
 *
 * Document: [IOAPIC] Intel 82093AA data sheet (1996), 3.0 to 3.2. */
#include "apic.h"
#include "cpu.h"
#include "smp.h"
#include "paging.h"
#include "trap.h"

#include <kernel/log.h>

#define IOAPIC_REGSEL  0x00
#define IOAPIC_WINDOW  0x10
#define IOAPIC_VERSION 0x01
#define IOAPIC_REDTBL  0x10 /* two registers per line */
#define RTE_ACTIVE_LOW BIT(13)
#define RTE_LEVEL      BIT(15)
#define RTE_MASKED     BIT(16)
#define RTE_DEST(id)   ((uint64_t)(id) << 56)

#define LINES_MAX 256

static struct {
    volatile uint32_t *regs;
    uint64_t address;
    uint32_t gsi_base, lines;
} ioapic[ACPI_IOAPICS_MAX];
static unsigned ioapic_count, line_count;
static const struct acpi_info *acpi_tables;
static struct line {
    uint8_t vector; /* 0: not attached */
    uint8_t masked;
    uint16_t flags;
    uint64_t rte;
} lines[LINES_MAX];

static uint32_t reg_read(unsigned i, unsigned reg)
{
    ioapic[i].regs[IOAPIC_REGSEL / 4] = reg;
    return ioapic[i].regs[IOAPIC_WINDOW / 4];
}

static void reg_write(unsigned i, unsigned reg, uint32_t v)
{
    ioapic[i].regs[IOAPIC_REGSEL / 4] = reg;
    ioapic[i].regs[IOAPIC_WINDOW / 4] = v;
}

/* Index of the IO-APIC that has line gsi, -1: none. */
static int ioapic_find(uint32_t gsi)
{
    for (unsigned i = 0; i < ioapic_count; i++) {
        if (gsi >= ioapic[i].gsi_base && gsi - ioapic[i].gsi_base < ioapic[i].lines) {
            return (int)i;
        }
    }
    return -1;
}

static void rte_write(uint32_t gsi, uint64_t rte)
{
    int i = ioapic_find(gsi);
    unsigned reg = IOAPIC_REDTBL + 2 * (gsi - ioapic[i].gsi_base);
    reg_write((unsigned)i, reg, (uint32_t)(RTE_MASKED | (uint32_t)rte)); /* never half of two entries */
    reg_write((unsigned)i, reg + 1, (uint32_t)(rte >> 32));
    reg_write((unsigned)i, reg, (uint32_t)rte);
}

void ioapic_init(const struct acpi_info *acpi)
{
    acpi_tables = acpi;
    for (unsigned n = 0; n < acpi->ioapic_count; n++) {
        unsigned i = ioapic_count;
        uint32_t base = acpi->ioapic[n].gsi_base;
        ioapic[i].address = acpi->ioapic[n].address;
        ioapic[i].regs = mmio_map(acpi->ioapic[n].address, 0x20);
        ioapic[i].gsi_base = base;
        uint32_t version = reg_read(i, IOAPIC_VERSION);
        ioapic[i].lines = (version >> 16 & 0xff) + 1;
        if (version == ~0u) {
            continue; /* nothing is there */
        }
        if (base >= LINES_MAX || ioapic[i].lines > LINES_MAX - base) {
            kprintf("kernel: IO-APIC at %lx ignored: its lines %u to %u exceed the kernel's %u\n", ioapic[i].address,
                    base, base + ioapic[i].lines - 1, LINES_MAX);
            continue;
        }
        ioapic_count++;
        for (uint32_t k = 0; k < ioapic[i].lines; k++) {
            rte_write(base + k, RTE_MASKED);
        }
        line_count = base + ioapic[i].lines > line_count ? base + ioapic[i].lines : line_count;
    }
}

bool ioapic_address_overlaps(uint64_t base, uint64_t size)
{
    for (unsigned i = 0; i < ioapic_count; i++) {
        uint64_t page = align_down(ioapic[i].address, PAGE_SIZE);
        if (base < page + PAGE_SIZE && page < base + size) {
            return true;
        }
    }
    return false;
}

unsigned irq_line_count(void) { return line_count; }

/* Trigger and polarity that firmware says for gsi, else the caller's. */
static uint32_t line_flags(uint32_t gsi, uint32_t flags)
{
    for (unsigned i = 0; (flags & IRQ_FIRMWARE) && i < acpi_tables->override_count; i++) {
        if (acpi_tables->override[i].gsi == gsi) {
            return acpi_tables->override[i].flags;
        }
    }
    return flags & (IRQ_LEVEL | IRQ_ACTIVE_LOW);
}

int irq_line_attach(uint32_t gsi, uint32_t flags, unsigned cpu, struct irq_target *t, bool *level)
{
    if (gsi >= line_count || ioapic_find(gsi) < 0) {
        return SK_ERANGE;
    }
    struct line *l = &lines[gsi];
    if (l->vector) {
        return SK_EBUSY;
    }
    unsigned vector = vector_alloc(t);
    if (!vector) {
        return SK_ENODEV;
    }
    l->flags = (uint16_t)line_flags(gsi, flags);
    l->vector = (uint8_t)vector;
    l->masked = false;
    l->rte = vector | RTE_DEST(cpus[cpu]->apic_id) | (l->flags & IRQ_LEVEL ? RTE_LEVEL : 0) |
             (l->flags & IRQ_ACTIVE_LOW ? RTE_ACTIVE_LOW : 0);
    *level = (l->flags & IRQ_LEVEL) != 0;
    rte_write(gsi, l->rte);
    return SK_OK;
}

static void line_mask_set(uint32_t gsi, bool masked)
{
    struct line *l = &lines[gsi];
    if (gsi >= line_count || !l->vector || l->masked == masked) {
        return;
    }
    int i = ioapic_find(gsi);
    l->masked = masked;
    reg_write((unsigned)i, IOAPIC_REDTBL + 2 * (gsi - ioapic[i].gsi_base),
              (uint32_t)(l->rte | (masked ? RTE_MASKED : 0)));
}

void irq_line_mask(uint32_t gsi) { line_mask_set(gsi, true); }
void irq_line_unmask(uint32_t gsi) { line_mask_set(gsi, false); }

void irq_line_detach(uint32_t gsi)
{
    if (gsi >= line_count || !lines[gsi].vector) {
        return;
    }
    rte_write(gsi, RTE_MASKED);
    vector_free(lines[gsi].vector);
    lines[gsi].vector = 0;
}

static void line_print(uint32_t gsi)
{
    const struct line *l = &lines[gsi];
    if (l->vector) {
        kprintf("  line %3u: vector %x, %s, active %s%s\n", gsi, l->vector, l->flags & IRQ_LEVEL ? "level" : "edge",
                l->flags & IRQ_ACTIVE_LOW ? "low" : "high", l->masked ? ", masked" : "");
    }
}

void ioapic_debug_print(void)
{
    for (uint32_t gsi = 0; gsi < line_count; gsi++) {
        line_print(gsi);
    }
}

// SPDX-License-Identifier: MIT
/* ACPI tables as bytes at the offsets that the specification gives [ACPI-6.4 5.2]. All are in one block at ACPI_GPA,
 * each aligned to 64 bytes (the FACS needs it). */
#include "acpi_tables.h"
#include "../dev/ioapic.h"
#include "../dev/isa.h"
#include "../dev/lapic.h"
#include "../dev/power.h"

#include <string.h>
#include <util/bits.h>

#define HEADER 36u /* table header [ACPI-6.4 table 5.4] */

struct builder {
    uint8_t *buf;
    size_t pos;
};

void acpi_checksum(uint8_t *p, size_t len, size_t at)
{
    uint8_t sum = 0;

    p[at] = 0;
    for (size_t i = 0; i < len; i++) {
        sum = (uint8_t)(sum + p[i]);
    }
    p[at] = (uint8_t)-sum;
}

static void put(uint8_t *t, unsigned off, unsigned size, uint64_t v)
{
    memcpy(t + off, &v, size);
}

static uint8_t *table_begin(struct builder *b, const char *signature, uint32_t size, uint8_t revision)
{
    uint8_t *t = b->buf + b->pos;

    memset(t, 0, size);
    memcpy(t, signature, 4);
    put(t, 4, 4, size);
    t[8] = revision;
    memcpy(t + 10, "SKERRY", 6);
    memcpy(t + 16, "VIRTPC  ", 8);
    put(t, 24, 4, 1);
    memcpy(t + 28, "SKRY", 4);
    put(t, 32, 4, 1);
    return t;
}

/* Returns the table's guest-physical address. */
static uint64_t table_end(struct builder *b, uint8_t *t, uint32_t size, int checksum)
{
    uint64_t gpa = ACPI_GPA + b->pos;

    if (checksum) {
        acpi_checksum(t, size, 9);
    }
    b->pos = align_up(b->pos + size, 64);
    return gpa;
}

/* Firmware control structure [5.2.10]: no header, no checksum. */
static uint64_t facs_build(struct builder *b)
{
    uint8_t *t = b->buf + b->pos;

    memset(t, 0, 64);
    memcpy(t, "FACS", 4);
    put(t, 4, 4, 64);
    t[32] = 2;
    return table_end(b, t, 64, 0);
}

/* Generic address structure for an I/O port [5.2.3.2] */
static void put_gas(uint8_t *t, unsigned off, unsigned bits, unsigned access, uint64_t port)
{
    t[off] = 1;
    t[off + 1] = (uint8_t)bits;
    t[off + 2] = 0;
    t[off + 3] = (uint8_t)access;
    put(t, off + 4, 8, port);
}

#define FADT_SIZE 276u /* revision 6 */
#define FADT_WBINVD BIT(0)
#define FADT_PROC_C1 BIT(2)
#define FADT_NO_SLP_BUTTON BIT(5)
#define FADT_TMR_VAL_EXT BIT(8)
#define FADT_RESET_REG BIT(10)
#define BOOT_LEGACY_DEVICES BIT(0)
#define BOOT_NO_VGA BIT(2)
#define BOOT_NO_ASPM BIT(4)
#define BOOT_NO_CMOS_RTC BIT(5)

/* Fixed ACPI description table [5.2.9, table 5.9] */
static uint64_t fadt_build(struct builder *b, uint64_t facs, uint64_t dsdt, int has_rtc)
{
    uint8_t *t = table_begin(b, "FACP", FADT_SIZE, 6);

    put(t, 36, 4, facs);
    put(t, 40, 4, dsdt);
    put(t, 46, 2, ISA_IRQ_SCI);
    put(t, 56, 4, POWER_PM1_EVENT);
    put(t, 64, 4, POWER_PM1_CONTROL);
    put(t, 76, 4, POWER_PM_TIMER);
    t[88] = 4;                   /* PM1_EVT_LEN */
    t[89] = 2;                   /* PM1_CNT_LEN */
    t[91] = 4;                   /* PM_TMR_LEN */
    put(t, 96, 2, 0xffff);       /* no C2 */
    put(t, 98, 2, 0xffff);       /* no C3 */
    t[108] = has_rtc ? 0x32 : 0; /* CENTURY */
    put(t, 109, 2, BOOT_LEGACY_DEVICES | BOOT_NO_VGA | BOOT_NO_ASPM | (has_rtc ? 0 : BOOT_NO_CMOS_RTC));
    put(t, 112, 4,
        FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLP_BUTTON | FADT_TMR_VAL_EXT | FADT_RESET_REG);
    put_gas(t, 116, 8, 1, POWER_RESET);
    t[128] = POWER_RESET_VALUE;
    t[131] = 4; /* minor version */
    put(t, 140, 8, dsdt);
    put_gas(t, 148, 32, 2, POWER_PM1_EVENT);
    put_gas(t, 172, 16, 2, POWER_PM1_CONTROL);
    put_gas(t, 208, 32, 3, POWER_PM_TIMER);
    return table_end(b, t, FADT_SIZE, 1);
}

#define MADT_SIZE(vcpus) (HEADER + 8 + 8 * (vcpus) + 12 + 10 + 10 + 6)
#define MPS_LEVEL_HIGH 0x0du /* active high, level-triggered */

/* Multiple APIC description table [5.2.12] */
static uint64_t madt_build(struct builder *b, unsigned vcpus)
{
    uint32_t size = (uint32_t)MADT_SIZE(vcpus);
    uint8_t *t = table_begin(b, "APIC", size, 5), *e = t + HEADER;

    put(e, 0, 4, LAPIC_BASE);
    put(e, 4, 4, 1); /* the 8259 pair is there */
    e += 8;
    for (unsigned i = 0; i < vcpus; i++, e += 8) {
        memcpy(e, (const uint8_t[8]){0, 8, (uint8_t)i, (uint8_t)i, 1, 0, 0, 0}, 8); /* processor i: APIC i, enabled */
    }
    e[0] = 1;
    e[1] = 12;
    e[2] = IOAPIC_ID;
    put(e, 4, 4, IOAPIC_BASE);
    e += 12;
    memcpy(e, (const uint8_t[10]){2, 10, 0, ISA_IRQ_PIT, 2, 0, 0, 0, 0, 0}, 10);
    e += 10;
    memcpy(e, (const uint8_t[10]){2, 10, 0, ISA_IRQ_SCI, ISA_IRQ_SCI, 0, 0, 0, MPS_LEVEL_HIGH, 0}, 10);
    e += 10;
    memcpy(e, (const uint8_t[6]){4, 6, 0xff, 0, 0, 1}, 6); /* NMI on LINT1 of all processors */
    return table_end(b, t, size, 1);
}

static uint64_t xsdt_build(struct builder *b, uint64_t fadt, uint64_t madt)
{
    uint8_t *t = table_begin(b, "XSDT", HEADER + 16, 1);

    put(t, HEADER, 8, fadt);
    put(t, HEADER + 8, 8, madt);
    return table_end(b, t, HEADER + 16, 1);
}

/* Root system description pointer, revision 2 [5.2.5.3] */
static void rsdp_build(uint8_t *t, uint64_t xsdt)
{
    memset(t, 0, 36);
    memcpy(t, "RSD PTR ", 8);
    memcpy(t + 9, "SKERRY", 6);
    t[15] = 2;
    put(t, 20, 4, 36);
    put(t, 24, 8, xsdt);
    acpi_checksum(t, 20, 8);
    acpi_checksum(t, 36, 32);
}

size_t acpi_build(uint8_t *buf, const void *dsdt, size_t dsdt_size, int has_rtc, unsigned vcpus)
{
    struct builder b = {buf, 64}; /* the RSDP goes to the beginning */

    if (dsdt_size > ACPI_ROOM - 4096) {
        return 0;
    }
    uint64_t facs = facs_build(&b);
    memcpy(buf + b.pos, dsdt, dsdt_size);
    uint64_t dsdt_gpa = ACPI_GPA + b.pos;
    b.pos = align_up(b.pos + dsdt_size, 64);
    uint64_t fadt = fadt_build(&b, facs, dsdt_gpa, has_rtc);
    uint64_t madt = madt_build(&b, vcpus);
    rsdp_build(buf, xsdt_build(&b, fadt, madt));
    return b.pos;
}

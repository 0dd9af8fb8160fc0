// SPDX-License-Identifier: MIT
/* ACPI tables as QEMU and UEFI firmware write them, and damaged ones. The tables are built here byte by byte from
 * [ACPI-6.4] 5.2.5 to 5.2.12, independently of acpi.c's definitions. */
#include "acpi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BASE 0xe0000u
static uint8_t mem[0x4000];
static struct acpi_info info;

static const void *map(void *arg, uint64_t pa, uint64_t size)
{
    (void)arg;
    return pa >= BASE && range_ok(pa - BASE, size, sizeof(mem)) ? mem + (pa - BASE) : NULL;
}
static const struct acpi_memory memory = { map, NULL };

static void put(uint32_t off, uint64_t v, unsigned bytes) { memcpy(mem + off, &v, bytes); }
static void checksum(uint32_t off, uint32_t len, uint32_t at)
{
    uint8_t s = 0;
    mem[off + at] = 0;
    for (uint32_t i = 0; i < len; i++) {
        s = (uint8_t)(s + mem[off + i]);
    }
    mem[off + at] = (uint8_t)-s;
}
static void table(uint32_t off, const char *signature, uint32_t len)
{
    memcpy(mem + off, signature, 4);
    put(off + 4, len, 4);
    checksum(off, len, 9);
}

#define RSDP 0x230
#define RSDT 0x400
#define XSDT 0x480
#define FADT 0x600
#define MADT 0x800

static void build(unsigned revision)
{
    memset(mem, 0, sizeof(mem));
    memcpy(mem + RSDP, "RSD PTR ", 8);
    mem[RSDP + 15] = (uint8_t)revision;
    put(RSDP + 16, BASE + RSDT, 4);
    checksum(RSDP, 20, 8);
    if (revision >= 2) {
        put(RSDP + 20, 36, 4);
        put(RSDP + 24, BASE + XSDT, 8);
        checksum(RSDP, 36, 32);
    }
    put(RSDT + 36, BASE + FADT, 4);
    put(RSDT + 40, BASE + MADT, 4);
    table(RSDT, "RSDT", 44);
    put(XSDT + 36, BASE + FADT, 8);
    put(XSDT + 44, BASE + MADT, 8);
    table(XSDT, "XSDT", 52);

    put(FADT + 76, 0x608, 4); /* PM_TMR_BLK */
    put(FADT + 91, 4, 1);     /* PM_TMR_LEN */
    put(FADT + 112, 1 << 10, 4);
    put(FADT + 116, 1, 1);    /* RESET_REG: I/O */
    put(FADT + 120, 0xcf9, 8);
    put(FADT + 128, 0x0f, 1);
    table(FADT, "FACP", 244);

    uint32_t p = MADT + 44;
    put(MADT + 36, 0xfee00000, 4);
    put(p, 0x0800, 2); /* processor, enabled */
    put(p + 4, 1, 4);
    p += 8;
    put(p, 0x0800, 2); /* and one that is not */
    p += 8;
    put(p, 0x0c01, 2); /* IO-APIC */
    put(p + 2, 3, 1);
    put(p + 4, 0xfec00000, 4);
    p += 12;
    put(p, 0x0a02, 2); /* IRQ 0 is line 2, conforms */
    put(p + 4, 2, 4);
    p += 10;
    put(p, 0x0a02, 2); /* IRQ 9: high, level */
    put(p + 3, 9, 1);
    put(p + 4, 9, 4);
    put(p + 8, 0xd, 2);
    p += 10;
    put(p, 0x0a02, 2); /* IRQ 10: low, level */
    put(p + 3, 10, 1);
    put(p + 4, 10, 4);
    put(p + 8, 0xf, 2);
    p += 10;
    table(MADT, "APIC", p - MADT);
}

static void check_found(void)
{
    assert_int_equal(info.lapic, 0xfee00000);
    assert_int_equal(info.cpus, 1);
    assert_int_equal(info.ioapic_count, 1);
    assert_int_equal(info.ioapic[0].id, 3);
    assert_int_equal(info.ioapic[0].address, 0xfec00000);
    assert_int_equal(info.override_count, 3);
    assert_int_equal(info.override[0].gsi, 2);
    assert_int_equal(info.override[0].flags, 0);
    assert_int_equal(info.override[1].flags, IRQ_LEVEL);
    assert_int_equal(info.override[2].flags, IRQ_LEVEL | IRQ_ACTIVE_LOW);
    assert_int_equal(info.pm_timer, 0x608);
    assert_true(info.has_reset);
    assert_int_equal(info.reset_space, ACPI_SPACE_IO);
    assert_int_equal(info.reset_address, 0xcf9);
    assert_int_equal(info.reset_value, 0x0f);
}

static void both_root_tables_are_read(void **state)
{
    (void)state;
    for (unsigned revision = 0; revision <= 2; revision += 2) {
        build(revision);
        assert_int_equal(acpi_rsdp_search(&memory, BASE, sizeof(mem)), BASE + RSDP);
        assert_null(acpi_parse(&memory, BASE + RSDP, &info));
        check_found();
    }
}

static void search_wants_checksum_and_alignment(void **state)
{
    (void)state;
    build(2);
    mem[RSDP + 33] ^= 1; /* second checksum */
    assert_int_equal(acpi_rsdp_search(&memory, BASE, sizeof(mem)), 0);
    build(0);
    mem[RSDP + 9] ^= 1;
    assert_int_equal(acpi_rsdp_search(&memory, BASE, sizeof(mem)), 0);
    build(0);
    memmove(mem + RSDP + 8, mem + RSDP, 36);
    memset(mem + RSDP, 0, 8);
    assert_int_equal(acpi_rsdp_search(&memory, BASE, sizeof(mem)), 0);
    assert_int_equal(acpi_rsdp_search(&memory, BASE, sizeof(mem) + 1), 0); /* not mappable */
}

static void damage_is_named(void **state)
{
    (void)state;
    assert_non_null(strstr(acpi_parse(&memory, 0, &info), "no ACPI tables"));
    build(2);
    mem[RSDP + 5] ^= 1;
    assert_non_null(strstr(acpi_parse(&memory, BASE + RSDP, &info), "root pointer"));
    build(2);
    mem[XSDT + 20] ^= 1;
    assert_non_null(strstr(acpi_parse(&memory, BASE + RSDP, &info), "root table"));
    build(2);
    mem[FADT + 200] ^= 1; /* the rest is still used */
    assert_non_null(strstr(acpi_parse(&memory, BASE + RSDP, &info), "an ACPI table"));
    assert_int_equal(info.ioapic_count, 1);
    assert_int_equal(info.pm_timer, 0);
    build(2);
    mem[MADT + 50] ^= 1;
    assert_non_null(strstr(acpi_parse(&memory, BASE + RSDP, &info), "no MADT"));
    assert_int_equal(info.pm_timer, 0x608);
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    static const uint32_t lengths[] = { 0, 35, 0x4000, 0xffffffff };
    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        build(2);
        put(MADT + 4, lengths[i], 4);
        assert_non_null(acpi_parse(&memory, BASE + RSDP, &info));
    }
    build(2);
    table(MADT, "APIC", 43); /* shorter than its fixed part */
    assert_non_null(acpi_parse(&memory, BASE + RSDP, &info));
}

static void madt_entries_are_bounded(void **state)
{
    (void)state;
    for (unsigned len = 0; len < 256; len++) {
        build(2);
        mem[MADT + 44 + 1] = (uint8_t)len;
        checksum(MADT, 44 + 58, 9);
        const char *why = acpi_parse(&memory, BASE + RSDP, &info);
        assert_null(why);
        assert_true(len >= 2 || info.cpus == 0);
    }
}

static void more_controllers_than_fit_are_left_out(void **state)
{
    (void)state;
    build(2);
    uint32_t p = MADT + 44;
    for (unsigned i = 0; i < 40; i++, p += 12) {
        memset(mem + p, 0, 12);
        put(p, 0x0c01, 2);
    }
    table(MADT, "APIC", p - MADT);
    assert_null(acpi_parse(&memory, BASE + RSDP, &info));
    assert_int_equal(info.ioapic_count, ACPI_IOAPICS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_root_tables_are_read),
        cmocka_unit_test(search_wants_checksum_and_alignment),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(madt_entries_are_bounded),
        cmocka_unit_test(more_controllers_than_fit_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

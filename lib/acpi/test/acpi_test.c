// SPDX-License-Identifier: MIT
/* ACPI tables built byte by byte, as tables typed from the specifications apart from src/acpi.c, and damaged ones. */
#include <acpi/acpi.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <util/bits.h>

static uint8_t memory_image[8192];

static int64_t image_read(void *ctx, uint64_t phys, void *buf, size_t len)
{
    (void)ctx;
    if (!range_ok(phys, len, sizeof memory_image)) {
        return SK_ERANGE;
    }
    memcpy(buf, memory_image + phys, len);
    return SK_OK;
}
static const struct acpi_memory image = {image_read, NULL, malloc, free};

#define RSDP_AT 0x100
#define RSDT_AT 0x200
#define XSDT_AT 0x300
#define MCFG_AT 0x400
#define MADT_AT 0x500
#define FADT_AT 0x600
#define DSDT_AT 0x800

static void checksum(unsigned at, unsigned len, unsigned sum_at)
{
    uint8_t sum = 0;

    memory_image[at + sum_at] = 0;
    for (unsigned i = 0; i < len; i++) {
        sum = (uint8_t)(sum + memory_image[at + i]);
    }
    memory_image[at + sum_at] = (uint8_t)-sum;
}

static void table(unsigned at, const char *signature, const void *body, unsigned body_len)
{
    uint32_t len = 36 + body_len;

    memcpy(memory_image + at, signature, 4);
    memcpy(memory_image + at + 4, &len, 4);
    memcpy(memory_image + at + 36, body, body_len);
    checksum(at, len, 9);
}

/* Offsets from the specification's tables: header 36 bytes, MCFG +8 reserved, MADT +4 address +4 flags. */
static const uint8_t mcfg_body[] = {0, 0, 0, 0,    0, 0, 0, 0, /* entry */ 0, 0, 0, 0xb0, 0, 0, 0, 0,
                                    3, 0, 0, 0xff, 0, 0, 0, 0};
static const uint8_t madt_body[] = {0x00,
                                    0x00,
                                    0xe0,
                                    0xfe,
                                    1,
                                    0,
                                    0,
                                    0,
                                    /* local APIC */ 0,
                                    8,
                                    0,
                                    0,
                                    1,
                                    0,
                                    0,
                                    0,
                                    /* I/O APIC */ 1,
                                    12,
                                    2,
                                    0,
                                    0x00,
                                    0x00,
                                    0xc0,
                                    0xfe,
                                    24,
                                    0,
                                    0,
                                    0,
                                    /* override: IRQ 0 -> 2 */ 2,
                                    10,
                                    0,
                                    0,
                                    2,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    /* override: IRQ 9 level high */ 2,
                                    10,
                                    0,
                                    9,
                                    9,
                                    0,
                                    0,
                                    0,
                                    0x0d,
                                    0};

static void build(unsigned revision)
{
    uint8_t *rsdp = memory_image + RSDP_AT;
    uint32_t rsdt[3] = {MCFG_AT, MADT_AT, FADT_AT};
    uint64_t xsdt[3] = {MCFG_AT, MADT_AT, FADT_AT};
    uint8_t fadt[232] = {0};

    memset(memory_image, 0, sizeof memory_image);
    fadt[46 - 36] = 9;
    table(RSDT_AT, "RSDT", rsdt, sizeof rsdt);
    table(XSDT_AT, "XSDT", xsdt, sizeof xsdt);
    table(MCFG_AT, "MCFG", mcfg_body, sizeof mcfg_body);
    table(MADT_AT, "APIC", madt_body, sizeof madt_body);
    table(FADT_AT, "FACP", fadt, sizeof fadt);
    memcpy(rsdp, "RSD PTR ", 8);
    rsdp[15] = (uint8_t)revision;
    memcpy(rsdp + 16, &(uint32_t){RSDT_AT}, 4);
    memcpy(rsdp + 20, &(uint32_t){36}, 4);
    memcpy(rsdp + 24, &(uint64_t){XSDT_AT}, 8);
    checksum(RSDP_AT, 20, 8);
    checksum(RSDP_AT, 36, 32);
}

static void check_all(const struct acpi_info *info)
{
    assert_int_equal(info->bad_tables, 0);
    assert_int_equal(info->ecam_count, 1);
    assert_int_equal(info->ecam[0].base, 0xb0000000);
    assert_int_equal(info->ecam[0].segment, 3);
    assert_int_equal(info->ecam[0].first_bus, 0);
    assert_int_equal(info->ecam[0].last_bus, 255);
    assert_int_equal(info->override_count, 2);
    assert_int_equal(info->override[0].gsi, 2);
    assert_int_equal(acpi_override_find(info, 9)->flags, 0xd);
    assert_null(acpi_override_find(info, 10));
    assert_int_equal(info->ioapic_count, 1);
    assert_int_equal(info->ioapic[0].base, 0xfec00000);
    assert_int_equal(info->ioapic[0].gsi_base, 24);
    assert_int_equal(info->sci, 9);
}

/* As compilers write it: short and long lengths, One and Zero, bytes; and what looks like it but is none. */
static void test_s5(void **state)
{
    static const struct {
        const char *aml;
        size_t len;
        int type[2]; /* -1: nothing is found */
    } cases[] = {
#define AML(s) s, sizeof(s) - 1
        {AML("x\x08_S5_\x12\x06\x04\x00\x00\x00\x00"), {0, 0}},
        {AML("\x08\\_S5_\x12\x08\x04\x0a\x07\x0a\x05\x00\x00"), {7, 5}},
        {AML("_S5_\x10\x08_S5_\x12\x48\x00\x02\x01\x0a\x02"), {1, 2}},
        {AML("x\x08_S4_\x12\x06\x04\x00\x00\x00\x00"), {-1, -1}},
        {AML("x\x08_S5_\x12\x06\x01\x00\x00\x00\x00"), {-1, -1}},
        {AML("x\x08_S5_\x12\x06\x04\x0a\x08\x00\x00"), {-1, -1}},
        {AML("x\x08_S5_\x12\x06\x04\x0b\x05\x00\x00"), {-1, -1}},
        {AML("xx_S5_\x12\x06\x04\x05\x00\x00\x00"), {-1, -1}},
        {AML("x\x08_S5_\x12\x06\x04\x0a"), {-1, -1}},
        {AML("x\x08_S5_\x12"), {-1, -1}},
        {AML("x\x08_S5_\x12\xc6"), {-1, -1}},
        {AML("_S5_"), {-1, -1}},
        {AML(""), {-1, -1}},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t type[2];
        bool found = acpi_s5_parse((const uint8_t *)cases[i].aml, cases[i].len, type);

        assert_int_equal(found, cases[i].type[0] >= 0);
        assert_true(!found || (type[0] == cases[i].type[0] && type[1] == cases[i].type[1]));
    }
}

static void test_power(void **state)
{
    static const uint8_t s5[] = "x\x08_S5_\x12\x06\x04\x0a\x05\x0a\x05\x00";
    uint8_t fadt[232] = {0};
    struct acpi_info info;

    (void)state;
    build(2);
    table(DSDT_AT, "DSDT", s5, sizeof s5);
    memcpy(fadt + 40 - 36, &(uint32_t){DSDT_AT}, 4);
    memcpy(fadt + 48 - 36, &(uint32_t){0xb2}, 4);
    memcpy(fadt + 64 - 36, &(uint32_t){0x604}, 4);
    fadt[52 - 36] = 0xf1;
    table(FADT_AT, "FACP", fadt, sizeof fadt);
    assert_int_equal(acpi_read(&image, RSDP_AT, &info), SK_OK);
    assert_true(info.power.typed);
    assert_int_equal(info.power.type[0], 5);
    assert_int_equal(info.power.control[0], 0x604);
    assert_int_equal(info.power.control[1], 0);
    assert_int_equal(info.power.smi_port, 0xb2);
    assert_int_equal(info.power.enable, 0xf1);
    memory_image[DSDT_AT + 50] ^= 1; /* its checksum is wrong now */
    assert_int_equal(acpi_read(&image, RSDP_AT, &info), SK_OK);
    assert_false(info.power.typed);
    assert_int_equal(info.bad_tables, 1);
    fadt[112 - 36 + 2] = 0x10; /* reduced hardware */
    table(FADT_AT, "FACP", fadt, sizeof fadt);
    assert_int_equal(acpi_read(&image, RSDP_AT, &info), SK_OK);
    assert_int_equal(info.power.control[0], 0);
}

static void test_both_revisions(void **state)
{
    struct acpi_info info;

    (void)state;
    build(0);
    memory_image[XSDT_AT] = 0; /* revision 0 does not look at it */
    assert_int_equal(acpi_read(&image, RSDP_AT, &info), SK_OK);
    check_all(&info);
    build(2);
    memory_image[RSDT_AT] = 0;
    assert_int_equal(acpi_read(&image, RSDP_AT, &info), SK_OK);
    check_all(&info);
}

static void test_bad_xsdt_falls_back_to_rsdt(void **state)
{
    struct acpi_info info;

    (void)state;
    build(2);
    memory_image[XSDT_AT + 40] ^= 1;
    assert_int_equal(acpi_read(&image, RSDP_AT, &info), SK_OK);
    check_all(&info);
}

static void test_damaged(void **state)
{
    struct acpi_info info;

    (void)state;
    build(2);
    assert_int_equal(acpi_read(&image, RSDP_AT + 16, &info), SK_ENOENT);
    assert_int_equal(acpi_read(&image, UINT64_MAX - 4, &info), SK_ENOENT);
    memory_image[RSDP_AT + 9] ^= 1;
    assert_int_equal(acpi_read(&image, RSDP_AT, &info), SK_EIO);
    build(0);
    memory_image[RSDT_AT + 36] ^= 1;
    assert_int_equal(acpi_read(&image, RSDP_AT, &info), SK_EIO);
    build(0);
    memory_image[MADT_AT + 60] ^= 1;
    assert_int_equal(acpi_read(&image, RSDP_AT, &info), SK_OK);
    assert_int_equal(info.bad_tables, 1);
    assert_int_equal(info.override_count, 0);
    assert_int_equal(info.ecam_count, 1);
    build(0);
    memset(memory_image + MCFG_AT + 4, 0xff, 4); /* length */
    assert_int_equal(acpi_read(&image, RSDP_AT, &info), SK_OK);
    assert_int_equal(info.bad_tables, 1);
}

static void test_madt_entry_without_length(void **state)
{
    struct acpi_info info = {0};
    uint8_t madt[60] = {0};

    (void)state;
    acpi_madt_parse(madt, sizeof madt, &info);
    madt[44] = 2;
    madt[45] = 200; /* beyond the end */
    acpi_madt_parse(madt, sizeof madt, &info);
    acpi_madt_parse(madt, 10, &info);
    assert_int_equal(info.override_count, 0);
}

static void test_limits(void **state)
{
    static uint8_t mcfg[44 + 16 * 100], madt[44 + 10 * 100];
    struct acpi_info info = {0};

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        mcfg[44 + 16 * i + 3] = 0xb0;
        madt[44 + 10 * i] = 2;
        madt[45 + 10 * i] = 10;
    }
    acpi_mcfg_parse(mcfg, sizeof mcfg, &info);
    acpi_madt_parse(madt, sizeof madt, &info);
    assert_int_equal(info.ecam_count, ACPI_MAX_ECAM);
    assert_int_equal(info.override_count, ACPI_MAX_OVERRIDES);
}

static void test_insane_ecam(void **state)
{
    struct acpi_info info = {0};
    uint8_t mcfg[44 + 16];

    (void)state;
    memset(mcfg, 0xff, sizeof mcfg);
    acpi_mcfg_parse(mcfg, sizeof mcfg, &info);
    assert_int_equal(info.ecam_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_revisions),
        cmocka_unit_test(test_bad_xsdt_falls_back_to_rsdt),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_madt_entry_without_length),
        cmocka_unit_test(test_s5),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_insane_ecam),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

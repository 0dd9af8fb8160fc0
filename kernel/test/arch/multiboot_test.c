// SPDX-License-Identifier: MIT
// Boot information: what loaders really leave, and each way in which it can be wrong.
#include "memmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BASE 0x10000u
#define SIZE 0x2000u

static uint8_t mem[SIZE];
static struct loader_info info;
static const struct mem_view view = { mem, BASE, SIZE };

static void put32(uint32_t off, uint32_t v) { memcpy(mem + off, &v, 4); }
static void put64(uint32_t off, uint64_t v) { memcpy(mem + off, &v, 8); }
static int setup(void **state)
{
    (void)state;
    memset(mem, 0, sizeof(mem));
    return 0;
}

/* Multiboot 1 as QEMU leaves it: flags, command line, two modules, an E820 map of two entries. */
static void mb1_good(void)
{
    put32(0, 1 << 2 | 1 << 3 | 1 << 6);
    put32(16, BASE + 0x200);
    put32(20, 2);
    put32(24, BASE + 0x300);
    put32(44, 48);
    put32(48, BASE + 0x400);
    strcpy((char *)mem + 0x200, "kernel -serial_esc");
    put32(0x300, 0x200000);
    put32(0x304, 0x200123);
    put32(0x308, BASE + 0x500);
    put32(0x310, 0x201000);
    put32(0x314, 0x201000);
    put32(0x318, 0);
    strcpy((char *)mem + 0x500, "moe rom/x.ned");
    put32(0x400, 20);
    put64(0x404, 0);
    put64(0x40c, 0x9fc00);
    put32(0x414, 1);
    put32(0x418, 20);
    put64(0x41c, 0x100000);
    put64(0x424, 0x1fee0000);
    put32(0x42c, 1);
}

static void mb1_is_read(void **state)
{
    (void)state;
    mb1_good();
    assert_null(multiboot_parse(&view, MULTIBOOT1_MAGIC, BASE, &info));
    assert_string_equal(info.cmdline, "kernel -serial_esc");
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.module[0].base, 0x200000);
    assert_int_equal(info.module[0].size, 0x123);
    assert_string_equal(info.strings + info.module[0].cmdline, "moe rom/x.ned");
    assert_int_equal(info.module[1].size, 0);
    assert_string_equal(info.strings + info.module[1].cmdline, "");
    assert_int_equal(info.region_count, 2);
    assert_int_equal(info.region[1].base, 0x100000);
    assert_int_equal(info.region[1].size, 0x1fee0000);
}

static void mb1_without_map_uses_sizes(void **state)
{
    (void)state;
    put32(0, 1);
    put32(4, 639);
    put32(8, 1024);
    assert_null(multiboot_parse(&view, MULTIBOOT1_MAGIC, BASE, &info));
    assert_int_equal(info.region_count, 2);
    assert_int_equal(info.region[0].size, 639 * 1024);
    assert_int_equal(info.region[1].base, 0x100000);
    assert_int_equal(info.region[1].size, 1024 * 1024);
}

static void mb1_refuses(void **state)
{
    (void)state;
    static const struct { uint32_t off, value; const char *why; } bad[] = {
        { 0, 0, "no memory map" },
        { 16, BASE - 1, "command line" },
        { 16, BASE + SIZE, "command line" },
        { 24, BASE + SIZE - 8, "module list lies outside" },
        { 20, 0xffffffff, "a module" },
        { 0x304, 0x1fffff, "ends before" },
        { 0x308, 4, "command line lies outside" },
        { 48, 0xfffffff0, "map lies outside" },
        { 0x400, 19, "too short" },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        setup(NULL);
        mb1_good();
        put32(bad[i].off, bad[i].value);
        const char *why = multiboot_parse(&view, MULTIBOOT1_MAGIC, BASE, &info);
        if (!why || !strstr(why, bad[i].why)) {
            fail_msg("case %u: %s", i, why ? why : "accepted");
        }
    }
    assert_non_null(multiboot_parse(&view, MULTIBOOT1_MAGIC, BASE + SIZE - 51, &info));
    assert_non_null(multiboot_parse(&view, 0x1234, BASE, &info));
}

static void mb1_string_must_end(void **state)
{
    (void)state;
    mb1_good();
    put32(0x308, BASE + SIZE - 4);
    memset(mem + SIZE - 4, 'x', 4);
    assert_non_null(strstr(multiboot_parse(&view, MULTIBOOT1_MAGIC, BASE, &info), "has no end"));
}

/* Appends a tag at *off and keeps 8-byte alignment. */
static void mb2_tag(uint32_t *off, uint32_t type, const void *body, uint32_t len)
{
    put32(*off, type);
    put32(*off + 4, 8 + len);
    memcpy(mem + *off + 8, body, len);
    *off += (8 + len + 7) & ~7u;
}

static void mb2_good(void)
{
    uint32_t off = 8;
    static const uint8_t module[] = { 0, 0, 0x20, 0, 0x10, 0, 0x20, 0, 'n', 'e', 'd', 0 };
    static const struct { uint32_t size, version; uint64_t base, len; uint32_t type, zero; } map = { 24, 0, 0x100000, 0x7f00000, 1, 0 };
    static const struct { uint64_t addr; uint32_t pitch, w, h; uint8_t bpp, type, zero[2]; } __attribute__((packed))
    fb = { 0x80000000, 4096, 1024, 768, 32, 1, { 0, 0 } };
    mb2_tag(&off, 1, "kernel", 7);
    mb2_tag(&off, 2, "GRUB 2.06", 10);
    mb2_tag(&off, 3, module, sizeof(module));
    mb2_tag(&off, 6, &map, sizeof(map));
    mb2_tag(&off, 8, &fb, sizeof(fb));
    mb2_tag(&off, 0, "", 0);
    put32(0, off);
}

static void mb2_is_read(void **state)
{
    (void)state;
    mb2_good();
    assert_null(multiboot_parse(&view, MULTIBOOT2_MAGIC, BASE, &info));
    assert_string_equal(info.cmdline, "kernel");
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.module[0].base, 0x200000);
    assert_int_equal(info.module[0].size, 0x10);
    assert_string_equal(info.strings + info.module[0].cmdline, "ned");
    assert_int_equal(info.region_count, 1);
    assert_int_equal(info.region[0].size, 0x7f00000);
    assert_int_equal(info.fb.base, 0x80000000);
    assert_int_equal(info.fb.width, 1024);
    assert_int_equal(info.fb.bpp, 32);
}

static void mb2_refuses(void **state)
{
    (void)state;
    /* Tags at 8 (command line), 24 (loader), 48 (module), 72 (map), 112 (framebuffer). */
    static const struct { uint32_t off, value; const char *why; } bad[] = {
        { 0, SIZE + 1, "outside memory" },   { 0, 16, "longer than the whole" }, { 0, 8, "no end tag" },
        { 12, 7, "longer than the whole" },  { 12, 0xfffffff8, "longer than" },  { 12, 14, "has no end" },
        { 52, 16, "cut short" },             { 76, 12, "cut short" },            { 80, 23, "too short" },
        { 116, 29, "cut short" },            { 72, 99, "no memory map" },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        setup(NULL);
        mb2_good();
        put32(bad[i].off, bad[i].value);
        const char *why = multiboot_parse(&view, MULTIBOOT2_MAGIC, BASE, &info);
        if (!why || !strstr(why, bad[i].why)) {
            fail_msg("case %u: %s", i, why ? why : "accepted");
        }
    }
}

static void too_many_are_refused(void **state)
{
    (void)state;
    mb1_good();
    put32(20, BOOT_MAX_MODULES + 1);
    put32(24, BASE + 0x600);
    assert_non_null(strstr(multiboot_parse(&view, MULTIBOOT1_MAGIC, BASE, &info), "more than 128"));
    mb1_good();
    put32(44, 24 * 257);
    put32(48, BASE + 0x600);
    for (uint32_t i = 0; i < 257; i++) {
        put32(0x600 + 24 * i, 20);
        put64(0x600 + 24 * i + 12, 1);
    }
    assert_non_null(strstr(multiboot_parse(&view, MULTIBOOT1_MAGIC, BASE, &info), "more than 256"));
}

static void builtin_replaces_modules(void **state)
{
    (void)state;
    static uint8_t blob[0x2000];
    struct builtin_table t = { BUILTIN_MAGIC, 1, 0x100 };
    struct builtin_module m = { 0x1000, 0x800, 0x120, 0 };
    mb1_good();
    assert_null(multiboot_parse(&view, MULTIBOOT1_MAGIC, BASE, &info));
    memcpy(blob, &t, sizeof(t));
    memcpy(blob + 16, &m, sizeof(m));
    strcpy((char *)blob + 0x100, "fiasco -serial_esc");
    strcpy((char *)blob + 0x120, "moe rom/a.ned");
    assert_null(builtin_parse(blob, sizeof(blob), 0x400000, &info));
    assert_string_equal(info.cmdline, "fiasco -serial_esc");
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.module[0].base, 0x401000);
    assert_int_equal(info.module[0].size, 0x800);
    assert_string_equal(info.strings + info.module[0].cmdline, "moe rom/a.ned");
    assert_int_equal(info.region_count, 2);

    assert_non_null(builtin_parse(blob, 15, 0, &info));
    m.size = 0x1001;
    memcpy(blob + 16, &m, sizeof(m));
    assert_non_null(strstr(builtin_parse(blob, sizeof(blob), 0, &info), "outside the image"));
    t.count = 1000000;
    memcpy(blob, &t, sizeof(t));
    assert_non_null(builtin_parse(blob, sizeof(blob), 0, &info));
    t.magic++;
    memcpy(blob, &t, sizeof(t));
    assert_non_null(strstr(builtin_parse(blob, sizeof(blob), 0, &info), "magic"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(mb1_is_read, setup),
        cmocka_unit_test_setup(mb1_without_map_uses_sizes, setup),
        cmocka_unit_test_setup(mb1_refuses, setup),
        cmocka_unit_test_setup(mb1_string_must_end, setup),
        cmocka_unit_test_setup(mb2_is_read, setup),
        cmocka_unit_test_setup(mb2_refuses, setup),
        cmocka_unit_test_setup(too_many_are_refused, setup),
        cmocka_unit_test_setup(builtin_replaces_modules, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// The root program's ELF parser. The layout here is typed from the gABI, independently of api/elf.c.
#include <kernel/elf.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define END 0x7fff00000000ull

static uint8_t file[0x3000];

static void put(unsigned off, uint64_t v, unsigned bytes)
{
    memcpy(file + off, &v, bytes);
}

static void phdr(unsigned i, uint32_t type, uint32_t flags, uint64_t off, uint64_t va, uint64_t filesz, uint64_t memsz)
{
    unsigned p = 64 + i * 56;

    put(p + 0, type, 4);
    put(p + 4, flags, 4);
    put(p + 8, off, 8);
    put(p + 16, va, 8);
    put(p + 32, filesz, 8);
    put(p + 40, memsz, 8);
}

/* Text at 0x401000 and data with bss at 0x403010. */
static int good(void **state)
{
    (void)state;
    memset(file, 0, sizeof(file));
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);        /* e_type */
    put(18, 62, 2);       /* e_machine */
    put(20, 1, 4);        /* e_version */
    put(24, 0x401004, 8); /* e_entry */
    put(32, 64, 8);       /* e_phoff */
    put(54, 56, 2);       /* e_phentsize */
    put(56, 3, 2);        /* e_phnum */
    phdr(0, 1, 5, 0x1000, 0x401000, 0x800, 0x800);
    phdr(1, 0x6474e551, 6, 0, 0, 0, 0); /* GNU_STACK is of no concern */
    phdr(2, 1, 6, 0x2010, 0x403010, 0x100, 0x5000);
    return 0;
}

static const char *parse(struct elf_image *e)
{
    const char *why;
    int err = elf_parse(file, sizeof(file), END, e, &why);

    assert_int_equal(err == SK_OK, why == NULL);
    return why;
}

static void test_good(void **state)
{
    struct elf_image e;

    (void)state;
    assert_null(parse(&e));
    assert_int_equal(e.entry, 0x401004);
    assert_int_equal(e.count, 2);
    assert_int_equal(e.segment[0].rights, RIGHT_R | RIGHT_X);
    assert_int_equal(e.segment[1].rights, RIGHT_R | RIGHT_W);
    assert_int_equal(e.segment[1].va, 0x403010);
    assert_int_equal(e.segment[1].offset, 0x2010);
    assert_int_equal(e.segment[1].file_size, 0x100);
    assert_int_equal(e.segment[1].mem_size, 0x5000);
}

static void expect(const char *text)
{
    struct elf_image e;
    const char *why = parse(&e);

    assert_non_null(why);
    assert_non_null(strstr(why, text));
    good(NULL);
}

static void test_bad(void **state)
{
    (void)state;
    file[4] = 1;
    expect("no 64-bit");
    put(16, 3, 2);
    expect("static");
    put(18, 40, 2);
    expect("static");
    put(54, 32, 2);
    expect("unknown size");
    put(32, sizeof(file) - 100, 8);
    expect("outside the file");
    put(32, UINT64_MAX, 8);
    expect("outside the file");
    put(24, 0x403010, 8);
    expect("entry");
    phdr(0, 1, 7, 0x1000, 0x401000, 0x800, 0x800);
    expect("writable and executable");
    phdr(0, 3, 4, 0, 0, 0, 0);
    expect("dynamically");
    phdr(0, 1, 5, 0x1000, 0x401000, 0x801, 0x800);
    expect("outside the file");
    phdr(0, 1, 5, UINT64_MAX, 0x401000, 0x800, 0x800);
    expect("outside the file");
    phdr(0, 1, 5, 0x1000, 0x800, 0x800, 0x800);
    expect("user address");
    phdr(2, 1, 6, 0x2010, END - 0x1000, 0x100, 0x5000);
    expect("user address");
    phdr(2, 1, 6, 0x2010, 0x401900, 0x100, 0x5000);
    expect("pages of their own");
    phdr(2, 1, 6, 0x2010, 0x300000, 0x100, 0x5000);
    expect("pages of their own");
}

static void test_every_truncation(void **state)
{
    struct elf_image e;
    const char *why;

    (void)state;
    for (uint64_t size = 0; size < 0x2110; size++) {
        assert_int_equal(elf_parse(file, size, END, &e, &why), SK_EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_good, good),
        cmocka_unit_test_setup(test_bad, good),
        cmocka_unit_test_setup(test_every_truncation, good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Host tests of symbol lookup, on this very program, whole and damaged; and of faults in words.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <elf.h>
#include <rt/exception.h>
#include "symbols.h"

extern const char __executable_start[];

static char *file;
static size_t size;

static int load(void **state)
{
    FILE *f = fopen("/proc/self/exe", "r");

    (void)state;
    fseek(f, 0, SEEK_END);
    size = (size_t)ftell(f);
    rewind(f);
    file = malloc(size);
    int bad = fread(file, size, 1, f) != 1;
    fclose(f);
    return bad;
}

static int unload(void **state)
{
    (void)state;
    free(file);
    return 0;
}

static void finds_functions(void **state)
{
    uint64_t offset, addr = (uint64_t)&symbols_find - (uint64_t)__executable_start;

    (void)state;
    assert_string_equal(symbols_find(file, size, addr, &offset), "symbols_find");
    assert_int_equal(offset, 0);
    assert_string_equal(symbols_find(file, size, addr + 3, &offset), "symbols_find");
    assert_int_equal(offset, 3);
    assert_null(symbols_find(file, size, 1, &offset));
    assert_null(symbols_find(file, size, UINT64_MAX, &offset));
}

static void damaged_files(void **state)
{
    uint64_t offset;
    Elf64_Ehdr eh;

    (void)state;
    assert_null(symbols_find(file, 0, 0x1000, &offset));
    assert_null(symbols_find(file, 63, 0x1000, &offset));
    assert_null(symbols_find("no ELF file, but as long as the header of one is: 64 bytes and more", 66, 1, &offset));
    memcpy(&eh, file, sizeof(eh));
    eh.e_shoff = UINT64_MAX - 63;
    memcpy(file, &eh, sizeof(eh));
    assert_null(symbols_find(file, size, 0x1000, &offset));
}

static void describe(char *text, size_t len, uint64_t vector, uint64_t error, uint64_t address)
{
    const struct utcb_fault f = { .vector = vector, .error = error, .address = address };

    rt_exception_describe(&f, text, len);
}

static void faults_in_words(void **state)
{
    char text[96];

    (void)state;
    describe(text, sizeof(text), 14, 4, 0);
    assert_string_equal(text, "page fault reading 0x0 (nothing is mapped there)");
    describe(text, sizeof(text), 14, 7, 0x400000);
    assert_string_equal(text, "page fault writing 0x400000 (not permitted)");
    describe(text, sizeof(text), 14, 0x15, 0x1000);
    assert_string_equal(text, "page fault executing 0x1000 (not permitted)");
    describe(text, sizeof(text), 6, 0, 0);
    assert_string_equal(text, "invalid opcode (error code 0x0)");
    describe(text, sizeof(text), 77, 1, 0);
    assert_string_equal(text, "exception 77 (error code 0x1)");
    describe(text, 5, 14, 4, 0);
    assert_string_equal(text, "page");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_functions, load, unload),
        cmocka_unit_test_setup_teardown(damaged_files, load, unload),
        cmocka_unit_test(faults_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

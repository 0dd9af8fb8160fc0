// SPDX-License-Identifier: MIT
// Host tests of the first stack of a program, read back as the C library does.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <elf.h>
#include "stack.h"

#define SIZE (256u << 10)
#define TOP  0x7ffffffe0000ull

static char *mem;
static struct strings *all;

static int setup(void **state)
{
    (void)state;
    mem = aligned_alloc(4096, SIZE);
    all = calloc(1, sizeof(*all));
    memset(mem, 0xee, SIZE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(mem);
    free(all);
    return 0;
}

static const void *at(uint64_t va)
{
    assert_true(va >= TOP - SIZE && va < TOP);
    return mem + (va - (TOP - SIZE));
}

static void vectors(void **state)
{
    const struct stack_aux aux[] = { { AT_PAGESZ, 4096 }, { AT_SECURE, 0 } };
    const uint64_t random[2] = { 1, 2 };

    (void)state;
    assert_int_equal(strings_add(all, STRING_ARG, "rom/x"), 0);
    assert_int_equal(strings_add(all, STRING_ENV, "A=b"), 0);
    assert_int_equal(strings_add(all, STRING_ARG, ""), 0);
    assert_int_equal(strings_add(all, STRING_ARG, "two words"), 0);
    uint64_t sp = stack_build(mem, SIZE, TOP, all, "rom/x", random, aux, 2);
    assert_int_not_equal(sp, 0);
    assert_int_equal(sp % 16, 0);
    const uint64_t *w = at(sp);
    assert_int_equal(w[0], 3);
    assert_string_equal(at(w[1]), "rom/x");
    assert_string_equal(at(w[2]), "");
    assert_string_equal(at(w[3]), "two words");
    assert_int_equal(w[4], 0);
    assert_string_equal(at(w[5]), "A=b");
    assert_int_equal(w[6], 0);
    assert_int_equal(w[7], AT_PAGESZ);
    assert_int_equal(w[8], 4096);
    assert_int_equal(w[9], AT_SECURE);
    assert_int_equal(w[11], AT_RANDOM);
    assert_memory_equal(at(w[12]), random, sizeof(random));
    assert_int_equal(w[13], AT_EXECFN);
    assert_string_equal(at(w[14]), "rom/x");
    assert_int_equal(w[15], AT_NULL);
}

static void strings_have_a_limit(void **state)
{
    char s[1000];
    int added = 0;

    (void)state;
    memset(s, 'a', sizeof(s) - 1);
    s[sizeof(s) - 1] = '\0';
    while (strings_add(all, STRING_ARG, s) == 0) {
        added++;
    }
    assert_int_equal(added, STRINGS_MAX / 1001);
    const uint64_t random[2] = { 0, 0 };
    assert_int_not_equal(stack_build(mem, SIZE, TOP, all, "p", random, NULL, 0), 0);
}

static void too_small(void **state)
{
    const uint64_t random[2] = { 0, 0 };

    (void)state;
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(strings_add(all, STRING_ARG, "x"), 0);
    }
    assert_int_equal(stack_build(mem, 16384, TOP, all, "p", random, NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(strings_have_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(too_small, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

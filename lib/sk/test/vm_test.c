// SPDX-License-Identifier: MIT
// Host tests of the address space table. The fake gives it [0x100000, 0x200000): 256 pages.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sk/env.h>
#include <sk/init.h>
#include <sk/vm.h>
#include "fake.h"

#define BASE 0x100000ull

static int reset(void **state)
{
    (void)state;
    fake_reset();
    return 0;
}

static void first_fit_with_a_gap(void **state)
{
    (void)state;
    assert_int_equal(vm_reserve(1, 0), BASE);
    assert_int_equal(vm_reserve(PAGE_SIZE, 0), BASE + 2 * PAGE_SIZE);
    assert_int_equal(vm_reserve(3 * PAGE_SIZE, 0), BASE + 4 * PAGE_SIZE);
    vm_release((void *)(BASE + 2 * PAGE_SIZE), PAGE_SIZE);
    assert_int_equal(vm_reserve(2 * PAGE_SIZE, 0), BASE + 8 * PAGE_SIZE); /* does not fit into the hole */
    assert_int_equal(vm_reserve(PAGE_SIZE, 0), BASE + 2 * PAGE_SIZE);
}

static void limits(void **state)
{
    (void)state;
    assert_null(vm_reserve(0, 0));
    assert_null(vm_reserve(0x100000, 0)); /* the gap behind it must fit too */
    assert_null(vm_reserve(SIZE_MAX, 0));
    assert_null(vm_reserve(PAGE_SIZE, 0x400000));
    assert_int_equal(vm_reserve(0xff000, 0), BASE);
    assert_null(vm_reserve(PAGE_SIZE, 0));
}

static void alignment(void **state)
{
    (void)state;
    assert_int_equal(vm_reserve(PAGE_SIZE, 0), BASE);
    assert_int_equal(vm_reserve(PAGE_SIZE, 0x10000), BASE + 0x10000);
    assert_int_equal(vm_reserve(PAGE_SIZE, 0), BASE + 2 * PAGE_SIZE);
}

static void wrong_release_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(vm_reserve(4 * PAGE_SIZE, 0), BASE);
    vm_release((void *)BASE, PAGE_SIZE);
    vm_release((void *)(BASE + PAGE_SIZE), 3 * PAGE_SIZE);
    assert_int_equal(vm_reserve(PAGE_SIZE, 0), BASE + 5 * PAGE_SIZE);
}

static void mapping(void **state)
{
    int64_t err = SK_OK;

    (void)state;
    assert_int_equal(vm_map(5, 0, 5000, RIGHT_R, &err), BASE);
    assert_int_equal(fake.mapped_size, 2 * PAGE_SIZE);
    fake.map_result = SK_ERIGHTS;
    assert_null(vm_map(5, 0, PAGE_SIZE, RIGHT_W, &err));
    assert_int_equal(err, SK_ERIGHTS);
    assert_null(vm_map(5, 0, PAGE_SIZE, RIGHT_W, NULL));
    fake.map_result = SK_OK;
    vm_unmap((void *)BASE, 5000);
    assert_int_equal(fake.unmapped_addr, BASE);
    assert_int_equal(vm_map(5, 0, PAGE_SIZE, RIGHT_R, NULL), BASE);
}

static void give_memory(uint64_t tag)
{
    assert_int_equal(TAG_WORDS(tag), 3);
    fake.utcb.mr[0] = 8192;
    fake.utcb.recv_cap[0] = 33;
}

static void memory_from_moe(void **state)
{
    cap_t cap = CAP_NULL;
    int64_t err = SK_OK;

    (void)state;
    fake.on_call = give_memory;
    fake.call_result = (int64_t)TAG(SK_OK, 1, 1);
    assert_int_equal(vm_alloc(5000, &cap, &err), BASE);
    assert_int_equal(cap, 33);
    assert_false(fake_dropped(33));
    assert_non_null(vm_alloc(5000, NULL, &err));
    assert_true(fake_dropped(33));
    fake.call_result = (int64_t)TAG(SK_ENOMEM, 0, 0);
    assert_null(vm_alloc(5000, &cap, &err));
    assert_int_equal(err, SK_ENOMEM);
}

/* Random use: ranges in use never overlap, and at the end everything fits again. */
static void random_use(void **state)
{
    struct {
        uint64_t at, size;
    } r[40] = { 0 };

    (void)state;
    srand(2);
    for (int step = 0; step < 20000; step++) {
        int i = rand() % 40;
        if (r[i].size) {
            vm_release((void *)r[i].at, r[i].size);
            r[i].size = 0;
            continue;
        }
        uint64_t size = (uint64_t)(1 + rand() % 20) * PAGE_SIZE;
        r[i].at = (uint64_t)vm_reserve(size, PAGE_SIZE << (rand() % 4));
        r[i].size = r[i].at ? size : 0;
        for (int k = 0; k < 40 && r[i].size; k++) {
            assert_true(k == i || r[k].size == 0 || r[k].at + r[k].size < r[i].at || r[i].at + r[i].size < r[k].at);
        }
    }
    for (int i = 0; i < 40; i++) {
        if (r[i].size) {
            vm_release((void *)r[i].at, r[i].size);
        }
    }
    assert_int_equal(vm_reserve(0xff000, 0), BASE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(first_fit_with_a_gap, reset),
        cmocka_unit_test_setup(limits, reset),
        cmocka_unit_test_setup(alignment, reset),
        cmocka_unit_test_setup(wrong_release_changes_nothing, reset),
        cmocka_unit_test_setup(mapping, reset),
        cmocka_unit_test_setup(memory_from_moe, reset),
        cmocka_unit_test_setup(random_use, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Host tests of moe's physical memory allocator and of its allowances.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "account.h"
#include "phys.h"

#define PAGE 4096ull
#define MB   (1ull << 20)

static struct phys phys;

static void setup_regions(void)
{
    memset(&phys, 0, sizeof(phys));
    phys_free(&phys, 16 * MB, 64 * MB, 1);
    phys_free(&phys, 1 * MB, 3 * MB, 0);
}

static uint64_t take(uint64_t size, uint64_t align)
{
    uint64_t base;
    uint32_t region;

    return phys_alloc(&phys, size, align, &base, &region) ? base : 0;
}

static void small_from_below_large_from_above(void **state)
{
    (void)state;
    setup_regions();
    assert_int_equal(take(PAGE, PAGE), 1 * MB);
    assert_int_equal(take(PAGE, PAGE), 1 * MB + PAGE);
    assert_int_equal(take(2 * MB, 2 * MB), 78 * MB);
    assert_int_equal(take(3 * MB, 2 * MB), 74 * MB);
    assert_int_equal(phys.free_bytes, 67 * MB - 5 * MB - 2 * PAGE);
    assert_int_equal(take(60 * MB, PAGE), 0);
    assert_int_equal(take(UINT64_MAX - 4095, PAGE), 0);
}

static void alignment_is_kept(void **state)
{
    (void)state;
    setup_regions();
    assert_int_equal(take(PAGE, 4 * MB), 16 * MB);
    assert_int_equal(take(PAGE, 2 * MB), 2 * MB);
    assert_int_equal(take(2 * MB, 1ull << 30), 0);
}

static void neighbours_merge_regions_do_not(void **state)
{
    (void)state;
    memset(&phys, 0, sizeof(phys));
    phys_free(&phys, 0x10000, PAGE, 0);
    phys_free(&phys, 0x12000, PAGE, 0);
    assert_int_equal(phys.count, 2);
    phys_free(&phys, 0x11000, PAGE, 0);
    assert_int_equal(phys.count, 1);
    phys_free(&phys, 0x13000, PAGE, 1);
    assert_int_equal(phys.count, 2);
    assert_int_equal(take(4 * PAGE, PAGE), 0);
    assert_int_equal(take(3 * PAGE, PAGE), 0x10000);
}

/* Random requests: no two runs overlap, and everything comes back. */
static void random_use(void **state)
{
    struct {
        uint64_t base, size;
        uint32_t region;
    } run[200] = { 0 };

    (void)state;
    setup_regions();
    srand(1);
    for (int step = 0; step < 20000; step++) {
        int i = rand() % 200;
        if (run[i].size) {
            phys_free(&phys, run[i].base, run[i].size, run[i].region);
            run[i].size = 0;
            continue;
        }
        uint64_t size = (uint64_t)(1 + rand() % 700) * PAGE, align = PAGE << (rand() % 10);
        if (!phys_alloc(&phys, size, align, &run[i].base, &run[i].region)) {
            continue;
        }
        run[i].size = size;
        assert_int_equal(run[i].base % align, 0);
        for (int k = 0; k < 200; k++) {
            assert_true(k == i || run[k].size == 0 || run[k].base + run[k].size <= run[i].base ||
                        run[i].base + run[i].size <= run[k].base);
        }
    }
    for (int i = 0; i < 200; i++) {
        if (run[i].size) {
            phys_free(&phys, run[i].base, run[i].size, run[i].region);
        }
    }
    assert_int_equal(phys.count, 2);
    assert_int_equal(phys.free_bytes, 67 * MB);
}

static void allowances(void **state)
{
    struct account *root = account_root();

    (void)state;
    root->limit = 100 * PAGE;
    struct account *a = account_make(root, 50 * PAGE);
    assert_non_null(a);
    assert_int_equal(root->used, 51 * PAGE);
    assert_null(account_make(root, 49 * PAGE));
    assert_null(account_make(root, UINT64_MAX));
    assert_true(account_charge(a, 50 * PAGE));
    assert_false(account_charge(a, PAGE));
    account_close(a);
    assert_int_equal(root->used, 51 * PAGE);
    assert_false(account_charge(a, 0));
    account_uncharge(a, 50 * PAGE);
    assert_int_equal(root->used, 0);
    assert_int_equal(root->children, 0);
    assert_false(a->in_use);
}

static void closing_waits_for_children(void **state)
{
    struct account *root = account_root();

    (void)state;
    root->limit = 1000 * PAGE;
    struct account *a = account_make(root, 500 * PAGE);
    struct account *b = account_make(a, 100 * PAGE);
    assert_true(account_charge(b, 10 * PAGE));
    account_close(a);
    assert_true(a->in_use);
    assert_int_equal(root->used, 102 * PAGE);
    account_close(b);
    assert_int_equal(root->used, 12 * PAGE);
    account_uncharge(b, 10 * PAGE);
    assert_int_equal(root->used, 0);
    assert_false(a->in_use || b->in_use);
}

static void children_are_limited(void **state)
{
    struct account *root = account_root(), *made[ACCOUNT_CHILDREN_MAX];

    (void)state;
    root->limit = 1000 * PAGE;
    for (unsigned i = 0; i < ACCOUNT_CHILDREN_MAX; i++) {
        made[i] = account_make(root, 0);
        assert_non_null(made[i]);
    }
    assert_null(account_make(root, 0));
    for (unsigned i = 0; i < ACCOUNT_CHILDREN_MAX; i++) {
        account_close(made[i]);
    }
    assert_int_equal(root->used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_from_below_large_from_above),
        cmocka_unit_test(alignment_is_kept),
        cmocka_unit_test(neighbours_merge_regions_do_not),
        cmocka_unit_test(random_use),
        cmocka_unit_test(allowances),
        cmocka_unit_test(closing_waits_for_children),
        cmocka_unit_test(children_are_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

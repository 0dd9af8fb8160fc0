// SPDX-License-Identifier: MIT
// Range arithmetic against a bitmap model, and the division of RAM at boot.
#include "memmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_invariants(const struct memmap *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        assert_true(m->r[i].size > 0);
        assert_true(i == 0 || m->r[i - 1].base + m->r[i - 1].size < m->r[i].base);
    }
}

static void random_operations_match_a_bitmap(void **state)
{
    (void)state;
    struct memmap m = { 0 };
    bool model[256] = { false };
    srand(1);
    for (int n = 0; n < 20000; n++) {
        uint64_t base = (uint64_t)rand() % 256, size = (uint64_t)rand() % (256 - base + 1) % 24;
        bool add = rand() % 2;
        if (add) {
            assert_true(memmap_add(&m, base, size));
        } else {
            assert_true(memmap_remove(&m, base, size));
        }
        for (uint64_t i = base; i < base + size; i++) {
            model[i] = add;
        }
        check_invariants(&m);
        uint64_t total = 0;
        for (uint64_t i = 0; i < 256; i++) {
            assert_int_equal(memmap_covers(&m, i, 1), model[i]);
            assert_int_equal(memmap_overlaps(&m, i, 1), model[i]);
            total += model[i];
        }
        assert_int_equal(memmap_total(&m), total);
    }
}

static void full_map_refuses_and_stays(void **state)
{
    (void)state;
    struct memmap m = { 0 };
    for (uint64_t i = 0; i < MEMMAP_MAX; i++) {
        assert_true(memmap_add(&m, i * 100, 50));
    }
    assert_false(memmap_add(&m, 75, 5));
    assert_false(memmap_remove(&m, 10, 5));
    assert_int_equal(memmap_total(&m), MEMMAP_MAX * 50);
    assert_true(memmap_add(&m, 50, 50)); /* joins two */
    assert_int_equal(m.count, MEMMAP_MAX - 1);
}

static void alloc_takes_the_lowest_fit(void **state)
{
    (void)state;
    struct memmap m = { 0 };
    assert_true(memmap_add(&m, 0x1000, 0x3000) && memmap_add(&m, 0x10000, 0x10000));
    assert_int_equal(memmap_alloc(&m, 0x4000, 0x1000, 0, UINT64_MAX), 0x10000);
    assert_int_equal(memmap_alloc(&m, 0x1000, 0x1000, 0x2000, UINT64_MAX), 0x2000);
    assert_int_equal(memmap_alloc(&m, 0x8000, 0x8000, 0, UINT64_MAX), 0x18000);
    assert_true(memmap_alloc(&m, 0x8000, 0x1000, 0, UINT64_MAX) == UINT64_MAX);
    assert_true(memmap_alloc(&m, 0x1000, 0x1000, 0x15000, 0x15000) == UINT64_MAX);
}

static struct loader_info li;
static struct boot_plan plan;
static const struct image_range image = { 0x100000, 0x180000, 0x180000, 0x200000 };

static void region(uint64_t base, uint64_t size, uint32_t type)
{
    li.region[li.region_count].base = base;
    li.region[li.region_count].size = size;
    li.region[li.region_count++].type = type;
}
static void module(uint64_t base, uint64_t size)
{
    li.module[li.module_count].base = base;
    li.module[li.module_count++].size = size;
}

/* QEMU's machine "pc" with 512 MiB. */
static int setup(void **state)
{
    (void)state;
    memset(&li, 0, sizeof(li));
    region(0, 0x9fc00, LOADER_RAM);
    region(0x9fc00, 0x400, LOADER_RESERVED);
    region(0xf0000, 0x10000, LOADER_RESERVED);
    region(0x100000, 0x1fee0000, LOADER_RAM);
    region(0x1ffe0000, 0x20000, LOADER_RESERVED);
    region(0xfffc0000, 0x40000, LOADER_RESERVED);
    return 0;
}

static void plan_separates_everything(void **state)
{
    (void)state;
    module(0x200000, 0x1234);
    module(0x202000, 0x400000);
    assert_null(boot_plan_make(&li, &image, &plan));
    assert_int_equal(memmap_total(&plan.ram), 0x9f000 + 0x1fee0000);
    assert_int_equal(plan.module[0], 0x200000);
    assert_int_equal(plan.module[1], 0x202000);
    assert_int_equal(plan.pool_size, align_up((0x9f000 + 0x1fee0000) / 64, PAGE_SIZE));
    assert_true(memmap_covers(&plan.ram, plan.pool, plan.pool_size));
    assert_false(memmap_overlaps(&plan.free, plan.pool, plan.pool_size));
    assert_false(memmap_overlaps(&plan.free, 0, BOOT_PLAN_RAM_MIN));
    assert_false(memmap_overlaps(&plan.free, image.start, image.end - image.start));
    assert_false(memmap_overlaps(&plan.free, 0x200000, 0x402000));
    assert_int_equal(memmap_total(&plan.free) + plan.pool_size + 0x100000 + 0x402000 + BOOT_PLAN_RAM_MIN,
                     memmap_total(&plan.ram));
}

static void unaligned_and_sharing_modules_move(void **state)
{
    (void)state;
    module(0x300010, 0x100); /* unaligned */
    module(0x301000, 0x80);  /* its page is shared with the next */
    module(0x301080, 0x80);
    module(0x303000, 0x1000); /* fine */
    assert_null(boot_plan_make(&li, &image, &plan));
    assert_int_equal(plan.module[3], 0x303000);
    for (int i = 0; i < 3; i++) {
        assert_true(is_aligned(plan.module[i], PAGE_SIZE));
        assert_true(plan.module[i] != li.module[i].base);
        assert_true(memmap_covers(&plan.ram, plan.module[i], PAGE_SIZE));
        assert_false(memmap_overlaps(&plan.free, plan.module[i], PAGE_SIZE));
        assert_true(plan.module[i] < plan.pool || plan.module[i] >= plan.pool + plan.pool_size);
        for (int k = 0; k < 4; k++) {
            assert_true(k == i || plan.module[k] != plan.module[i]);
        }
    }
}

static void builtin_modules_stay_in_the_image(void **state)
{
    (void)state;
    const struct image_range with = { 0x100000, 0x180000, 0x1a0000, 0x200000 };
    module(0x181000, 0x1000);
    assert_null(boot_plan_make(&li, &with, &plan));
    assert_int_equal(plan.module[0], 0x181000);
    module(0x1a0000, 0x1000);
    assert_non_null(strstr(boot_plan_make(&li, &with, &plan), "overlaps the kernel"));
}

static void impossible_plans_are_refused(void **state)
{
    (void)state;
    module(0xfffff000, 0x2000);
    assert_non_null(strstr(boot_plan_make(&li, &image, &plan), "above 4 GiB"));
    li.module_count = 0;
    li.region_count = 0;
    region(0x100000, 0x500000, LOADER_RAM);
    assert_non_null(strstr(boot_plan_make(&li, &image, &plan), "no 6 MiB"));
    module(0x180010, 0x100);
    assert_non_null(strstr(boot_plan_make(&li, &image, &plan), "overlaps"));
    li.region_count = 0;
    for (uint64_t i = 0; i < LOADER_MAX_REGIONS; i++) {
        region(i * 0x2000, 0x1000, LOADER_RAM);
    }
    assert_non_null(strstr(boot_plan_make(&li, &image, &plan), "fragmented"));
}

/* Overlaps, unaligned borders and the end of the address space. */
static void odd_maps_are_survived(void **state)
{
    (void)state;
    region(0x1000000, 0x1800, LOADER_ACPI); /* inside RAM: wins, whole pages */
    region(UINT64_MAX - 100, 100, LOADER_RAM);
    region(UINT64_MAX - 100, 100, LOADER_ACPI);
    region(BOOT_PLAN_RAM_END - 0x1800, 0x5000, LOADER_RAM);
    assert_null(boot_plan_make(&li, &image, &plan));
    assert_false(memmap_overlaps(&plan.ram, 0x1000000, 0x2000));
    assert_true(memmap_covers(&plan.firmware, 0x1000000, 0x2000));
    assert_true(memmap_covers(&plan.ram, BOOT_PLAN_RAM_END - 0x1000, 0x1000));
    assert_false(memmap_overlaps(&plan.ram, BOOT_PLAN_RAM_END, UINT64_MAX - BOOT_PLAN_RAM_END));
    assert_int_equal(plan.ram.count, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_match_a_bitmap),
        cmocka_unit_test(full_map_refuses_and_stays),
        cmocka_unit_test(alloc_takes_the_lowest_fit),
        cmocka_unit_test_setup(plan_separates_everything, setup),
        cmocka_unit_test_setup(unaligned_and_sharing_modules_move, setup),
        cmocka_unit_test_setup(builtin_modules_stay_in_the_image, setup),
        cmocka_unit_test_setup(impossible_plans_are_refused, setup),
        cmocka_unit_test_setup(odd_maps_are_survived, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

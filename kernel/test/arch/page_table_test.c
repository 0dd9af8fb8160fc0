// SPDX-License-Identifier: MIT
/* Page tables in all formats against a second set of bit positions, typed from the manuals:
 * [SDM-3] tables 5-15 to 5-20 (P 0, R/W 1, U/S 2, PWT 3, PCD 4, PS 7, NX 63), [SDM-3] tables 29-1 to 29-7 (R 0, W 1,
 * X 2, type 5:3, large 7), [APM-2] 15.25.5 (nested tables are walked as user accesses). */
#include "page_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <kernel/log.h>

static long pages, page_limit;
static uint64_t flush_va, flush_size;
static unsigned flushes, unloads;

void panic(const char *fmt, ...)
{
    (void)fmt;
    mock_assert(0, fmt, __FILE__, __LINE__);
    abort();
}
void pt_flush(struct page_table *pt, uint64_t va, uint64_t size)
{
    (void)pt;
    flushes++;
    flush_va = va;
    flush_size = size;
}
void pt_unload(struct page_table *pt)
{
    (void)pt;
    unloads++;
}
static void *alloc(struct page_table *pt)
{
    (void)pt;
    if (pages >= page_limit) {
        return NULL;
    }
    pages++;
    void *p = aligned_alloc(4096, 4096);
    return memset(p, 0, 4096);
}
static void release(struct page_table *pt, void *p)
{
    (void)pt;
    pages--;
    free(p);
}

static uint64_t kernel_root[512];
static struct page_table pt = { .alloc = alloc, .free = release };

static int setup(void **state)
{
    (void)state;
    page_limit = 1000;
    pt_max_leaf_level = 3;
    pt_kernel_root = kernel_root;
    for (unsigned i = 0; i < 512; i++) {
        kernel_root[i] = i < 256 ? 0 : 0x1000 * i + 3;
    }
    return pt_init(&pt, &pt_task_format);
}
static int teardown(void **state)
{
    (void)state;
    pt_destroy(&pt);
    return pages == 0 ? 0 : -1;
}
static void use_format(const struct pt_format *f)
{
    pt_destroy(&pt);
    assert_int_equal(pt_init(&pt, f), SK_OK);
}

static uint64_t entry(uint64_t va, unsigned level)
{
    uint64_t *t = phys_to_virt(pt.root);
    for (unsigned l = 4; l > level; l--) {
        t = phys_to_virt((paddr_t){ t[va >> (12 + 9 * (l - 1)) & 511] & 0xffffffffff000 });
    }
    return t[va >> (12 + 9 * (level - 1)) & 511];
}
static void assert_mapped(uint64_t va, uint64_t pa, uint32_t want, uint64_t want_size)
{
    uint32_t attr;
    uint64_t size;
    assert_int_equal(pt_lookup(&pt, va, &attr, &size).v, pa);
    assert_int_equal(attr, want);
    assert_int_equal(size, want_size);
}
static void assert_unmapped(uint64_t va)
{
    uint32_t attr;
    uint64_t size;
    assert_true(pt_lookup(&pt, va, &attr, &size).v == UINT64_MAX);
}

static void task_entries_have_the_right_bits(void **state)
{
    (void)state;
    assert_int_equal(pt_map(&pt, 0x400000, (paddr_t){ 0x1000 }, 0x1000, PT_R | PT_X), SK_OK);
    assert_int_equal(pt_map(&pt, 0x401000, (paddr_t){ 0x2000 }, 0x1000, PT_R | PT_W), SK_OK);
    assert_int_equal(pt_map(&pt, 0x402000, (paddr_t){ 0x3000 }, 0x1000, PT_R | PT_DEVICE), SK_OK);
    assert_int_equal(entry(0x400000, 1), 0x1000 | 0x65);
    assert_int_equal(entry(0x401000, 1), 0x2000 | 0x67 | 1ull << 63);
    assert_int_equal(entry(0x402000, 1), 0x3000 | 0x7d | 1ull << 63);
    for (unsigned l = 2; l <= 4; l++) {
        assert_int_equal(entry(0x400000, l) & 0xfff, 0x67);
    }
}

static void kernel_half_is_copied_and_kept(void **state)
{
    (void)state;
    const uint64_t *root = phys_to_virt(pt.root);
    assert_memory_equal(root + 256, kernel_root + 256, 2048);
    assert_int_equal(root[0], 0); /* pt_destroy() in teardown must not follow the kernel's entries */
}

static void ept_entries_have_the_right_bits(void **state)
{
    (void)state;
    use_format(&pt_ept_format);
    assert_int_equal(pt_map(&pt, 0, (paddr_t){ 0x1000 }, 0x1000, PT_R | PT_W | PT_X), SK_OK);
    assert_int_equal(pt_map(&pt, 0x1000, (paddr_t){ 0x2000 }, 0x1000, PT_R | PT_DEVICE), SK_OK);
    assert_int_equal(pt_map(&pt, 0x200000, (paddr_t){ 0x600000 }, 0x200000, PT_R | PT_W), SK_OK);
    assert_int_equal(entry(0, 1), 0x1000 | 0x37);
    assert_int_equal(entry(0x1000, 1), 0x2000 | 0x01);
    assert_int_equal(entry(0x200000, 2), 0x600000 | 0xb3);
    assert_int_equal(entry(0, 4) & 0xfff, 7);
    assert_mapped(0x234567, 0x634567, PT_R | PT_W, 0x200000);
    assert_mapped(0x1000, 0x2000, PT_R | PT_DEVICE, 0x1000);
}

static void npt_entries_are_user_entries(void **state)
{
    (void)state;
    use_format(&pt_npt_format);
    assert_int_equal(pt_map(&pt, 0, (paddr_t){ 0x40000000 }, 0x40000000, PT_R | PT_W | PT_X), SK_OK);
    assert_int_equal(entry(0, 3), 0x40000000 | 0xe7);
    /* guest-physical addresses may use the upper half too */
    assert_int_equal(pt_map(&pt, 0x800000000000, (paddr_t){ 0x1000 }, 0x1000, PT_R), SK_OK);
    assert_mapped(0x800000000000, 0x1000, PT_R, 0x1000);
}

static void largest_pages_are_used(void **state)
{
    (void)state;
    /* 4 KiB up to 2 MiB, 2 MiB up to 1 GiB, 1 GiB, 2 MiB, 4 KiB */
    uint64_t va = 0x3fdff000, size = 0x1000 + 0x200000 + 0x40000000 + 0x200000 + 0x1000;
    assert_int_equal(pt_map(&pt, va, (paddr_t){ va + 0x40000000 }, size, PT_R | PT_W), SK_OK);
    assert_mapped(va, va + 0x40000000, PT_R | PT_W, 0x1000);
    assert_mapped(0x3fe00000, 0x7fe00000, PT_R | PT_W, 0x200000);
    assert_mapped(0x40000000, 0x80000000, PT_R | PT_W, 0x40000000);
    assert_mapped(0x7fffffff, 0xbfffffff, PT_R | PT_W, 0x40000000);
    assert_mapped(0x80000000, 0xc0000000, PT_R | PT_W, 0x200000);
    assert_mapped(0x80200000, 0xc0200000, PT_R | PT_W, 0x1000);
    assert_unmapped(va - 1);
    assert_unmapped(va + size);
    pt_unmap(&pt, va, size);
    for (uint64_t a = va; a < va + size; a += 0x1fe000) {
        assert_unmapped(a);
    }
}

static void no_gigabyte_pages_without_support(void **state)
{
    (void)state;
    pt_max_leaf_level = 2;
    assert_int_equal(pt_map(&pt, 0x40000000, (paddr_t){ 0x40000000 }, 0x40000000, PT_R), SK_OK);
    assert_mapped(0x40000000, 0x40000000, PT_R, 0x200000);
}

static void unaligned_physical_address_means_small_pages(void **state)
{
    (void)state;
    assert_int_equal(pt_map(&pt, 0x200000, (paddr_t){ 0x201000 }, 0x200000, PT_R), SK_OK);
    assert_mapped(0x200000, 0x201000, PT_R, 0x1000);
}

static void out_of_memory_maps_nothing(void **state)
{
    (void)state;
    page_limit = pages + 1;
    assert_int_equal(pt_map(&pt, 0x7f0000001000, (paddr_t){ 0x1000 }, 0x3000, PT_R), SK_ENOMEM);
    for (uint64_t a = 0x7f0000000000; a < 0x7f0000006000; a += 0x1000) {
        assert_unmapped(a);
    }
    page_limit = 1000;
    assert_int_equal(pt_map(&pt, 0x7f0000001000, (paddr_t){ 0x1000 }, 0x3000, PT_R), SK_OK);
    assert_mapped(0x7f0000003fff, 0x3fff, PT_R, 0x1000);
}

static void empty_table_gives_way_to_a_large_page(void **state)
{
    (void)state;
    for (uint64_t a = 0x200000; a < 0x400000; a += 0x1000) {
        assert_int_equal(pt_map(&pt, a, (paddr_t){ a + 0x1000 }, 0x1000, PT_R), SK_OK);
    }
    for (uint64_t a = 0x200000; a < 0x400000; a += 0x1000) {
        pt_unmap(&pt, a, 0x1000);
    }
    long before = pages;
    uint64_t stale = pt.stale;
    flushes = 0;
    assert_int_equal(pt_map(&pt, 0x200000, (paddr_t){ 0x200000 }, 0x200000, PT_R), SK_OK);
    assert_int_equal(pages, before - 1);
    assert_int_equal(flushes, 1); /* the processor may have cached the freed table */
    assert_int_equal(flush_size, 0);
    assert_true(pt.stale > stale);
    assert_mapped(0x234000, 0x234000, PT_R, 0x200000);
}

static void unmap_flushes_and_frees_whole_tables(void **state)
{
    (void)state;
    assert_int_equal(pt_map(&pt, 0x200000, (paddr_t){ 0x1000 }, 0x200000, PT_R), SK_OK);
    long before = pages;
    flushes = 0;
    pt_unmap(&pt, 0x201000, 0x2000);
    assert_int_equal(flushes, 1);
    assert_int_equal(flush_va, 0x201000);
    assert_int_equal(flush_size, 0x2000);
    assert_unmapped(0x202000);
    assert_mapped(0x203000, 0x4000, PT_R, 0x1000);
    pt_unmap(&pt, 0x200000, 0x200000);
    assert_int_equal(pages, before - 1);
    assert_int_equal(flush_size, 0);
}

static void random_maps_match_a_model(void **state)
{
    (void)state;
    static uint32_t model[2048]; /* 4 KiB pages of 8 MiB: physical page + 1, 0 unmapped */
    static struct { uint32_t page, count; } maps[64];
    unsigned n = 0;
    memset(model, 0, sizeof(model));
    srand(7);
    for (int step = 0; step < 3000; step++) {
        uint32_t page = (uint32_t)rand() % 2048, count = 1 + (uint32_t)rand() % (rand() % 4 ? 8 : 1024);
        if (rand() % 3 == 0) {
            page &= ~511u;
            count = 512;
        }
        bool space = page + count <= 2048 && n < 64;
        for (uint32_t i = page; space && i < page + count; i++) {
            space = model[i] == 0;
        }
        if (space) {
            uint32_t frame = rand() % 2 ? page : page + 1;
            assert_int_equal(pt_map(&pt, page * 4096ull, (paddr_t){ frame * 4096ull }, count * 4096ull, PT_R), SK_OK);
            for (uint32_t i = 0; i < count; i++) {
                model[page + i] = frame + i + 1;
            }
            maps[n].page = page;
            maps[n++].count = count;
        } else if (n) {
            uint32_t k = (uint32_t)rand() % n;
            pt_unmap(&pt, maps[k].page * 4096ull, maps[k].count * 4096ull);
            memset(model + maps[k].page, 0, maps[k].count * 4);
            maps[k] = maps[--n];
        }
        for (uint32_t i = 0; i < 2048; i += 1 + (uint32_t)rand() % 16) {
            uint32_t attr;
            uint64_t size, pa = pt_lookup(&pt, i * 4096ull, &attr, &size).v;
            assert_true(model[i] ? pa == (model[i] - 1) * 4096ull : pa == UINT64_MAX);
        }
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(task_entries_have_the_right_bits), TEST(kernel_half_is_copied_and_kept),
        TEST(ept_entries_have_the_right_bits), TEST(npt_entries_are_user_entries), TEST(largest_pages_are_used),
        TEST(no_gigabyte_pages_without_support), TEST(unaligned_physical_address_means_small_pages),
        TEST(out_of_memory_maps_nothing), TEST(empty_table_gives_way_to_a_large_page),
        TEST(unmap_flushes_and_frees_whole_tables), TEST(random_maps_match_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Clients' memory in DMA spaces: counted, given back with the last one, taken over from a driver that has ended.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../src/share.h"
#include <sk/sys.h>
#include <string.h>

/* An identity DMA space: memory m lies at m * 1 MiB. */
#define ADDR(mem, off) ((uint64_t)(mem) << 20 | (off))

static struct {
    cap_t space;
    uint64_t addr, size;
} maps[8];
static unsigned map_count, unmaps;
static int64_t refuse;

struct sys_result sys_map(cap_t space, cap_t mem, uint64_t off, uint64_t size, uint64_t addr, uint32_t rights)
{
    uint64_t at = ADDR(mem, off);

    assert_true(addr == MAP_ANY);
    assert_int_equal(rights, RIGHT_R | RIGHT_W);
    for (unsigned i = 0; i < map_count; i++) {
        if (maps[i].space == space && at < maps[i].addr + maps[i].size && maps[i].addr < at + size) {
            return (struct sys_result){SK_EEXIST, at};
        }
    }
    if (refuse) {
        return (struct sys_result){refuse, 0};
    }
    maps[map_count].space = space;
    maps[map_count].addr = at;
    maps[map_count++].size = size;
    return (struct sys_result){SK_OK, at};
}

int64_t sys_unmap(cap_t space, uint64_t addr, uint64_t size)
{
    for (unsigned i = 0; i < map_count; i++) {
        if (maps[i].space == space && maps[i].addr == addr) {
            if (maps[i].size != size) {
                return SK_EINVAL;
            }
            maps[i] = maps[--map_count];
            unmaps++;
            return SK_OK;
        }
    }
    return SK_ENOENT;
}

static int setup(void **state)
{
    (void)state;
    memset(maps, 0, sizeof(maps));
    map_count = unmaps = 0;
    refuse = 0;
    return 0;
}

static void test_counted(void **state)
{
    static struct device a, b;
    uint64_t addr[3];

    (void)state;
    a.dma = 1;
    b.dma = 2;
    assert_int_equal(share_map(&a, 5, 0x1000, 0x4000, &addr[0]), SK_OK);
    assert_int_equal(share_map(&a, 5, 0x1000, 0x4000, &addr[1]), SK_OK); /* a second disk of the same VM */
    assert_int_equal(share_map(&b, 5, 0x1000, 0x4000, &addr[2]), SK_OK); /* on another controller */
    assert_int_equal(addr[0], ADDR(5, 0x1000));
    assert_int_equal(addr[1], addr[0]);
    assert_int_equal(map_count, 2);
    assert_int_equal(share_unmap(&a, addr[0], 0x4000), SK_OK);
    assert_int_equal(map_count, 2);
    assert_int_equal(share_unmap(&a, addr[1], 0x4000), SK_OK);
    assert_int_equal(map_count, 1);
    assert_int_equal(share_unmap(&b, addr[2], 0x4000), SK_OK);
    assert_int_equal(map_count, 0);
    assert_int_equal(share_unmap(&b, addr[2], 0x4000), SK_OK); /* not shared at all */
    assert_int_equal(unmaps, 2);
}

static void test_overlap(void **state)
{
    static struct device a;
    uint64_t addr;

    (void)state;
    a.dma = 1;
    assert_int_equal(share_map(&a, 5, 0, 0x4000, &addr), SK_OK);
    assert_int_equal(share_map(&a, 5, 0x1000, 0x4000, &addr), SK_EEXIST); /* a part of it */
    assert_int_equal(map_count, 1);
    assert_int_equal(unmaps, 0);
    assert_int_equal(share_unmap(&a, ADDR(5, 0), 0x4000), SK_OK);
    assert_int_equal(map_count, 0);
}

/* What a driver before us left is replaced; but not what is another piece. */
static void test_predecessor(void **state)
{
    static struct device a;
    uint64_t addr;

    (void)state;
    a.dma = 1;
    assert_int_equal(sys_map(1, 5, 0, 0x4000, MAP_ANY, RIGHT_R | RIGHT_W).value, SK_OK);
    assert_int_equal(share_map(&a, 5, 0, 0x4000, &addr), SK_OK);
    assert_int_equal(unmaps, 1);
    assert_int_equal(share_unmap(&a, addr, 0x4000), SK_OK);
    assert_int_equal(map_count, 0);
    assert_int_equal(sys_map(1, 6, 0, 0x4000, MAP_ANY, RIGHT_R | RIGHT_W).value, SK_OK);
    assert_int_equal(share_map(&a, 6, 0, 0x2000, &addr), SK_EEXIST);
    assert_int_equal(map_count, 1);
}

static void test_refused(void **state)
{
    static struct device a;
    uint64_t addr;

    (void)state;
    a.dma = 1;
    refuse = SK_ENOMEM;
    assert_int_equal(share_map(&a, 5, 0, 0x1000, &addr), SK_ENOMEM);
    refuse = 0;
    assert_int_equal(share_map(&a, 5, 0, 0x1000, &addr), SK_OK);
    assert_int_equal(share_unmap(&a, addr, 0x1000), SK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_counted, setup),
        cmocka_unit_test_setup(test_overlap, setup),
        cmocka_unit_test_setup(test_predecessor, setup),
        cmocka_unit_test_setup(test_refused, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

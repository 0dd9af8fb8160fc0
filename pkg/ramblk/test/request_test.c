// SPDX-License-Identifier: MIT
// Requests on a disk in memory: every type, its limits, data in pieces anywhere, and chains that lack something.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../src/request.h"
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define SECTORS (2 * DISK_PIECE / 512 + 3) /* three pieces, the last one short */
#define BORDER (DISK_PIECE / 512)          /* the first sector of the second piece */
#define GPA 0x10000u
#define HEADER (GPA + 0x8000)
#define STATUS (GPA + 0x8100)

static struct disk disk;
static struct gmem mem;
static uint8_t ram[0x9000];
static struct vring_seg seg[REQUEST_SEG_MAX + 2];
static int64_t written;

static uint8_t *take(size_t size)
{
    return calloc(1, size);
}

static int setup(void **state)
{
    struct gmem_region r = {.gpa = GPA, .size = sizeof(ram), .host = ram};

    (void)state;
    memset(ram, 0, sizeof(ram));
    gmem_init(&mem);
    assert_int_equal(gmem_add(&mem, &r), 0);
    disk = (struct disk){.id = "ramblk:test"};
    assert_true(disk_create(&disk, SECTORS * 512, take));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        free(disk.piece[i]);
    }
    free(disk.piece);
    return 0;
}

/* Data of these lengths, one behind the other from GPA on. */
static uint8_t run(uint32_t type, uint64_t sector, bool to_disk, unsigned pieces, const uint32_t *len)
{
    struct virtio_blk_req h = {.type = type, .sector = sector};
    struct vring_chain chain = {.readable = (uint16_t)(to_disk ? 1 + pieces : 1),
                                .writable = (uint16_t)(to_disk ? 1 : 1 + pieces)};
    uint32_t gpa = GPA;

    memcpy(ram + (HEADER - GPA), &h, sizeof(h));
    seg[0] = (struct vring_seg){HEADER, sizeof(h), 0};
    for (unsigned i = 0; i < pieces; gpa += len[i++]) {
        seg[1 + i] = (struct vring_seg){gpa, len[i], !to_disk};
    }
    seg[1 + pieces] = (struct vring_seg){STATUS, 1, 1};
    ram[STATUS - GPA] = 0xee;
    written = request_execute(&disk, &mem, seg, &chain);
    return ram[STATUS - GPA];
}

static uint8_t run1(uint32_t type, uint64_t sector, bool to_disk, uint32_t len)
{
    return run(type, sector, to_disk, len > 0, &len);
}

static void test_read_write(void **state)
{
    const uint32_t pieces[] = {1, 510, 513}, whole[] = {1024};

    (void)state;
    for (uint64_t sector = BORDER - 1; sector < SECTORS - 1; sector = sector == SECTORS - 2 ? SECTORS : SECTORS - 2) {
        for (unsigned i = 0; i < 1024; i++) {
            ram[i] = (uint8_t)(i * 7 + sector);
        }
        assert_int_equal(run(VIRTIO_BLK_T_OUT, sector, true, 3, pieces), VIRTIO_BLK_S_OK);
        assert_int_equal(written, 1);
        memset(ram, 0, 1024);
        assert_int_equal(run(VIRTIO_BLK_T_IN, sector, false, 1, whole), VIRTIO_BLK_S_OK);
        assert_int_equal(written, 1025);
        for (unsigned i = 0; i < 1024; i++) {
            assert_int_equal(ram[i], (uint8_t)(i * 7 + sector));
        }
    }
    assert_int_equal(disk.piece[0][DISK_PIECE - 512], (uint8_t)(BORDER - 1));
    assert_int_equal(disk.piece[1][0], (uint8_t)(512 * 7 + BORDER - 1));
}

static void test_limits(void **state)
{
    const uint64_t bad[] = {SECTORS, SECTORS - 1, UINT64_MAX, UINT64_MAX / 512, 1ull << 55};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(run1(VIRTIO_BLK_T_IN, bad[i], false, 1024), VIRTIO_BLK_S_IOERR);
        assert_int_equal(run1(VIRTIO_BLK_T_OUT, bad[i], true, 1024), VIRTIO_BLK_S_IOERR);
        assert_int_equal(written, 1);
    }
    assert_int_equal(run1(VIRTIO_BLK_T_IN, 0, false, 0), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(VIRTIO_BLK_T_IN, 0, false, 511), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(VIRTIO_BLK_T_OUT, 0, true, 513), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(VIRTIO_BLK_T_IN, SECTORS - 1, false, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(run1(77, 0, true, 512), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(run1(VIRTIO_BLK_T_SECURE_ERASE, 0, true, 16), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(run1(VIRTIO_BLK_T_FLUSH, 0, true, 0), VIRTIO_BLK_S_OK);
}

static void test_id(void **state)
{
    (void)state;
    assert_int_equal(run1(VIRTIO_BLK_T_GET_ID, 0, false, VIRTIO_BLK_ID_BYTES), VIRTIO_BLK_S_OK);
    assert_string_equal((char *)ram, "ramblk:test");
    assert_int_equal(written, 21);
    assert_int_equal(run1(VIRTIO_BLK_T_GET_ID, 0, false, 4), VIRTIO_BLK_S_OK);
    assert_int_equal(written, 5);
    assert_int_equal(run1(VIRTIO_BLK_T_GET_ID, 0, true, 20), VIRTIO_BLK_S_IOERR);
}

static uint8_t run_ranges(uint32_t type, unsigned count, const struct virtio_blk_range *range)
{
    memcpy(ram, range, count * sizeof(*range));
    return run1(type, 0, true, (uint32_t)(count * sizeof(*range)));
}

static void test_ranges(void **state)
{
    struct virtio_blk_range r[REQUEST_RANGES_MAX + 1] = {{.sector = BORDER - 1, .num_sectors = 2}};

    (void)state;
    memset(disk.piece[0], 0xaa, DISK_PIECE);
    memset(disk.piece[1], 0xaa, DISK_PIECE);
    assert_int_equal(run_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 1, r), VIRTIO_BLK_S_OK);
    assert_int_equal(disk.piece[0][DISK_PIECE - 513], 0xaa);
    assert_int_equal(disk.piece[0][DISK_PIECE - 512], 0);
    assert_int_equal(disk.piece[1][511], 0);
    assert_int_equal(disk.piece[1][512], 0xaa);
    r[0] = (struct virtio_blk_range){.sector = 0, .num_sectors = 1};
    r[1] = (struct virtio_blk_range){.sector = SECTORS, .num_sectors = 1};
    assert_int_equal(run_ranges(VIRTIO_BLK_T_DISCARD, 2, r), VIRTIO_BLK_S_IOERR);
    assert_int_equal(disk.piece[0][0], 0xaa); /* all or nothing */
    r[1].sector = UINT64_MAX;
    assert_int_equal(run_ranges(VIRTIO_BLK_T_DISCARD, 2, r), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run_ranges(VIRTIO_BLK_T_DISCARD, REQUEST_RANGES_MAX + 1, r), VIRTIO_BLK_S_IOERR);
    r[1] = (struct virtio_blk_range){.sector = 2, .num_sectors = REQUEST_RANGE_SECTORS + 1};
    assert_int_equal(run_ranges(VIRTIO_BLK_T_DISCARD, 2, r), VIRTIO_BLK_S_IOERR);
    r[0].flags = VIRTIO_BLK_RANGE_F_UNMAP;
    assert_int_equal(run_ranges(VIRTIO_BLK_T_DISCARD, 1, r), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(run_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 1, r), VIRTIO_BLK_S_OK);
    assert_int_equal(disk.piece[0][0], 0);
    assert_int_equal(run1(VIRTIO_BLK_T_DISCARD, 0, true, 15), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(VIRTIO_BLK_T_DISCARD, 0, true, 0), VIRTIO_BLK_S_IOERR);
}

static void test_readonly(void **state)
{
    struct virtio_blk_config config;
    struct virtio_blk_range r = {.num_sectors = 1};

    (void)state;
    disk.readonly = true;
    assert_int_equal(run1(VIRTIO_BLK_T_OUT, 0, true, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run_ranges(VIRTIO_BLK_T_DISCARD, 1, &r), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(VIRTIO_BLK_T_IN, 0, false, 512), VIRTIO_BLK_S_OK);
    assert_true(request_features(&disk) & VIRTIO_BLK_F_RO);
    assert_false(request_features(&disk) & VIRTIO_BLK_F_DISCARD);
    request_config(&disk, &config);
    assert_int_equal(config.capacity, SECTORS);
    assert_int_equal(config.max_discard_seg, 0);
}

/* The status is the last byte of whatever is writable; without such a byte the ring is broken. */
static void test_chains(void **state)
{
    struct virtio_blk_req h = {.type = VIRTIO_BLK_T_IN};
    struct vring_chain chain = {.readable = 1, .writable = 1};

    (void)state;
    memcpy(ram + (HEADER - GPA), &h, sizeof(h));
    seg[0] = (struct vring_seg){HEADER, sizeof(h), 0};
    seg[1] = (struct vring_seg){GPA, 513, 1};
    ram[512] = 0xee;
    assert_int_equal(request_execute(&disk, &mem, seg, &chain), 513);
    assert_int_equal(ram[512], VIRTIO_BLK_S_OK);
    chain.writable = 0;
    assert_int_equal(request_execute(&disk, &mem, seg, &chain), -1);
    seg[0] = (struct vring_seg){HEADER, 15, 0}; /* half a header */
    seg[1] = (struct vring_seg){STATUS, 1, 1};
    chain.writable = 1;
    assert_int_equal(request_execute(&disk, &mem, seg, &chain), 1);
    assert_int_equal(ram[STATUS - GPA], VIRTIO_BLK_S_IOERR);
    seg[0] = (struct vring_seg){HEADER, sizeof(h), 0};
    seg[1] = (struct vring_seg){0xfffffffffffff000, 513, 1}; /* no memory */
    assert_int_equal(request_execute(&disk, &mem, seg, &chain), -1);
    seg[0].len = sizeof(h); /* data that is no memory: a failed request */
    seg[1] = (struct vring_seg){0xfffffffffffff000, 512, 1};
    seg[2] = (struct vring_seg){STATUS, 1, 1};
    chain.writable = 2;
    assert_int_equal(request_execute(&disk, &mem, seg, &chain), 1);
    assert_int_equal(ram[STATUS - GPA], VIRTIO_BLK_S_IOERR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_readonly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chains, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

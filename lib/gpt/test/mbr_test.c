// SPDX-License-Identifier: MIT
// Master boot records: primary and logical partitions, protective and hybrid ones, and each kind of damage.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gpt/mbr.h>
#include <string.h>
#include <util/bits.h>

#define BLOCKS 4096u

static uint8_t image[BLOCKS][512];
static int fail_at;
static const struct gpt_disk *disk;
static struct mbr_table t;
static uint8_t buf[512];

static int64_t image_read(void *ctx, uint64_t lba, uint32_t blocks, void *out)
{
    (void)ctx;
    assert_true(range_ok(lba, blocks, BLOCKS));
    if ((int)lba == fail_at) {
        return SK_EIO;
    }
    memcpy(out, image[lba], blocks * 512u);
    return SK_OK;
}

static int setup(void **state)
{
    static const struct gpt_disk d = {.read = image_read, .blocks = BLOCKS, .block_size = 512};

    (void)state;
    disk = &d;
    fail_at = -1;
    memset(image, 0, sizeof(image));
    memset(&t, 0xaa, sizeof(t));
    return 0;
}

static void entry(unsigned lba, unsigned i, uint8_t type, uint32_t start, uint32_t blocks)
{
    uint8_t *e = image[lba] + 446 + 16 * i;

    e[4] = type;
    memcpy(e + 8, &start, 4);
    memcpy(e + 12, &blocks, 4);
    image[lba][510] = 0x55;
    image[lba][511] = 0xaa;
}

static void check(unsigned i, uint32_t number, uint64_t first, uint64_t last, bool good)
{
    assert_true(i < t.count);
    assert_int_equal(t.part[i].number, number);
    assert_int_equal(t.part[i].first, first);
    assert_int_equal(t.part[i].last, last);
    assert_int_equal(t.part[i].refused == NULL, good);
}

static int64_t read_it(void)
{
    return mbr_read(disk, buf, sizeof(buf), &t);
}

static void test_none(void **state)
{
    (void)state;
    assert_int_equal(read_it(), SK_ENOENT);
    image[0][510] = 0x55, image[0][511] = 0xaa;
    assert_int_equal(read_it(), SK_ENOENT); /* no entry */
    entry(0, 0, 0x83, 100, 100);
    image[0][446] = 0x33; /* code of a file system's boot sector */
    assert_int_equal(read_it(), SK_ENOENT);
    image[0][446] = 0x80;
    assert_int_equal(read_it(), SK_OK);
    fail_at = 0;
    assert_int_equal(read_it(), SK_EIO);
    assert_int_equal(mbr_read(disk, buf, 511, &t), SK_EINVAL);
}

static void test_primary(void **state)
{
    char text[MBR_UUID_TEXT];

    (void)state;
    memcpy(image[0] + 440, "\x78\x56\x34\x12", 4);
    entry(0, 0, 0x83, 64, 1000);
    entry(0, 3, 0x0c, 2048, 2048); /* to the last block */
    assert_int_equal(read_it(), SK_OK);
    assert_int_equal(t.signature, 0x12345678);
    assert_int_equal(t.count, 2);
    assert_false(t.protective);
    check(0, 1, 64, 1063, true);
    check(1, 4, 2048, 4095, true);
    mbr_uuid_format(t.signature, 4, text);
    assert_string_equal(text, "12345678-04");
}

static void test_refused(void **state)
{
    (void)state;
    entry(0, 0, 0x83, 64, 100);
    entry(0, 1, 0x83, 163, 100); /* its first block is the other's last */
    entry(0, 2, 0x83, 4000, 97); /* one block too long */
    entry(0, 3, 0x83, 0, 10);    /* holds the record itself */
    assert_int_equal(read_it(), SK_OK);
    assert_int_equal(t.count, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_non_null(t.part[i].refused);
    }
    entry(0, 1, 0x83, 164, 0);
    entry(0, 2, 0x83, UINT32_MAX, UINT32_MAX);
    assert_int_equal(read_it(), SK_OK);
    check(0, 1, 64, 163, true);
    assert_string_equal(t.part[1].refused, "is empty");
    assert_non_null(t.part[2].refused);
}

static void logical(void)
{
    entry(0, 0, 0x83, 64, 100);
    entry(0, 1, 0x0f, 1000, 2000);
    entry(1000, 0, 0x83, 10, 90);
    entry(1000, 1, 0x05, 100, 200);
    entry(1100, 0, 0x83, 10, 190);
    entry(1100, 1, 0x05, 1000, 500);
    entry(2000, 0, 0x83, 1, 999); /* to the end of the extended partition */
}

static void test_logical(void **state)
{
    (void)state;
    logical();
    assert_int_equal(read_it(), SK_OK);
    assert_null(t.damage);
    assert_int_equal(t.count, 4);
    check(0, 1, 64, 163, true);
    check(1, 5, 1010, 1099, true);
    check(2, 6, 1110, 1299, true);
    check(3, 7, 2001, 2999, true);
    entry(2000, 0, 0x83, 1, 1000);
    assert_int_equal(read_it(), SK_OK);
    check(3, 7, 2001, 3000, false);
}

static void test_chain_damage(void **state)
{
    (void)state;
    logical();
    entry(1100, 1, 0x05, 100, 200); /* itself */
    assert_int_equal(read_it(), SK_OK);
    assert_non_null(t.damage);
    assert_int_equal(t.count, 3);
    check(0, 1, 64, 163, true);
    check(1, 5, 1010, 1099, true);
    check(2, 6, 1110, 1299, true);
    entry(1100, 1, 0x05, 2000, 200);
    assert_int_equal(read_it(), SK_OK);
    assert_non_null(t.damage);
    assert_int_equal(t.count, 3);
    entry(1100, 1, 0x05, 0, 200); /* back to the beginning */
    assert_int_equal(read_it(), SK_OK);
    assert_non_null(t.damage);
    entry(1100, 1, 0x05, 1500, 200); /* no record there */
    assert_int_equal(read_it(), SK_OK);
    assert_non_null(t.damage);
    assert_int_equal(t.count, 3);
    fail_at = 1000;
    assert_int_equal(read_it(), SK_OK);
    assert_non_null(t.damage);
    assert_int_equal(t.count, 1);
    entry(0, 1, 0x0f, 4000, 97);
    assert_int_equal(read_it(), SK_OK);
    assert_non_null(t.damage);
}

/* A chain of as many records as are followed, and longer. */
static void test_long_chain(void **state)
{
    (void)state;
    entry(0, 0, 0x05, 10, 4000);
    for (unsigned i = 0; i < MBR_PARTS_MAX + 3; i++) {
        entry(10 + 10 * i, 0, 0x83, 1, 9);
        if (i < MBR_PARTS_MAX - 1) {
            entry(10 + 10 * i, 1, 0x05, 10 * (i + 1), 10);
        }
    }
    assert_int_equal(read_it(), SK_OK);
    assert_null(t.damage);
    assert_int_equal(t.count, MBR_PARTS_MAX);
    check(63, 68, 641, 649, true);
    for (unsigned i = MBR_PARTS_MAX - 1; i < MBR_PARTS_MAX + 2; i++) {
        entry(10 + 10 * i, 1, 0x05, 10 * (i + 1), 10);
    }
    assert_int_equal(read_it(), SK_OK);
    assert_string_equal(t.damage, "there are too many");
    assert_int_equal(t.count, MBR_PARTS_MAX);
    check(63, 68, 641, 649, true);
}

/* What is refused for its place takes nothing from others; nobody may write the records of logical partitions. */
static void test_overlaps(void **state)
{
    (void)state;
    logical();
    entry(0, 2, 0x83, 900, 101); /* its last block is the extended partition's first */
    entry(0, 3, 0x83, 100, 4096);
    entry(1000, 0, 0x83, 10, 91); /* reaches the next record */
    assert_int_equal(read_it(), SK_OK);
    assert_int_equal(t.count, 6);
    check(0, 1, 64, 163, true);
    check(1, 3, 900, 1000, false);
    check(2, 4, 100, 4195, false);
    check(3, 5, 1010, 1100, false);
    check(4, 6, 1110, 1299, true);
    check(5, 7, 2001, 2999, true);
    assert_non_null(strstr(t.part[3].refused, "boot record"));
}

static void test_protective(void **state)
{
    (void)state;
    entry(0, 0, 0xee, 1, UINT32_MAX);
    assert_int_equal(read_it(), SK_OK);
    assert_true(t.protective && !t.hybrid);
    assert_int_equal(t.count, 0);
    entry(0, 2, 0x83, 100, 100);
    assert_int_equal(read_it(), SK_OK);
    assert_true(t.protective && t.hybrid);
    assert_int_equal(t.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_none, setup),         cmocka_unit_test_setup(test_primary, setup),
        cmocka_unit_test_setup(test_refused, setup),      cmocka_unit_test_setup(test_logical, setup),
        cmocka_unit_test_setup(test_long_chain, setup),   cmocka_unit_test_setup(test_overlaps, setup),
        cmocka_unit_test_setup(test_chain_damage, setup), cmocka_unit_test_setup(test_protective, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

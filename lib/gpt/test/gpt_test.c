// SPDX-License-Identifier: MIT
// Partition tables: good ones, each kind of damage, the backup copy, hostile entries.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gpt/gpt.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define BLOCKS 256u

struct image {
    uint32_t block_size;
    uint8_t *data;
    uint8_t *buf;
    int fail_at; /* block whose reading fails, -1: none */
};

static int64_t image_read(void *ctx, uint64_t lba, uint32_t blocks, void *buf)
{
    struct image *im = ctx;

    assert_true(range_ok(lba, blocks, BLOCKS));
    if (im->fail_at >= 0 && lba <= (uint64_t)im->fail_at && (uint64_t)im->fail_at < lba + blocks) {
        return SK_EIO;
    }
    memcpy(buf, im->data + lba * im->block_size, (size_t)blocks * im->block_size);
    return SK_OK;
}

static void put(uint8_t *p, unsigned off, uint64_t v, unsigned bytes)
{
    memcpy(p + off, &v, bytes);
}

/* (Re)computes the checksums of the copy whose header is at lba. */
static void seal(struct image *im, uint64_t lba)
{
    uint8_t *h = im->data + lba * im->block_size;
    uint64_t entries;
    uint32_t n, size;

    memcpy(&entries, h + 72, 8);
    memcpy(&n, h + 80, 4);
    memcpy(&size, h + 84, 4);
    put(h, 88, gpt_crc32(im->data + entries * im->block_size, (size_t)n * size), 4);
    put(h, 16, 0, 4);
    put(h, 16, gpt_crc32(h, 92), 4);
}

static void header(struct image *im, uint64_t lba, uint64_t other, uint64_t entries)
{
    uint8_t *h = im->data + lba * im->block_size;

    memcpy(h, "EFI PART", 8);
    put(h, 8, 0x10000, 4), put(h, 12, 92, 4), put(h, 24, lba, 8), put(h, 32, other, 8);
    put(h, 40, 40, 8), put(h, 48, 200, 8), put(h, 56, 0x1122334455667788, 8), put(h, 72, entries, 8);
    put(h, 80, 128, 4), put(h, 84, 128, 4);
}

static uint8_t *entry(struct image *im, uint64_t table, unsigned i)
{
    return im->data + table * im->block_size + i * 128;
}

static void part(struct image *im, uint64_t table, unsigned i, uint64_t first, uint64_t last, const char *label)
{
    uint8_t *e = entry(im, table, i);

    memset(e, 0, 128);
    put(e, 0, 0x0fc63daf, 4);
    put(e, 16, 0x04030201, 4), put(e, 20, 0x0605, 2), put(e, 22, 0x0807, 2), put(e, 24, 0x100f0e0d0c0b0a09 + i, 8);
    put(e, 32, first, 8), put(e, 40, last, 8);
    for (unsigned k = 0; label[k]; k++) {
        put(e, 56 + 2 * k, (uint8_t)label[k], 2);
    }
}

#define BACKUP_TABLE 222u
static void both(struct image *im, unsigned i, uint64_t first, uint64_t last, const char *label)
{
    part(im, 2, i, first, last, label);
    part(im, BACKUP_TABLE, i, first, last, label);
    seal(im, 1);
    seal(im, BLOCKS - 1);
}

static int setup_size(void **state, uint32_t block_size)
{
    struct image *im = calloc(1, sizeof(*im));

    im->block_size = block_size;
    im->fail_at = -1;
    im->data = calloc(BLOCKS, block_size);
    im->buf = malloc(gpt_buffer_size(block_size));
    header(im, 1, BLOCKS - 1, 2);
    header(im, BLOCKS - 1, 1, BACKUP_TABLE);
    both(im, 0, 40, 99, "root");
    both(im, 3, 100, 200, "Data 2");
    *state = im;
    return 0;
}
static int setup(void **state)
{
    return setup_size(state, 512);
}
static int setup_4k(void **state)
{
    return setup_size(state, 4096);
}
static int teardown(void **state)
{
    struct image *im = *state;

    free(im->data);
    free(im->buf);
    free(im);
    return 0;
}

static int64_t read_table(struct image *im, struct gpt_table *t)
{
    struct gpt_disk d = {.read = image_read, .ctx = im, .blocks = BLOCKS, .block_size = im->block_size};

    return gpt_read(&d, im->buf, gpt_buffer_size(im->block_size), t);
}

static void test_good(void **state)
{
    struct image *im = *state;
    struct gpt_table t;
    struct gpt_part p;
    char text[GPT_GUID_TEXT];
    struct gpt_guid g;

    assert_int_equal(read_table(im, &t), SK_OK);
    assert_false(t.backup);
    assert_int_equal(t.count, 128);
    assert_int_equal(gpt_entry(&t, 0, &p), SK_OK);
    assert_string_equal(p.label, "root");
    assert_int_equal(p.first, 40);
    assert_int_equal(p.last, 99);
    assert_int_equal(gpt_entry(&t, 1, &p), SK_ENOENT);
    assert_int_equal(gpt_entry(&t, 3, &p), SK_OK);
    assert_int_equal(p.number, 4);
    assert_string_equal(p.label, "Data 2");
    gpt_guid_format(&p.guid, text);
    assert_string_equal(text, "04030201-0605-0807-0C0A-0B0C0D0E0F10");
    assert_true(gpt_guid_parse("04030201-0605-0807-0c0A-0b0c0d0e0f10", &g));
    assert_memory_equal(&g, &p.guid, 16);
    assert_false(gpt_guid_parse("04030201-0605-0807-0c0A-0b0c0d0e0f1", &g));
    assert_false(gpt_guid_parse("04030201-0605-0807-0c0A-0b0c0d0e0f101", &g));
    assert_false(gpt_guid_parse("04030201+0605-0807-0c0A-0b0c0d0e0f10", &g));
    assert_false(gpt_guid_parse("", &g));
}

static void test_none(void **state)
{
    struct image *im = *state;
    struct gpt_table t;

    memset(im->data, 0, (size_t)BLOCKS * im->block_size);
    assert_int_equal(read_table(im, &t), SK_ENOENT);
}

static void test_crc(void **state)
{
    (void)state;
    assert_int_equal(gpt_crc32("123456789", 9), 0xcbf43926); /* the check value of CRC-32 */
}

/* Damage one field of the primary (with right checksums where `sealed`): the backup must serve. */
static void damage(struct image *im, unsigned off, uint64_t v, unsigned bytes, bool sealed)
{
    struct gpt_table t;
    struct gpt_part p;
    uint8_t *h = im->data + im->block_size, old[512];

    memcpy(old, h, sizeof(old));
    put(h, off, v, bytes);
    if (sealed) {
        put(h, 16, 0, 4);
        put(h, 16, gpt_crc32(h, 92), 4);
    }
    assert_int_equal(read_table(im, &t), SK_OK);
    assert_true(t.backup);
    assert_non_null(t.damage);
    assert_int_equal(gpt_entry(&t, 0, &p), SK_OK);
    assert_string_equal(p.label, "root");
    memcpy(h, old, sizeof(old));
}

static void test_damage(void **state)
{
    struct image *im = *state;

    damage(im, 0, 0, 1, false);  /* signature */
    damage(im, 60, 1, 4, false); /* header CRC */
    damage(im, 12, 91, 4, true); /* header sizes */
    damage(im, 12, 0xffffffff, 4, true);
    damage(im, 8, 0x20000, 4, true); /* revision */
    damage(im, 24, 2, 8, true);      /* position */
    damage(im, 40, 201, 8, true);    /* usable range */
    damage(im, 48, BLOCKS, 8, true);
    damage(im, 40, 1, 8, true); /* over the header, over the entries */
    damage(im, 40, 2, 8, true);
    damage(im, 40, im->block_size == 512 ? 33 : 5, 8, true);
    damage(im, 72, 1, 8, true); /* entries over the header */
    damage(im, 72, BLOCKS - 3, 8, true);
    damage(im, 72, UINT64_MAX, 8, true);
    damage(im, 80, 0, 4, true);
    damage(im, 80, 0x80000000, 4, true);
    damage(im, 84, 64, 4, true);
    damage(im, 84, 0x10000000, 4, true);
    damage(im, 88, 0, 4, true); /* CRC of the entries */
}

static void test_both_damaged(void **state)
{
    struct image *im = *state;
    struct gpt_table t;

    entry(im, 2, 0)[0] ^= 1;
    entry(im, BACKUP_TABLE, 0)[0] ^= 1;
    assert_int_equal(read_table(im, &t), SK_EINVAL);
    assert_string_equal(t.damage, "CRC of the entries");
}

static void test_read_errors(void **state)
{
    struct image *im = *state;
    struct gpt_table t;

    for (im->fail_at = 1; im->fail_at <= 3; im->fail_at += 2) { /* the header, the entries: the backup serves */
        assert_int_equal(read_table(im, &t), SK_OK);
        assert_true(t.backup);
        assert_non_null(strstr(t.damage, "cannot be read"));
    }
    im->data[(BLOCKS - 1) * im->block_size + 60] ^= 1;
    assert_int_equal(read_table(im, &t), SK_EINVAL);
    im->data[(BLOCKS - 1) * im->block_size] ^= 1;
    assert_int_equal(read_table(im, &t), SK_EIO);
    memset(im->data, 0, (size_t)BLOCKS * im->block_size);
    im->fail_at = BLOCKS - 1;
    assert_int_equal(read_table(im, &t), SK_EIO);
}

/* A disk that has grown: a damaged primary still says where the backup is. */
static void test_backup_elsewhere(void **state)
{
    struct image *im = *state;
    struct gpt_table t;
    uint8_t *last = im->data + (BLOCKS - 1) * im->block_size;
    const uint64_t place = 210;

    header(im, 1, place, 2);
    header(im, place, 1, BACKUP_TABLE);
    memset(last, 0, im->block_size);
    seal(im, 1);
    seal(im, place);
    im->data[im->block_size + 60] ^= 1;
    assert_int_equal(read_table(im, &t), SK_OK);
    assert_true(t.backup);
    assert_string_equal(t.damage, "header CRC");
    im->data[place * im->block_size + 60] ^= 1;
    assert_int_equal(read_table(im, &t), SK_EINVAL);
    for (uint64_t hint = 0; hint < 2; hint++) { /* no hint at all */
        header(im, 1, hint ? UINT64_MAX : 0, 2);
        assert_int_equal(read_table(im, &t), SK_EINVAL);
    }
}

/* More than we take is no damage, and said so. */
static void test_too_many_entries(void **state)
{
    struct image *im = *state;
    struct gpt_table t;

    for (unsigned copy = 0; copy < 2; copy++) {
        uint8_t *h = im->data + (copy ? BLOCKS - 1 : 1) * im->block_size;

        put(h, 80, 1025, 4), put(h, 16, 0, 4), put(h, 16, gpt_crc32(h, 92), 4);
    }
    assert_int_equal(read_table(im, &t), SK_EINVAL);
    assert_non_null(strstr(t.damage, "more entries than"));
}

/* The primary is good, its backup is not: it serves, and the damage is told. */
static void test_backup_damage(void **state)
{
    struct image *im = *state;
    struct gpt_table t;

    assert_int_equal(read_table(im, &t), SK_OK);
    assert_null(t.backup_damage);
    im->fail_at = BLOCKS - 1;
    assert_int_equal(read_table(im, &t), SK_OK);
    assert_non_null(t.backup_damage);
    im->fail_at = -1;
    part(im, BACKUP_TABLE, 0, 41, 99, "root");
    seal(im, BLOCKS - 1);
    assert_int_equal(read_table(im, &t), SK_OK);
    assert_string_equal(t.backup_damage, "it has other entries");
    im->data[(BLOCKS - 1) * im->block_size + 60] ^= 1;
    assert_int_equal(read_table(im, &t), SK_OK);
    assert_string_equal(t.backup_damage, "header CRC");
    memset(im->data + (BLOCKS - 1) * im->block_size, 0, im->block_size);
    assert_int_equal(read_table(im, &t), SK_OK);
    assert_string_equal(t.backup_damage, "signature");
    put(im->data + im->block_size, 32, UINT64_MAX, 8);
    seal(im, 1);
    assert_int_equal(read_table(im, &t), SK_OK);
    assert_false(t.backup);
    assert_string_equal(t.backup_damage, "its position");
}

static void test_bad_entries(void **state)
{
    struct image *im = *state;
    struct gpt_table t;
    struct gpt_part p;

    both(im, 5, 39, 39, "before");
    both(im, 6, 201, 201, "behind");
    both(im, 7, 150, 140, "empty");
    both(im, 8, 60, 60, "inside");
    both(im, 9, 0, UINT64_MAX, "all");
    entry(im, 2, 9)[0] = entry(im, BACKUP_TABLE, 9)[0] = 1;
    seal(im, 1);
    assert_int_equal(read_table(im, &t), SK_OK);
    assert_int_equal(gpt_entry(&t, 5, &p), SK_ERANGE);
    assert_int_equal(gpt_entry(&t, 6, &p), SK_ERANGE);
    assert_int_equal(gpt_entry(&t, 7, &p), SK_ERANGE);
    assert_int_equal(gpt_entry(&t, 8, &p), SK_EEXIST);
    assert_int_equal(gpt_entry(&t, 0, &p), SK_EEXIST);
    assert_int_equal(gpt_entry(&t, 9, &p), SK_ERANGE);
    assert_int_equal(gpt_entry(&t, 3, &p), SK_OK); /* overlapped by entries only that are outside or empty */
}

static void test_label(void **state)
{
    struct image *im = *state;
    struct gpt_table t;
    struct gpt_part p;
    static const uint16_t name[36] = {'a', 0xe9, 0x20ac, 0xd83d, 0xde00, 0xd800, 'z'};

    memcpy(entry(im, 2, 0) + 56, name, sizeof(name));
    seal(im, 1);
    assert_int_equal(read_table(im, &t), SK_OK);
    assert_int_equal(gpt_entry(&t, 0, &p), SK_OK);
    assert_string_equal(p.label, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbdz");
    static const uint16_t controls[36] = {0x1b, '[', '3', '1', 'm', 0x0a, 0x7f, 0x85, 0xa0};

    memcpy(entry(im, 2, 0) + 56, controls, sizeof(controls));
    seal(im, 1);
    assert_int_equal(read_table(im, &t), SK_OK);
    assert_int_equal(gpt_entry(&t, 0, &p), SK_OK);
    assert_string_equal(p.label, "?[31m???\xc2\xa0");
    memset(entry(im, 2, 0) + 56, 0xfe, 72); /* the longest label */
    seal(im, 1);
    assert_int_equal(read_table(im, &t), SK_OK);
    assert_int_equal(gpt_entry(&t, 0, &p), SK_OK);
    assert_int_equal(strlen(p.label), 108);
}

static void test_small_disk(void **state)
{
    struct image *im = *state;
    struct gpt_table t;
    struct gpt_disk d = {.read = image_read, .ctx = im, .blocks = 2, .block_size = im->block_size};

    assert_int_equal(gpt_read(&d, im->buf, gpt_buffer_size(im->block_size), &t), SK_ENOENT);
    assert_int_equal(gpt_read(&d, im->buf, 512, &t), SK_EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_good),
        cmocka_unit_test_setup_teardown(test_good, setup_4k, teardown),
        T(test_none),
        T(test_crc),
        T(test_damage),
        cmocka_unit_test_setup_teardown(test_damage, setup_4k, teardown),
        T(test_both_damaged),
        T(test_read_errors),
        T(test_bad_entries),
        T(test_label),
        T(test_small_disk),
        T(test_backup_damage),
        T(test_backup_elsewhere),
        T(test_too_many_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

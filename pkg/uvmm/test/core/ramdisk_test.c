// SPDX-License-Identifier: MIT
/* Ramdisks in each format, made by the host's tools, whole and cut at many places. */
#include "../../src/boot/ramdisk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAKE "{ seq 1 9000; head -c 70000 /dev/urandom; head -c 3000 /dev/zero; }"

static uint8_t *data;
static size_t size;

static void make(const char *command)
{
    FILE *f = popen(command, "r");
    size_t n;

    free(data);
    data = NULL;
    size = 0;
    do {
        data = realloc(data, size + 65536);
        n = fread(data + size, 1, 65536, f);
        size += n;
    } while (n > 0);
    assert_int_equal(pclose(f), 0);
    assert_true(size > 1000);
}

/* In a block of exactly that size, so that ASan sees every byte behind it. */
static const char *check(size_t n)
{
    uint8_t *copy = malloc(n);

    memcpy(copy, data, n);
    const char *err = ramdisk_check(copy, n);
    free(copy);
    return err;
}

static void cuts(void)
{
    assert_null(check(size));
    for (size_t n = 7; n < size; n += 1 + size / 97) {
        assert_non_null(check(n));
    }
    assert_non_null(check(size - 1));
}

static void test_gzip(void **state)
{
    (void)state;
    make(MAKE " | gzip -9n");
    cuts();
    make(MAKE " | gzip -1"); /* with a time, without a name */
    cuts();
    make("head -c 70000 /dev/urandom | gzip"); /* stored blocks */
    cuts();
    make(
        "head -c 5000 /dev/urandom | tr -dc a-b | head -c 3 | gzip; head -c 2000 /dev/zero; seq 900 | gzip"); /* two of
                                                                                                                 them */
    assert_null(check(size));
    assert_non_null(check(size - 9));
}

static void test_cpio(void **state)
{
    (void)state;
    make("cd \"$(mktemp -d)\" && " MAKE
         " > f && mkdir d && echo x > d/y && find . | /usr/bin/cpio -o -H newc 2>/dev/null || "
         "{ printf '070701%0104d' 0 | sed 's/^\\(.\\{94\\}\\)......../\\10000000b/'; printf 'TRAILER!!!\\0'; head -c "
         "2000 /dev/zero; }");
    assert_null(check(size));
    assert_non_null(check(100));
}

static void test_zstd(void **state)
{
    (void)state;
    if (system("command -v zstd >/dev/null") != 0) {
        skip();
    }
    make(MAKE " | zstd -q");
    cuts();
    make(MAKE " | zstd -q -19 --no-check");
    cuts();
}

static void test_xz(void **state)
{
    (void)state;
    if (system("command -v xz >/dev/null") != 0) {
        skip();
    }
    make(MAKE " | xz --check=crc32");
    cuts();
}

static void test_lz4(void **state)
{
    (void)state;
    if (system("command -v lz4 >/dev/null") != 0) {
        skip();
    }
    make(MAKE " | lz4 -l -1");
    cuts();
    make("{ head -c 9000000 /dev/urandom; seq 900000; } | lz4 -l -1; seq 9 | lz4 -l -1"); /* blocks, and one more frame
                                                                                           */
    assert_null(check(size));
    assert_non_null(check(size / 2));
    assert_true(ramdisk_known(data, size));
}

static void test_known(void **state)
{
    (void)state;
    assert_true(ramdisk_known("BZh9 something", 14));
    assert_true(ramdisk_known("\0\0\0\0", 4));
    assert_true(ramdisk_known("\x1f\x8b\x08\0\0\0\0\0\0\3\3\0", 12));
    assert_false(ramdisk_known("-- a script\n", 12));
    assert_false(ramdisk_known("x", 1));
}

/* What is not known is the guest's business. */
static void test_others(void **state)
{
    (void)state;
    assert_null(ramdisk_check("BZh9 something", 14));
    assert_null(ramdisk_check("\0\0\0\0", 4));
    assert_null(ramdisk_check("x", 1));
    assert_null(ramdisk_check("\x1f\x8b\x08\0\0\0\0\0\0\3\xff\xff\xff\xff", 14)); /* no deflate */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip),   cmocka_unit_test(test_cpio), cmocka_unit_test(test_zstd),
        cmocka_unit_test(test_xz),     cmocka_unit_test(test_lz4),  cmocka_unit_test(test_known),
        cmocka_unit_test(test_others),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(data);
    return failed;
}

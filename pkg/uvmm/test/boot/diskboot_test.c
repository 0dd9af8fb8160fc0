// SPDX-License-Identifier: MIT
// Kernel and ramdisks from file systems on disks and partitions.
#include "../../src/boot/diskboot.h"
#include "../../src/log.h"
#include "image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1u << 20)

static struct image im;
static struct boot_file kernel, rd;
static struct bootcfg cfg;

static void done(void)
{
    free((void *)(uintptr_t)kernel.data);
    free((void *)(uintptr_t)rd.data);
    kernel = rd = (struct boot_file){0};
    image_free(&im);
}

static void assert_kernel(void)
{
    assert_int_equal(kernel.size, 54000);
    assert_memory_equal(kernel.data, "kernelkernel", 12);
    assert_memory_equal((const char *)kernel.data + 54000 - 6, "kernel", 6);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(diskboot_name("qdrv:/vmlinuz"));
    assert_true(diskboot_name("qdrv:"));
    assert_false(diskboot_name("rom/a:b"));
    assert_false(diskboot_name("bzImage"));
    assert_int_equal(diskboot_name_disk("qdrv:2:/x"), 4);
    assert_true(diskboot_name_configured("qdrv:"));
    assert_true(diskboot_name_configured("qdrv:3:"));
    assert_false(diskboot_name_configured("qdrv:3:/x"));
}

static void test_whole_disk(void **state)
{
    (void)state;
    image_make(&im, MIB, 0, NULL);
    assert_int_equal(diskboot_file(&im.disk, "qdrv:/vmlinuz", "kernel", "-k", &kernel), 0);
    assert_kernel();
    assert_int_equal(diskboot_file(&im.disk, "qdrv:/boot/a", "ramdisk", "-r", &rd), 0);
    assert_int_equal(rd.size, 5);
    done();
}

static void test_partition(void **state)
{
    (void)state;
    image_make(&im, 2 * MIB, 128 * 1024, NULL);
    image_gpt(&im, 3, 128 * 1024, 2 * MIB - 128 * 1024);
    assert_int_equal(diskboot_file(&im.disk, "qdrv:3:/boot/kernel", "kernel", "-k", &kernel), 0);
    assert_kernel();
    assert_int_equal(diskboot_file(&im.disk, "qdrv:1:/boot/kernel", "kernel", "-k", &rd), -1);
    free((void *)(uintptr_t)kernel.data);
    assert_int_equal(diskboot_configured(&im.disk, "qdrv:", &cfg, &kernel, &rd), 0); /* /vmlinuz, no /initrd.img */
    assert_kernel();
    assert_null(rd.data);
    assert_string_equal(cfg.cmdline, "");
    done();
}

static void test_grub(void **state)
{
    (void)state;
    image_make(&im, MIB, 0, "menuentry x {\n linux /boot/kernel root=LABEL=x\n initrd /boot/a /boot/b\n}\n");
    assert_int_equal(diskboot_configured(&im.disk, "qdrv:", &cfg, &kernel, &rd), 0);
    assert_kernel();
    assert_string_equal(cfg.cmdline, "root=LABEL=x");
    assert_int_equal(rd.size, 14); /* the second begins at a multiple of four */
    assert_memory_equal(rd.data, "first\0\0\0second", 14);
    done();
}

/* The disk held a file system before it was partitioned; of it, fdisk overwrites 512 bytes. */
static void test_remnant(void **state)
{
    static const uint8_t entry[16] = {[4] = 0x83, [9] = 1, [13] = 14};

    (void)state;
    image_make(&im, 2 * MIB, 128 * 1024, NULL);
    memcpy(im.data + 446, entry, sizeof(entry)); /* 256 to 3839 */
    memcpy(im.data + 510, "\x55\xaa", 2);
    memcpy(im.data + 1024 + 56, "\x53\xef", 2);
    assert_int_equal(diskboot_configured(&im.disk, "qdrv:", &cfg, &kernel, &rd), 0);
    assert_kernel();
    done();
}

/* Whatever mke2fs makes. */
static void test_features(void **state)
{
    static const char *const options[] = {
        "-t ext2",
        "-t ext2 -r 0",
        "-t ext3 -b 2048",
        "-t ext4 -b 4096",
        "-t ext4 -b 65536 -F",
        "-t ext4 -O ^64bit,^extent,^flex_bg,^metadata_csum",
        "-t ext4 -O bigalloc -C 16384",
        "-t ext4 -O metadata_csum_seed,orphan_file",
        "-t ext4 -O inline_data -I 256",
        "-t ext4 -O casefold,ea_inode,large_dir,encrypt,verity,project,quota,mmp,stable_inodes",
        "-t ext4 -O meta_bg,^resize_inode",
        "-t ext4 -O sparse_super2,uninit_bg,^metadata_csum",
        "-t ext4 -I 128 -g 1024 -b 1024",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(options) / sizeof(*options); i++) {
        image_make_as(&im, 24 * MIB, 0, "menuentry x {\n linux /boot/kernel\n initrd /boot/a\n}\n", options[i]);
        assert_int_equal(diskboot_configured(&im.disk, "qdrv:", &cfg, &kernel, &rd), 0);
        assert_kernel();
        assert_memory_equal(rd.data, "first", 5); /* in the inode, with inline data */
        done();
    }
}

static void test_bad_files(void **state)
{
    static const char *const bad[] = {"qdrv:/nothing",    "qdrv:/boot",          "qdrv:/boot/loop",
                                      "qdrv:/boot/empty", "qdrv:/boot/kernel/x", "qdrv:vmlinux"};

    (void)state;
    image_make(&im, MIB, 0, NULL);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(diskboot_file(&im.disk, bad[i], "kernel", "-k", &kernel), -1);
    }
    im.fails = true;
    assert_int_equal(diskboot_file(&im.disk, "qdrv:/vmlinuz", "kernel", "-k", &kernel), -1);
    kernel.data = NULL;
    done();
}

static void test_bad_configuration(void **state)
{
    (void)state;
    image_make(&im, MIB, 0, "menuentry x {\n linux /boot/nothing\n}\n");
    assert_int_equal(diskboot_configured(&im.disk, "qdrv:", &cfg, &kernel, &rd), -1);
    done();
    image_make(&im, MIB, 0, "menuentry x {\n linux /boot/kernel\n initrd /boot/a /no\n}\n");
    assert_int_equal(diskboot_configured(&im.disk, "qdrv:", &cfg, &kernel, &rd), -1);
    done();
    image_make(&im, MIB, 0, "menuentry x {\n}\n");
    assert_int_equal(diskboot_configured(&im.disk, "qdrv:", &cfg, &kernel, &rd), -1);
    done();
}

static void test_no_file_system(void **state)
{
    (void)state;
    image_make(&im, MIB, 0, NULL);
    memset(im.data, 0, MIB);
    assert_int_equal(diskboot_file(&im.disk, "qdrv:/vmlinuz", "kernel", "-k", &kernel), -1);
    assert_int_equal(diskboot_configured(&im.disk, "qdrv:", &cfg, &kernel, &rd), -1);
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),          cmocka_unit_test(test_whole_disk),
        cmocka_unit_test(test_partition),      cmocka_unit_test(test_grub),
        cmocka_unit_test(test_remnant),        cmocka_unit_test(test_features),
        cmocka_unit_test(test_bad_files),      cmocka_unit_test(test_bad_configuration),
        cmocka_unit_test(test_no_file_system),
    };

    log_level_set_all(LOG_QUIET);
    return cmocka_run_group_tests_name("uvmm-diskboot", tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Disk images in memory: see image.h.
#include "image.h"

#include "../../src/console.h"

#include <gpt/gpt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the log: there is no console here. */
void console_flush(void) {}

static int image_read(void *ctx, uint64_t off, void *buf, size_t len)
{
    struct image *im = ctx;

    if (off % 512 || len % 512 || len > im->disk.size || off > im->disk.size - len) {
        abort();
    }
    memcpy(buf, im->data + off, len);
    return im->fails ? -1 : 0;
}

static void shell(const char *format, const char *dir, const char *options, unsigned long number)
{
    char command[700];

    snprintf(command, sizeof(command), format, dir, options, number);
    if (system(command) != 0) {
        fprintf(stderr, "image: failed: %s\n", command);
        abort();
    }
}

static void write_text(const char *dir, const char *name, const char *text, unsigned times)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");

    while (f != NULL && times-- > 0) {
        fputs(text, f);
    }
    if (f == NULL || fclose(f) != 0) {
        abort();
    }
}

void image_make(struct image *im, size_t size, size_t start, const char *grub)
{
    image_make_as(im, size, start, grub, "-t ext4 -O ^has_journal -b 1024 -N 64");
}

void image_make_as(struct image *im, size_t size, size_t start, const char *grub, const char *options)
{
    char dir[] = "/tmp/skerry-image-XXXXXX", path[64];

    if (mkdtemp(dir) == NULL) {
        abort();
    }
    shell("cd %s && mkdir -p tree/boot/grub && : > tree/boot/empty && ln -s boot/kernel tree/vmlinuz && ln -s loop "
          "tree/boot/loop",
          dir, "", 0);
    write_text(dir, "tree/boot/kernel", "kernel", 9000);
    write_text(dir, "tree/boot/a", "first", 1);
    write_text(dir, "tree/boot/b", "second", 1);
    if (grub != NULL) {
        write_text(dir, "tree/boot/grub/grub.cfg", grub, 1);
    }
    shell("cd %s && PATH=$PATH:/sbin:/usr/sbin mke2fs -q %s -d tree fs %luk >mke2fs.log", dir, options,
          (size - 2 * start) / 1024);
    snprintf(path, sizeof(path), "%s/fs", dir);
    FILE *f = fopen(path, "r");

    im->data = calloc(1, size);
    im->fails = false;
    im->disk = (struct boot_disk){.name = "qdrv", .size = size, .block = 512, .read = image_read, .ctx = im};
    if (f == NULL || im->data == NULL || fread(im->data + start, 1, size - start, f) == 0) {
        abort();
    }
    fclose(f);
    shell("rm -rf %s", dir, "", 0);
}

static void put(uint8_t *p, unsigned off, uint64_t v, unsigned n)
{
    memcpy(p + off, &v, n);
}

/* [UEFI 5.3.2, tables 5.5 and 5.6] */
void image_gpt(struct image *im, unsigned n, size_t start, size_t end)
{
    uint8_t *h = im->data + 512, *entries = im->data + 1024, *e = entries + 128 * (n - 1);

    memset(e, 0x11, 32);
    put(e, 32, start / 512, 8);
    put(e, 40, end / 512 - 1, 8);
    memcpy(h, "EFI PART", 8);
    put(h, 8, 0x10000, 4);
    put(h, 12, 92, 4);
    put(h, 24, 1, 8);
    put(h, 32, im->disk.size / 512 - 1, 8);
    put(h, 40, 34, 8);
    put(h, 48, im->disk.size / 512 - 34, 8);
    put(h, 72, 2, 8);
    put(h, 80, 128, 4);
    put(h, 84, 128, 4);
    put(h, 88, gpt_crc32(entries, 128 * 128), 4);
    put(h, 16, 0, 4);
    put(h, 16, gpt_crc32(h, 92), 4);
}

void image_free(struct image *im)
{
    free(im->data);
}

// SPDX-License-Identifier: MIT
// Disk images in memory, with file systems made by mke2fs.
#pragma once

#include "../../src/boot/disk.h"

#include <stdbool.h>

struct image {
    uint8_t *data;
    struct boot_disk disk;
    bool fails; /* from now on, reads do */
};

/* An image of the given size with an ext4 file system from byte `start` on: /vmlinuz -> boot/kernel ("kernel" 9000
 * times), /boot/a and /boot/b (small), /boot/empty, /boot/loop -> loop, and /boot/grub/grub.cfg with the text, unless
 * NULL. Ends the test if it cannot be made. */
void image_make(struct image *im, size_t size, size_t start, const char *grub);
/* With these options of mke2fs. */
void image_make_as(struct image *im, size_t size, size_t start, const char *grub, const char *options);
/* Writes a GUID partition table with one partition, [start, end), under number n. */
void image_gpt(struct image *im, unsigned n, size_t start, size_t end);
void image_free(struct image *im);

// SPDX-License-Identifier: MIT
/* Reading from a disk before the guest runs, for booting from it: through the device's own session, by a small queue in
 * the guest's RAM, which holds nothing yet. */
#pragma once

#include "../boot/disk.h"

/* The disk whose device-tree node names the capability (`length` characters). Only before the guest's first
 * instruction, after start or reset, with the device in reset. 0, or -1 after one line. One disk at a time. */
int blk_read_open(const char *cap, size_t length, struct boot_disk *d);
/* Ends it: the device is in reset again. */
void blk_read_close(struct boot_disk *d);

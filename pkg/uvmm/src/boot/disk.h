// SPDX-License-Identifier: MIT
// A disk as the boot code sees it: bytes that can be read. virtio/blk_read.c makes one of a block server's session.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct boot_disk {
    const char *name; /* for messages */
    uint64_t size;    /* bytes */
    uint32_t block;   /* bytes; offsets and lengths of read() are multiples of it */
    /* 0, or -1 after one line. Blocks until the data are there. */
    int (*read)(void *ctx, uint64_t off, void *buf, size_t len);
    void *ctx;
};

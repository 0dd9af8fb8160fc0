// SPDX-License-Identifier: MIT
/* A disk in memory: pieces of memory in a row, all taken when it is made, so that a write never fails for want of
 * memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <virtio/blk.h>

#define DISK_PIECE (16ull << 20)
#define DISK_MAX (64ull << 30)

struct disk {
    uint64_t size; /* bytes, whole sectors */
    bool readonly;
    char id[VIRTIO_BLK_ID_BYTES + 1];
    uint8_t **piece; /* DISK_PIECE bytes each, the last one what is left */
};

/* alloc: zeroed memory or NULL. False: out of memory; what was taken stays taken. */
bool disk_create(struct disk *d, uint64_t size, uint8_t *(*alloc)(size_t));
/* The memory at off, which lies on the disk, and how much of it is contiguous. */
static inline uint8_t *disk_at(const struct disk *d, uint64_t off, uint64_t *len)
{
    uint64_t in = off % DISK_PIECE, end = DISK_PIECE - in, left = d->size - off;

    *len = end < left ? end : left;
    return d->piece[off / DISK_PIECE] + in;
}

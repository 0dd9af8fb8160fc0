// SPDX-License-Identifier: MIT
// See disk.h.
#include "disk.h"

#include <stdlib.h>
#include <util/bits.h>

bool disk_create(struct disk *d, uint64_t size, uint8_t *(*alloc)(size_t))
{
    uint64_t count = (size + DISK_PIECE - 1) / DISK_PIECE;

    d->size = size;
    d->piece = calloc(count, sizeof(*d->piece));
    for (uint64_t i = 0; d->piece && i < count; i++) {
        d->piece[i] = alloc(min(size - i * DISK_PIECE, DISK_PIECE));
        if (!d->piece[i]) {
            return false;
        }
    }
    return d->piece != NULL;
}

// SPDX-License-Identifier: MIT
/* Guest memory table: where each range of guest-physical addresses lies in this program's address space and, for
 * zero-copy DMA, in a device's. A program that does no DMA gives 0 as device address.
 *
 * Addresses come from the guest and may be anything: every lookup checks. Regions do not overlap and are kept in
 * order of their addresses; the lookup is a linear search, as there are few. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GMEM_MAX_REGIONS 16

struct gmem_region {
    uint64_t gpa;
    uint64_t size;
    uint8_t *host; /* mapped in this program */
    uint64_t dev;  /* device address of the same memory */
};

struct gmem {
    unsigned count;
    struct gmem_region region[GMEM_MAX_REGIONS];
};

static inline void gmem_init(struct gmem *m)
{
    m->count = 0;
}

/* SK_EINVAL (empty, or wraps), SK_EEXIST (overlaps a region), SK_ENOMEM (GMEM_MAX_REGIONS). */
__attribute__((warn_unused_result)) int64_t gmem_add(struct gmem *m, const struct gmem_region *r);
/* Removes the region with exactly this address and size and gives it in *out. SK_ENOENT. */
__attribute__((warn_unused_result)) int64_t gmem_remove(struct gmem *m, uint64_t gpa, uint64_t size,
                                                        struct gmem_region *out);

/* The region that holds [gpa, gpa+len) wholly, or NULL. */
static inline const struct gmem_region *gmem_find(const struct gmem *m, uint64_t gpa, uint64_t len)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct gmem_region *r = &m->region[i];
        uint64_t off = gpa - r->gpa; /* wraps to something large below the region */

        if (off < r->size && len <= r->size - off) {
            return r;
        }
    }
    return NULL;
}

/* Pointer to [gpa, gpa+len), or NULL when it is not wholly in one region. */
static inline void *gmem_ptr(const struct gmem *m, uint64_t gpa, uint64_t len)
{
    const struct gmem_region *r = gmem_find(m, gpa, len);

    return r ? r->host + (gpa - r->gpa) : NULL;
}

/* Copies to or from guest memory, also across adjacent regions. False, possibly after a part, when some of it is
 * no memory. */
bool gmem_read(const struct gmem *m, uint64_t gpa, void *buf, size_t len);
bool gmem_write(const struct gmem *m, uint64_t gpa, const void *buf, size_t len);

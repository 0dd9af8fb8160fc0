// SPDX-License-Identifier: MIT
/* Free physical memory as a sorted table of extents. Pure.
 *
 * An extent never spans two regions (each is a memory object of its own). Small requests are taken from the lowest
 * address that fits, requests of 2 MiB and more from the highest, so that guests find aligned room.
 * There are at most as many extents as allocated runs plus regions, since two neighbours are always merged: with at
 * most PHYS_RUNS_MAX runs the table cannot overflow. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PHYS_EXTENTS_MAX 4096u
#define PHYS_REGIONS_MAX 64u
#define PHYS_RUNS_MAX    (PHYS_EXTENTS_MAX - PHYS_REGIONS_MAX)

struct phys {
    unsigned count;
    uint64_t free_bytes;
    struct phys_extent {
        uint64_t base, size; /* multiples of the page size */
        uint32_t region;
    } extent[PHYS_EXTENTS_MAX];
};

/* Makes [base, base + size) free: at boot and to give a run back. It must not be free already. */
void phys_free(struct phys *p, uint64_t base, uint64_t size, uint32_t region);
/* size: pages; align: a power of two. False if no extent has room. */
bool phys_alloc(struct phys *p, uint64_t size, uint64_t align, uint64_t *base, uint32_t *region);

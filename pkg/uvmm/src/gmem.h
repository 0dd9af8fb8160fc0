// SPDX-License-Identifier: MIT
/* Guest RAM: the capabilities "ram", "ram1", ..., mapped into this program and into the guest. Guest-physical addresses
 * from 0, with a hole below 4 GiB (GMEM_HOLE_START..4 GiB) when it is larger, and a gap of at most 2 MiB between two
 * capabilities. Everything in it may change at any time: read once. */
#pragma once

#include <abi/types.h>
#include <stdint.h>

#define GMEM_HOLE_START 0xc0000000ull
#define GMEM_PIECES_MAX 4u
#define GMEM_REGIONS_MAX (GMEM_PIECES_MAX + 1) /* one may lie on both sides of the hole */

struct ram_region {
    uint64_t gpa, size;
    void *host; /* in this program */
    cap_t cap;
    uint64_t cap_off; /* offset in the memory object */
};

/* Regions in ascending order; count in *n. For sharing the memory with block servers. */
const struct ram_region *ram_regions(unsigned *n);
/* Host pointer to [gpa, gpa+len), or NULL unless it lies in one region. */
void *ram_ptr(uint64_t gpa, uint64_t len);
/* Copies; SK_ERANGE if not all RAM (nothing is copied then). */
int ram_read(uint64_t gpa, void *buf, uint64_t len);
int ram_write(uint64_t gpa, const void *buf, uint64_t len);

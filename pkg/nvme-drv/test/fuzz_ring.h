// SPDX-License-Identifier: MIT
/* The driver's side of a virtqueue in shared memory, for fuzz targets: where everything lies in the memory of world.h,
 * and chains by the rules in both formats. */
#pragma once

#include "world.h"

#define NUM 16u
#define GPA 0x10000u /* of RAM0; RAM1 follows */
#define RING(q) (GPA + (q)*0x1000u)
#define AVAIL(q) (RING(q) + 0x400u)
#define USED(q) (RING(q) + 0x800u)
#define TABLES (GPA + 0x4000u)
#define HEADERS (GPA + 0x5000u)
#define STATUS (GPA + 0x5800u)
#define RANGES (GPA + 0x6000u)
#define DATA (GPA + 0x7000u)
#define RAM_END (GPA + 2 * WORLD_MEM_BYTES)

/* The driver's side of a queue, as far as it is kept by the rules. */
struct ring {
    bool packed, wrap;
    uint16_t next; /* descriptor; packed: position */
    uint16_t avail;
};

struct piece {
    uint64_t gpa;
    uint32_t len;
    bool write;
};

void *fuzz_at(uint64_t gpa);
/* A chain of these pieces in the ring of queue q: its descriptors, or one of a table of them. id: of this request. */
void ring_chain(struct ring *r, unsigned q, const struct piece *p, unsigned n, unsigned id);
void ring_indirect(struct ring *r, unsigned q, const struct piece *p, unsigned n, unsigned id);

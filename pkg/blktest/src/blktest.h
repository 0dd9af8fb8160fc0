// SPDX-License-Identifier: MIT
/* blktest's parts: lanes.c (random requests, each block verified), checks.c (refusals, broken rings), journal.c (what
 * must be there after the power went), load.c (as much as it takes for a time). */
#pragma once

#include "front.h"

#define BLOCK 512u

struct options {
    const char *gate;
    const char *load; /* kind of load; NULL: none */
    uint32_t depth, ops, max_bytes, seed, align, ms;
    bool readonly, hostile, patient, ranges, gaps, journal, write_through, queue_resets;
    int64_t expect;
};

struct counts {
    uint64_t reads, writes, flushes, zeroed, discarded, swept;
};

extern struct options opt;
extern struct front front;
extern struct counts counts;

uint32_t random_u32(void);

/* The smallest part of the disk that can be transferred, in units of 512 bytes. */
static inline uint32_t disk_unit(void)
{
    return front.config.blk_size > BLOCK ? front.config.blk_size / BLOCK : 1;
}

/* Bytes of memory that a lane needs. */
uint32_t lanes_bytes(void);
/* opt.ops random requests, then everything written is read once more. */
bool lanes_run(void);

/* One request alone; its status, -1: none came. */
int check_one(uint32_t type, uint64_t sector, uint32_t len);
bool check_refusals(void);
bool check_hostile(void);
/* Each queue in turn is stopped and started as new, with requests in flight on all. */
bool check_queue_resets(void);

#define JOURNAL_LANE_BYTES 16384u
bool journal_run(void);

/* opt.ms milliseconds of requests of opt.max_bytes. */
bool load_run(void);

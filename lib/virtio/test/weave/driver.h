// SPDX-License-Identifier: MIT
/* The driver's side of a split or packed virtqueue, by the rules of virtio 1.2 [2.7.13, 2.7.14, 2.8.21], with the event
 * suppression that operating systems use; and what both sides of a pair (pair.h) share. */
#pragma once

#include "pair.h"
#include <abi/types.h>
#include <virtio/inflight.h>

#define PAIR_RING 0x0000u
#define PAIR_AVAIL 0x1000u
#define PAIR_USED 0x2000u
#define PAIR_TABLES 0x3000u /* an indirect table of PAIR_SEGMENTS_MAX entries for each id */
#define PAIR_RECORD 0x8000u
#define PAIR_RAM 0xa000u
#define PAIR_DATA 0x100000u /* addresses of buffers, which nobody looks into */
#define PAIR_DATA_STEP 64u

static inline unsigned pair_segments(uint32_t number, bool many)
{
    return many ? 1 + (number * 5 + number / 7) % PAIR_SEGMENTS_MAX : 1;
}
static inline uint64_t pair_address(uint32_t number, unsigned k)
{
    return PAIR_DATA + (uint64_t)number * PAIR_DATA_STEP + k;
}
static inline uint32_t pair_length(uint32_t number, unsigned k)
{
    return 1 + (number * 3 + k) % 99;
}

struct driver {
    unsigned num;
    bool packed, event_idx;
    unsigned room; /* descriptors */
    struct {
        bool busy;
        uint16_t count; /* descriptors */
        uint16_t next;  /* split: free list; packed: not used */
        uint32_t number;
    } id[PAIR_NUM_MAX];
    volatile uint8_t *ram;
    uint16_t free_id[PAIR_NUM_MAX]; /* a stack of `room` (split: of descriptors; packed: of ids) */
    unsigned free_ids;
    uint16_t next_avail, last_used, added;
    bool avail_wrap, used_wrap;
    bool callback_off, event_triggered;
};

void driver_init(struct driver *d, uint8_t *ram, const struct pair_config *c);
/* False: no room. */
bool driver_add(struct driver *d, uint32_t number, unsigned segments, bool indirect);
/* After a batch: must the device be kicked? */
bool driver_kick_prepare(struct driver *d);
bool driver_more_used(struct driver *d);
/* 1: a request has ended; 0: none; -1: the device returned nonsense. */
int driver_get(struct driver *d, uint32_t *number);
void driver_callback_disable(struct driver *d);
/* False: something was used in between. */
bool driver_callback_enable(struct driver *d);

struct pair {
    const struct pair_config *c;
    uint8_t *ram;
    struct gmem mem;
    struct vring_config cfg;
    volatile struct inflight *record; /* in ram */
    struct driver driver;
    bool kick, irq, never; /* signals */
    unsigned posted, ended, deaths;
    uint8_t *executed;
    const char *error;
};

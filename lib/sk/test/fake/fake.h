// SPDX-License-Identifier: MIT
/* A kernel of a few variables for host tests of lib/sk. Each test resets it; unknown calls return SK_OK. */
#pragma once

#include <abi/utcb.h>
#include <sk/invoke.h>
#include <stdbool.h>

#define FAKE_EVENTS 16

struct fake {
    struct utcb utcb;
    /* what the next calls do */
    int64_t call_result;                  /* SYS_CALL */
    void (*on_call)(uint64_t tag);        /* fills in the reply */
    int64_t map_result;
    int64_t reply_result;                 /* SYS_REPLY, the first time */
    int64_t create_result;                /* < 0: gates and signals cannot be made */
    struct { uint64_t tag, label; } event[FAKE_EVENTS];
    unsigned event_count, event_pos;
    /* what was done */
    uint64_t call_tag, reply_tag, bound_label, bound_flags, last_bound_cap;
    uint32_t recv_max;
    cap_t next_cap, dropped[64];
    unsigned drops, replies, unbinds;
    uint64_t mapped_addr, mapped_size, unmapped_addr;
};
extern struct fake fake;

void fake_reset(void);
void fake_event(uint64_t tag, uint64_t label);
bool fake_dropped(cap_t cap);

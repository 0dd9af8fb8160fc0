// SPDX-License-Identifier: MIT
/* Fairness among the clients of one controller. A drive serves its queues in turn, but what it was given once it does
 * in its own order: so it is given little. Each client may have a share of FAIR_SHARED bytes of commands in flight, the
 * same for all that were active within the last second; small commands count as FAIR_COMMAND bytes. A drive needs no
 * more to be busy all the time, and what a small client's request waits for behind the others' is bounded by
 * FAIR_SHARED and one command of each. A client that is alone has FAIR_ALONE, which bounds what the first request of
 * the next one waits for. A client with nothing in flight may always send one command.
 *
 * Pure; of one thread. Cost with one client: a comparison and two additions per command. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FAIR_ALONE (16u << 20)
#define FAIR_SHARED (2u << 20)
#define FAIR_COMMAND (16u << 10)
#define FAIR_COMMAND_MAX (1u << 20) /* no command is larger: what one client's request may be behind */
#define FAIR_ACTIVE_NS 1000000000ull
#define FAIR_SWEEP_NS 100000000ull

struct fair_client {
    struct fair_client *next;
    bool active; /* in the controller's list */
    uint32_t in_flight;
    uint64_t last_ns; /* when it last had work */
};

struct fair {
    struct fair_client *first;
    unsigned count;
    uint32_t share; /* 0 before the first client */
    uint64_t swept_ns;
};

/* The client has work now. */
void fair_enter_slow(struct fair *f, struct fair_client *c, uint64_t now_ns);
static inline void fair_enter(struct fair *f, struct fair_client *c, uint64_t now_ns)
{
    c->last_ns = now_ns;
    if (!c->active || f->count > 1) {
        fair_enter_slow(f, c, now_ns);
    }
}
/* It is idle and goes. */
void fair_leave(struct fair *f, struct fair_client *c);

/* May it send one more command? */
static inline bool fair_may_send(const struct fair *f, const struct fair_client *c)
{
    return c->in_flight < f->share || c->in_flight == 0;
}
/* What a command of so many bytes counts for, to be added to and taken from in_flight. */
static inline uint32_t fair_cost(uint32_t bytes)
{
    return bytes > FAIR_COMMAND ? bytes : FAIR_COMMAND;
}

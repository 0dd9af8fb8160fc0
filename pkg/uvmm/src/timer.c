// SPDX-License-Identifier: MIT
// Timers of the device models: unsorted lists, as there are about five of them.
#include "timer.h"

#include <stddef.h>

static struct queue {
    struct vtimer *first;
    uint64_t armed_plus_1; /* what the kernel timer is set to, plus 1: 0 is "never", as at the start */
} queues[VCPUS_MAX];
static unsigned changed; /* bit per queue: look at its earliest deadline again */

void vtimer_set(struct vtimer *t, uint64_t deadline_ns, void (*fn)(void *), void *ctx)
{
    struct queue *q = &queues[t->queue];

    t->fn = fn;
    t->ctx = ctx;
    t->deadline_ns = deadline_ns;
    if (!t->listed) {
        t->next = q->first;
        q->first = t;
        t->listed = 1;
    }
    changed |= 1u << t->queue;
}

void vtimer_cancel(struct vtimer *t)
{
    t->deadline_ns = VTIMER_NEVER;
    changed |= 1u << t->queue;
}

void vtimer_run(unsigned queue, uint64_t now_ns)
{
    for (struct vtimer *t = queues[queue].first; t != NULL; t = t->next) {
        if (t->deadline_ns <= now_ns) {
            t->deadline_ns = VTIMER_NEVER;
            changed |= 1u << queue;
            t->fn(t->ctx);
        }
    }
}

uint64_t vtimer_next(unsigned queue)
{
    uint64_t next = VTIMER_NEVER;

    for (struct vtimer *t = queues[queue].first; t != NULL; t = t->next) {
        next = t->deadline_ns < next ? t->deadline_ns : next;
    }
    return next;
}

void vtimer_sync(void (*arm)(unsigned queue, uint64_t deadline_ns))
{
    while (changed != 0) {
        unsigned i = (unsigned)__builtin_ctz(changed);
        uint64_t next = vtimer_next(i);

        changed &= changed - 1;
        if (next + 1 != queues[i].armed_plus_1) {
            queues[i].armed_plus_1 = next + 1;
            arm(i, next);
        }
    }
}

void vtimer_fired(unsigned queue)
{
    queues[queue].armed_plus_1 = 0;
    changed |= 1u << queue;
}

// SPDX-License-Identifier: MIT
// Timers of the device models: an unsorted list, as there are about five of them.
#include "timer.h"

#include <stddef.h>

static struct vtimer *timers;

void vtimer_set(struct vtimer *t, uint64_t deadline_ns, void (*fn)(void *), void *ctx)
{
    t->fn = fn;
    t->ctx = ctx;
    t->deadline_ns = deadline_ns;
    if (!t->listed) {
        t->next = timers;
        timers = t;
        t->listed = 1;
    }
}

void vtimer_cancel(struct vtimer *t)
{
    t->deadline_ns = VTIMER_NEVER;
}

void vtimer_run(uint64_t now_ns)
{
    for (struct vtimer *t = timers; t != NULL; t = t->next) {
        if (t->deadline_ns <= now_ns) {
            t->deadline_ns = VTIMER_NEVER;
            t->fn(t->ctx);
        }
    }
}

uint64_t vtimer_next(void)
{
    uint64_t next = VTIMER_NEVER;

    for (struct vtimer *t = timers; t != NULL; t = t->next) {
        next = t->deadline_ns < next ? t->deadline_ns : next;
    }
    return next;
}

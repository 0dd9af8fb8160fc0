// SPDX-License-Identifier: MIT
// Fairness among clients: see fair.h.
#include "fair.h"

static void share_update(struct fair *f)
{
    f->share = f->count > 1 ? FAIR_SHARED / f->count : FAIR_ALONE;
}

/* Clients that have been idle do not count. */
static void sweep(struct fair *f, uint64_t now_ns)
{
    struct fair_client **link = &f->first;

    f->swept_ns = now_ns;
    while (*link) {
        struct fair_client *c = *link;

        if (c->in_flight == 0 && now_ns - c->last_ns > FAIR_ACTIVE_NS) {
            *link = c->next;
            c->active = false;
            f->count--;
        } else {
            link = &c->next;
        }
    }
}

void fair_enter_slow(struct fair *f, struct fair_client *c, uint64_t now_ns)
{
    if (!c->active) {
        c->active = true;
        c->next = f->first;
        f->first = c;
        f->count++;
    }
    if (now_ns - f->swept_ns > FAIR_SWEEP_NS) {
        sweep(f, now_ns);
    }
    share_update(f);
}

void fair_leave(struct fair *f, struct fair_client *c)
{
    for (struct fair_client **link = &f->first; *link; link = &(*link)->next) {
        if (*link == c) {
            *link = c->next;
            c->active = false;
            f->count--;
            share_update(f);
            return;
        }
    }
}

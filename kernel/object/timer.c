// SPDX-License-Identifier: MIT
// Timers in deadline order. The scheduler arms the hardware for the earliest one.
#include <kernel/sched.h>

static struct tree timer_tree;
static uint64_t timer_first = DEADLINE_NEVER; /* the earliest deadline */

static void timer_update_first(void)
{
    const struct tree_node *n = tree_first(&timer_tree);

    timer_first = n != NULL ? n->key : DEADLINE_NEVER;
}

void timer_set(struct timer *t, uint64_t deadline_ns)
{
    if (t->armed) {
        tree_remove(&timer_tree, &t->node);
    }
    t->armed = deadline_ns != DEADLINE_NEVER;
    if (t->armed) {
        tree_insert(&timer_tree, &t->node, deadline_ns);
    }
    timer_update_first();
}

uint64_t timer_next_deadline(void)
{
    return timer_first;
}

void timer_expire(uint64_t now_ns)
{
    while (timer_first <= now_ns) {
        struct tree_node *n = tree_first(&timer_tree);

        if (n == NULL) {
            return;
        }
        struct timer *t = container_of(n, struct timer, node);
        timer_set(t, DEADLINE_NEVER);
        t->fire(t);
    }
}

// SPDX-License-Identifier: MIT
// Timers in deadline order, a tree per processor. The scheduler arms the hardware for the earliest one.
#include <kernel/sched.h>

static struct timers {
    struct tree tree;
    uint64_t first; /* the earliest deadline */
} timers_cpu[CPUS_MAX] = {[0 ... CPUS_MAX - 1] = {.first = DEADLINE_NEVER}};

static void timers_update(struct timers *s)
{
    const struct tree_node *n = tree_first(&s->tree);

    s->first = n != NULL ? n->key : DEADLINE_NEVER;
}

void timer_set(struct timer *t, uint64_t deadline_ns)
{
    if (t->armed) {
        tree_remove(&timers_cpu[t->cpu].tree, &t->node);
        timers_update(&timers_cpu[t->cpu]);
    }
    t->armed = deadline_ns != DEADLINE_NEVER;
    if (t->armed) {
        t->cpu = (uint8_t)cpu_index();
        tree_insert(&timers_cpu[t->cpu].tree, &t->node, deadline_ns);
        timers_update(&timers_cpu[t->cpu]);
    }
}

uint64_t timer_next_deadline(void)
{
    return timers_cpu[cpu_index()].first;
}

void timer_expire(uint64_t now_ns)
{
    struct timers *s = &timers_cpu[cpu_index()];

    while (s->first <= now_ns) {
        struct tree_node *n = tree_first(&s->tree);

        if (n == NULL) {
            return;
        }
        struct timer *t = container_of(n, struct timer, node);
        timer_set(t, DEADLINE_NEVER);
        t->fire(t);
    }
}

// SPDX-License-Identifier: MIT
/* The scheduler (kernel/sched.h). The running thread stays in its run queue, in front of its equals, so that a
 * preempted thread continues where it was. Its slice is charged when the processor switches away from it. */
#include <kernel/core.h>
#include <kernel/log.h>
#include <kernel/sched.h>

#define PRIORITIES 256u

static struct list sched_queue[PRIORITIES];
static uint64_t sched_ready[PRIORITIES / 64]; /* bit: the queue is not empty */
static struct thread *sched_thread;           /* whose context the processor has; NULL: idle */
static uint64_t sched_since;                  /* when it was chosen */
static uint64_t sched_armed;                  /* what the hardware timer is set to */

void sched_init(void)
{
    for (unsigned i = 0; i < PRIORITIES; i++) {
        list_init(&sched_queue[i]);
    }
    __builtin_memset(sched_ready, 0, sizeof(sched_ready));
    sched_thread = NULL;
    sched_since = clock_now_ns();
    sched_armed = DEADLINE_NEVER;
}

struct thread *sched_current(void)
{
    return sched_thread;
}

void sched_add(struct thread *t, bool front)
{
    struct list *q = &sched_queue[t->priority];

    if (front && t->slice_ns > 0) {
        list_push_front(q, &t->run_node);
    } else {
        t->slice_ns = SCHED_SLICE_NS;
        list_push_back(q, &t->run_node);
    }
    sched_ready[t->priority / 64] |= 1ull << (t->priority % 64);
}

void sched_remove(struct thread *t)
{
    list_remove(&t->run_node);
    if (list_empty(&sched_queue[t->priority])) {
        sched_ready[t->priority / 64] &= ~(1ull << (t->priority % 64));
    }
}

/* Charges the time since the last switch to who had it. */
static void sched_charge(uint64_t now)
{
    uint64_t used = now - sched_since;
    struct thread *t = sched_thread;

    sched_since = now;
    if (t == NULL) {
        core_stat.idle_ns += used;
        return;
    }
    t->cpu_time_ns += used;
    t->slice_ns -= used < t->slice_ns ? used : t->slice_ns;
}

void sched_rotate(struct thread *t)
{
    if (t == sched_thread) {
        sched_charge(clock_now_ns());
    }
    sched_remove(t);
    sched_add(t, false);
}

void sched_set_priority(struct thread *t, uint8_t priority)
{
    bool queued = !list_empty(&t->run_node);

    if (queued) {
        sched_remove(t);
    }
    t->priority = priority;
    if (queued) {
        sched_add(t, t == sched_thread);
    }
}

void sched_forget(struct thread *t)
{
    sched_remove(t);
    if (t == sched_thread) {
        sched_charge(clock_now_ns());
        sched_thread = NULL;
    }
    context_forget(&t->ctx);
}

static struct thread *sched_pick(void)
{
    for (unsigned w = PRIORITIES / 64; w-- > 0;) {
        if (sched_ready[w] != 0) {
            unsigned p = w * 64 + 63 - (unsigned)__builtin_clzll(sched_ready[w]);

            return list_first(&sched_queue[p], struct thread, run_node);
        }
    }
    return NULL;
}

uint64_t sched_cpu_time_ns(const struct thread *t)
{
    return t->cpu_time_ns + (t == sched_thread ? clock_now_ns() - sched_since : 0);
}

uint64_t sched_idle_ns(void)
{
    return core_stat.idle_ns + (sched_thread == NULL ? clock_now_ns() - sched_since : 0);
}

static void sched_arm(const struct thread *next)
{
    uint64_t deadline = timer_next_deadline();

    if (next != NULL && next->run_node.next != next->run_node.prev) {
        uint64_t slice_end = sched_since + next->slice_ns;

        deadline = slice_end < deadline ? slice_end : deadline;
    }
    if (deadline != sched_armed) {
        sched_armed = deadline;
        timer_arm(deadline);
    }
}

struct context *core_next(void)
{
    object_reap();
    struct thread *next = sched_pick();

    if (next != sched_thread) {
        sched_charge(clock_now_ns());
        sched_thread = next;
    }
    sched_arm(next);
    return next != NULL ? &next->ctx : NULL;
}

void core_timer(uint64_t now_ns)
{
    struct thread *t = sched_thread;

    sched_armed = DEADLINE_NEVER;
    timer_expire(now_ns);
    if (t != NULL && !list_empty(&t->run_node) && now_ns - sched_since >= t->slice_ns) {
        sched_rotate(t);
    }
}

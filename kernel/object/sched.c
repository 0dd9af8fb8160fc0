// SPDX-License-Identifier: MIT
/* The scheduler (kernel/sched.h). The running thread stays in its run queue, in front of its equals, so that a
 * preempted thread continues where it was. Its slice is charged when the processor switches away from it.
 *
 * A thread is in the queue of t->cpu and of no other. A processor's `thread` changes only on that processor, in its
 * core_next(), or when the thread is stopped first (sched_forget()): between two kernel entries it is what may be
 * running there. */
#include <kernel/core.h>
#include <kernel/log.h>
#include <kernel/sched.h>
#include <kernel/sys.h>

#define PRIORITIES 256u

static struct sched {
    struct list *queue;              /* PRIORITIES of them, one page */
    uint64_t ready[PRIORITIES / 64]; /* bit: the queue is not empty */
    struct thread *thread;           /* whose context the processor has; NULL: idle */
    const struct thread *spinner;    /* in a queue, for it the others hurry; NULL: nobody */
    uint64_t since;                  /* when it was chosen */
    uint64_t armed;                  /* what the hardware timer is set to */
} sched_cpu[CPUS_MAX];
_Static_assert(PRIORITIES * sizeof(struct list) <= PAGE_SIZE, "the queues are one page");

static struct sched *sched_this(void)
{
    return &sched_cpu[cpu_index()];
}

void sched_init(void)
{
    for (unsigned c = 0; c < cpu_count(); c++) {
        struct list *queue = sched_cpu[c].queue != NULL ? sched_cpu[c].queue : kpage_alloc();

        if (queue == NULL) {
            panic("boot: no kernel memory for the run queues of %u processors; give the machine more RAM", cpu_count());
        }
        sched_cpu[c] = (struct sched){.queue = queue, .since = clock_now_ns(), .armed = DEADLINE_NEVER};
        for (unsigned i = 0; i < PRIORITIES; i++) {
            list_init(&queue[i]);
        }
    }
}

bool sched_is_current(const struct thread *t)
{
    return sched_cpu[t->cpu].thread == t;
}

/* t stands in the queue of another processor now, which has to know if it runs something less urgent. */
static void sched_tell(const struct thread *t)
{
    const struct thread *running = sched_cpu[t->cpu].thread;

    if (t->cpu != cpu_index() && (running == NULL || running->priority <= t->priority)) {
        cpu_kick(t->cpu);
    }
}

static void sched_enqueue(struct thread *t, bool front)
{
    struct sched *s = &sched_cpu[t->cpu];
    struct list *q = &s->queue[t->priority];

    if (front && t->slice_ns > 0) {
        list_push_front(q, &t->run_node);
    } else {
        t->slice_ns = SCHED_SLICE_NS;
        list_push_back(q, &t->run_node);
    }
    s->ready[t->priority / 64] |= 1ull << (t->priority % 64);
}

void sched_add(struct thread *t, bool front)
{
    if (t->cpu != t->cpu_next && !sched_is_current(t)) {
        t->cpu = t->cpu_next;
    }
    sched_enqueue(t, front);
    sched_tell(t);
}

void sched_remove(struct thread *t)
{
    struct sched *s = &sched_cpu[t->cpu];

    s->spinner = s->spinner == t ? NULL : s->spinner;
    list_remove(&t->run_node);
    if (list_empty(&s->queue[t->priority])) {
        s->ready[t->priority / 64] &= ~(1ull << (t->priority % 64));
    }
}

/* Charges the time since the last switch to who had it. */
static void sched_charge(struct sched *s, uint64_t now)
{
    uint64_t used = now - s->since;
    struct thread *t = s->thread;

    s->since = now;
    if (t == NULL) {
        core_stat.idle_ns += used;
        return;
    }
    t->cpu_time_ns += used;
    t->slice_ns -= used < t->slice_ns ? used : t->slice_ns;
}

void sched_rotate(struct thread *t)
{
    if (sched_is_current(t)) {
        sched_charge(&sched_cpu[t->cpu], clock_now_ns());
    }
    sched_remove(t);
    sched_add(t, false);
}

/* Behind its equals with what is left of its slice, a new one if that is nothing. */
static void sched_back(struct sched *s, struct thread *t)
{
    sched_charge(s, clock_now_ns());
    t->slice_ns = t->slice_ns != 0 ? t->slice_ns : SCHED_SLICE_NS;
    sched_remove(t);
    list_push_back(&s->queue[t->priority], &t->run_node);
    s->ready[t->priority / 64] |= 1ull << (t->priority % 64);
}

void sched_spin(struct thread *t)
{
    struct sched *s = &sched_cpu[t->cpu];

    sched_back(s, t);
    s->spinner = t;
}

static uint64_t sched_turn_ns(const struct sched *s, const struct thread *t)
{
    bool hurry = s->spinner != NULL && s->spinner->priority == t->priority && t->slice_ns > SCHED_SPIN_NS;

    return hurry ? SCHED_SPIN_NS : t->slice_ns;
}

void sched_set_priority(struct thread *t, uint8_t priority)
{
    bool queued = !list_empty(&t->run_node);

    if (queued) {
        sched_remove(t);
    }
    t->priority = priority;
    if (queued) {
        sched_enqueue(t, sched_is_current(t));
        if (t->cpu != cpu_index()) {
            cpu_kick(t->cpu); /* also when it runs there and has become the less urgent one */
        }
    }
}

/* No processor has t. */
static void sched_move(struct thread *t)
{
    bool queued = !list_empty(&t->run_node);

    if (queued) {
        sched_remove(t);
    }
    t->cpu = t->cpu_next;
    if (queued) {
        sched_add(t, false);
    }
}

void sched_set_cpu(struct thread *t, unsigned cpu)
{
    t->cpu_next = (uint8_t)cpu;
    if (!sched_is_current(t)) {
        sched_move(t);
    } else if (t->cpu != cpu_index()) {
        cpu_kick(t->cpu);
    }
}

void sched_forget(struct thread *t)
{
    sched_remove(t);
    if (sched_is_current(t)) {
        sched_charge(&sched_cpu[t->cpu], clock_now_ns());
        sched_cpu[t->cpu].thread = NULL;
    }
    context_forget(&t->ctx);
}

static struct thread *sched_pick(const struct sched *s)
{
    for (unsigned w = PRIORITIES / 64; w-- > 0;) {
        if (s->ready[w] != 0) {
            unsigned p = w * 64 + 63 - (unsigned)__builtin_clzll(s->ready[w]);

            return list_first(&s->queue[p], struct thread, run_node);
        }
    }
    return NULL;
}

uint64_t sched_cpu_time_ns(const struct thread *t)
{
    return t->cpu_time_ns + (sched_is_current(t) ? clock_now_ns() - sched_cpu[t->cpu].since : 0);
}

uint64_t sched_idle_ns(void)
{
    uint64_t idle = core_stat.idle_ns;

    for (unsigned c = 0; c < cpu_count(); c++) {
        idle += sched_cpu[c].thread == NULL ? clock_now_ns() - sched_cpu[c].since : 0;
    }
    return idle;
}

static void sched_arm(struct sched *s, const struct thread *next)
{
    uint64_t deadline = timer_next_deadline();

    if (next != NULL && next->run_node.next != next->run_node.prev) {
        uint64_t slice_end = s->since + sched_turn_ns(s, next);

        deadline = slice_end < deadline ? slice_end : deadline;
    }
    if (deadline != s->armed) {
        s->armed = deadline;
        timer_arm(deadline);
    }
}

/* The thread that has the processor leaves for another one. */
static void sched_leave(struct sched *s)
{
    struct thread *t = s->thread;

    sched_charge(s, clock_now_ns());
    s->thread = NULL;
    sched_move(t);
}

struct context *core_next(void)
{
    struct sched *s = sched_this();

    object_reap();
    if (s->thread != NULL && s->thread->cpu != s->thread->cpu_next) {
        sched_leave(s);
    }
    struct thread *next = sched_pick(s);

    if (next != s->thread) {
        sched_charge(s, clock_now_ns());
        s->thread = next;
    }
    s->spinner = s->spinner == next ? NULL : s->spinner;
    if (next != NULL && next->state == THREAD_IN_GUEST && thread_has_event(next)) {
        vcpu_thread_event(next); /* raised on another processor */
    }
    sched_arm(s, next);
    return next != NULL ? &next->ctx : NULL;
}

void core_timer(uint64_t now_ns)
{
    struct sched *s = sched_this();
    struct thread *t = s->thread;

    s->armed = DEADLINE_NEVER;
    timer_expire(now_ns);
    if (t != NULL && !list_empty(&t->run_node) && now_ns - s->since >= sched_turn_ns(s, t)) {
        sched_back(s, t);
    }
}

// SPDX-License-Identifier: MIT
/* Tasks, threads, the scheduler's and the timers' interface, and events.
 *
 * States (enum thread_state) and where a thread is:
 *   STOPPED, EXITED, FAULTED   nowhere
 *   READY, IN_GUEST            in its processor's run queue of its priority (the running thread too: it is first)
 *   CALLING                    in its gate's list of callers (server == NULL), or taken by `server`
 *   WAITING                    nowhere; `events` is empty
 *   AWAITING                   in its signal's list of waiters; events stay in `events`
 * A blocked call's result is stored into the context by thread_complete().
 *
 * Events: a gate with callers (or with the "unused" note) and a pending signal stand in the queue `events` of the
 * thread that they are bound to, in the order in which they became pending. BKL guards all fields. */
#pragma once

#include <kernel/memory.h>

struct gate;
struct signal;
struct vcpu;

/* --- timers -------------------------------------------------------------------------------------------- */

struct timer {
    struct tree_node node; /* key: deadline */
    uint8_t cpu;           /* armed: in whose tree, which is the arming one's */
    bool armed;
    void (*fire)(struct timer *);
};
/* (Re)arms or, with DEADLINE_NEVER, disarms. */
void timer_set(struct timer *t, uint64_t deadline_ns);
static inline void timer_cancel(struct timer *t)
{
    if (t->armed) {
        timer_set(t, DEADLINE_NEVER);
    }
}

/* --- tasks ----------------------------------------------------------------------------------------------- */

struct task {
    struct space space; /* first; holds the object */
    struct page_table pt;
    struct captable *caps;
    struct list threads; /* thread.task_node */
    struct mapping kinfo;
};
static inline struct task *task_of(struct object *o)
{
    return container_of(o, struct task, space.obj);
}

/* --- threads --------------------------------------------------------------------------------------------- */

enum event_kind { EVENT_GATE, EVENT_SIGNAL };
struct event {
    struct list node; /* in thread->events, or empty */
    enum event_kind kind;
};

struct thread {
    struct context ctx; /* first: arch hands it to core_*() */
    struct object obj;
    struct task *task; /* NULL when dead */
    struct utcb *utcb; /* kernel's view; NULL when dead */
    enum thread_state state;
    uint8_t priority;
    uint8_t cpu, cpu_next; /* its processor; another one as soon as cpu has let go of it */
    struct list run_node; /* in the run queue, or empty */
    uint64_t slice_ns;    /* left of its time slice */
    uint64_t cpu_time_ns;

    struct list events; /* pending events (struct event) */
    struct list bound_gates, bound_signals;
    struct timer timer; /* of the blocking operation */

    struct signal *awaited; /* AWAITING: which */
    /* as a caller */
    struct list call_node; /* in gate->callers while not taken; in awaited->waiters */
    struct gate *gate;     /* not taken: the gate it waits at */
    struct thread *server; /* taken: who has to reply */
    uint64_t call_tag;
    /* as a server */
    struct thread *caller; /* the call last taken and not replied to */

    struct vcpu *vcpu; /* IN_GUEST: which */
    struct list task_node;
    struct mapping utcb_map;
    uint64_t syscall_handler, fault_handler;
    struct object *exit_signal; /* reference; may be NULL */
    int64_t exit_code;
    char name[8];
    bool is_root; /* the root task's main thread */
    struct utcb_fault fault; /* FAULTED */
};
static inline struct thread *thread_of(struct object *o)
{
    return container_of(o, struct thread, obj);
}

/* Ends the blocking operation of t with rax and rdx and makes it READY. */
void thread_complete(struct thread *t, int64_t rax, uint64_t rdx);
/* The same, rdx is kept. */
void thread_complete_error(struct thread *t, int64_t rax);
/* A fault of the current thread t: to its handler, or it ends. */
void thread_fault(struct thread *t, uint64_t vector, uint64_t error, uint64_t address);
/* e has become pending for t: queues it, and wakes t if it waits (or ends its guest run: vcpu_thread_event()). */
void thread_event_add(struct thread *t, struct event *e);
/* If the first pending event is a signal, takes it and returns its label. */
bool thread_take_signal(struct thread *t, uint64_t *label);
static inline bool thread_has_event(const struct thread *t)
{
    return !list_empty(&t->events);
}

/* --- scheduler -------------------------------------------------------------------------------------------- */

void sched_init(void);
/* Does t's processor have its context? On another processor it may be in user mode or in a guest at this moment. */
bool sched_is_current(const struct thread *t);
/* t has become runnable; front: before its equals (handoff and preempted threads), else behind them. */
void sched_add(struct thread *t, bool front);
void sched_remove(struct thread *t);
/* Behind its equals, with a new slice. */
void sched_rotate(struct thread *t);
/* The current thread t spins: behind its equals, which hurry; each keeps its slice. */
void sched_spin(struct thread *t);
void sched_set_priority(struct thread *t, uint8_t priority);
/* Moves t to another processor; at once, or at the next entry to the kernel if it runs (which is made to happen). */
void sched_set_cpu(struct thread *t, unsigned cpu);
/* Includes what a running thread has used since it was chosen. */
uint64_t sched_cpu_time_ns(const struct thread *t);
/* Of all processors; includes the time since one became idle, if it is: the debugger comes up then, mostly. */
uint64_t sched_idle_ns(void);
/* t leaves the run queue, if it is there, and the processor keeps nothing of it: it dies or gets new registers. */
void sched_forget(struct thread *t);

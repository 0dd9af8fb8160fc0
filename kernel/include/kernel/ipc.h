// SPDX-License-Identifier: MIT
/* Gates and signals: what threads wait for. BKL guards all fields. */
#pragma once

#include <kernel/thread.h>

struct gate {
    struct object obj;
    struct event event;
    struct thread *thread;  /* bound to; NULL: callers wait */
    struct list bound_node; /* in thread->bound_gates */
    uint64_t label;
    uint32_t flags;      /* GATE_* */
    bool unused_pending; /* the event says "unused" (once) before it brings callers */
    struct list callers; /* thread.call_node: not yet taken */
};
static inline struct gate *gate_of(struct object *o)
{
    return container_of(o, struct gate, obj);
}

enum signal_source { SIGNAL_SOFT = 0, SIGNAL_LINE, SIGNAL_MSI };

struct signal {
    struct object obj;
    struct event event;
    struct thread *thread;  /* bound to; NULL: stays pending */
    struct list bound_node; /* in thread->bound_signals */
    struct list waiters;    /* thread.call_node of those in SYS_SIGNAL_WAIT; empty while bound or pending */
    uint64_t label;
    bool pending;
    struct timer timer;
    /* Doorbells and the console raise through this; harmless on a dead signal (hold a reference: object_get). */
    struct irq_target doorbell;
    /* The interrupt bound to it. */
    struct irq_target irq;
    enum signal_source source;
    bool level, masked;
    uint32_t gsi;
    unsigned vector;
};
static inline struct signal *signal_of(struct object *o)
{
    return container_of(o, struct signal, obj);
}

/* Never blocks; any context with the BKL. */
void signal_raise(struct signal *s);
/* Takes the pending signal out of the queue: its label. */
uint64_t signal_take(struct signal *s);
void signal_unbind(struct signal *s);
/* t no longer waits for the signal that it is AWAITING; the caller sets its new state. */
void signal_waiter_remove(struct thread *t);
/* object/irq.c: unmasks a line that delivery masked; gives line or MSI back. Harmless without one. */
void signal_irq_unmask(struct signal *s);
void signal_irq_release(struct signal *s);

/* The deadline of t's call (not yet taken) or wait has passed. */
void ipc_timeout(struct thread *t);
/* Ends every part that t plays in calls, as caller and as server; for stop, exit, fault, destruction. */
void ipc_abort(struct thread *t);
/* Unbinds t's gates (queued callers end with SK_EGONE) and signals. */
void ipc_unbind_all(struct thread *t);
/* Takes the first pending event for t, which is in (or begins) a wait: true and tag, label if there was one. */
bool ipc_take_event(struct thread *t, uint64_t *tag, uint64_t *label);

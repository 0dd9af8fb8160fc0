// SPDX-License-Identifier: MIT
// Signals: one pending bit, a label, and what may raise it: programs, a timer, a doorbell, an interrupt (object/irq.c).
#include <kernel/sys.h>

void signal_raise(struct signal *s)
{
    if (s->pending || !object_alive(&s->obj)) {
        return;
    }
    if (!list_empty(&s->waiters)) {
        struct thread *t = list_first(&s->waiters, struct thread, call_node);

        signal_waiter_remove(t);
        thread_complete_error(t, SK_OK);
        return;
    }
    s->pending = true;
    if (s->thread != NULL) {
        thread_event_add(s->thread, &s->event);
    }
}

void signal_waiter_remove(struct thread *t)
{
    list_remove(&t->call_node);
    t->awaited = NULL;
}

uint64_t signal_take(struct signal *s)
{
    list_remove(&s->event.node);
    s->pending = false;
    return s->label;
}

void signal_unbind(struct signal *s)
{
    list_remove(&s->event.node);
    list_remove(&s->bound_node);
    s->thread = NULL;
}

static void signal_timer_fire(struct timer *t)
{
    signal_raise(container_of(t, struct signal, timer));
}

static void signal_doorbell_fire(struct irq_target *t)
{
    signal_raise(container_of(t, struct signal, doorbell));
}

static void signal_destroy(struct object *o)
{
    struct signal *s = signal_of(o);

    timer_cancel(&s->timer);
    signal_irq_release(s);
    signal_unbind(s);
    while (!list_empty(&s->waiters)) {
        struct thread *t = list_first(&s->waiters, struct thread, call_node);

        signal_waiter_remove(t);
        thread_complete_error(t, SK_EGONE);
    }
}

static void signal_free(struct object *o)
{
    quota_free(o->quota, signal_of(o), sizeof(struct signal));
}

static const struct object_ops signal_ops = {.name = "signal", .destroy = signal_destroy, .free = signal_free};

int64_t sys_signal_create(struct thread *t, const struct sys_args *args)
{
    struct create c;
    int err = create_begin(&c, t, args->a[0], sizeof(struct signal));

    if (err != SK_OK) {
        return err;
    }
    struct signal *s = c.mem;
    object_init(&s->obj, &signal_ops, OBJ_SIGNAL, c.quota);
    s->event.kind = EVENT_SIGNAL;
    list_init(&s->event.node);
    list_init(&s->bound_node);
    list_init(&s->waiters);
    s->timer.fire = signal_timer_fire;
    s->doorbell.fire = signal_doorbell_fire;
    return create_commit(&c, &s->obj, RIGHT_ALL);
}

static void signal_bind(struct signal *s, struct thread *thread, uint64_t label)
{
    signal_unbind(s);
    s->thread = thread;
    s->label = label;
    list_push_back(&thread->bound_signals, &s->bound_node);
    if (s->pending) {
        thread_event_add(thread, &s->event);
    }
}

int64_t sys_signal_bind(struct thread *t, const struct sys_args *args)
{
    struct object *s, *thread;
    int err = cap_lookup(t, args->a[0], OBJ_SIGNAL, RIGHT_BIND, &s);

    if (err != SK_OK) {
        return err;
    }
    if (args->a[1] == CAP_NULL) {
        signal_unbind(signal_of(s));
        return SK_OK;
    }
    err = cap_lookup(t, args->a[1], OBJ_THREAD, RIGHT_CTRL, &thread);
    if (err == SK_OK && !list_empty(&signal_of(s)->waiters)) {
        err = SK_EBUSY;
    }
    if (err == SK_OK) {
        signal_bind(signal_of(s), thread_of(thread), args->a[2]);
    }
    return err;
}

int64_t sys_signal_raise(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_SIGNAL, RIGHT_CALL, &o);

    if (err == SK_OK) {
        signal_raise(signal_of(o));
    }
    return err;
}

int64_t sys_signal_ack(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_SIGNAL, RIGHT_BIND, &o);

    if (err == SK_OK) {
        signal_irq_unmask(signal_of(o));
    }
    return err;
}

int64_t sys_signal_timer(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_SIGNAL, RIGHT_BIND, &o);

    if (err == SK_OK) {
        timer_set(&signal_of(o)->timer, args->a[1]);
    }
    return err;
}

int64_t sys_signal_wait(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_SIGNAL, RIGHT_BIND, &o);

    if (err != SK_OK) {
        return err;
    }
    struct signal *s = signal_of(o);
    if (s->thread != NULL) {
        return SK_EBUSY;
    }
    if (s->pending) {
        s->pending = false;
        return SK_OK;
    }
    if (args->a[1] == 0) {
        return SK_EAGAIN;
    }
    sched_remove(t);
    t->state = THREAD_AWAITING;
    t->awaited = s;
    list_push_back(&s->waiters, &t->call_node);
    if (args->a[1] != DEADLINE_NEVER) {
        timer_set(&t->timer, args->a[1]);
    }
    return SYS_NO_RESULT;
}

// SPDX-License-Identifier: MIT
/* Gates and the synchronous call (kernel/ipc.h).
 *
 * A call in progress is in one of two states: at the gate (caller->gate, in gate->callers), or taken (caller->server
 * and server->caller point to each other; the gate has no part in it any more). Deadlines cover the first. */
#include <kernel/core.h>
#include <kernel/log.h>
#include <kernel/sys.h>

/* --- transfer of a message ------------------------------------------------------------------------------- */

/* Is this a tag that a program may send? */
static bool tag_valid(uint64_t tag)
{
    return tag >> 48 == 0 && (tag & (TAG_UNUSED | TAG_SIGNAL)) == 0 && TAG_WORDS(tag) <= UTCB_WORDS &&
           TAG_CAPS(tag) <= UTCB_CAPS;
}

struct cap_transfer {
    struct object *obj;
    uint32_t rights;
};

static int transfer_lookup(const struct thread *from, unsigned n, struct cap_transfer *out)
{
    for (unsigned i = 0; i < n; i++) {
        const struct cap_slot *s = captable_slot(from->task->caps, from->utcb->send_cap[i]);

        if (s == NULL) {
            return SK_ECAP;
        }
        out[i] = (struct cap_transfer){s->obj, s->rights & from->utcb->send_rights[i]};
    }
    return SK_OK;
}

static int transfer_caps(const struct thread *from, struct thread *to, unsigned n)
{
    struct cap_transfer caps[UTCB_CAPS];
    cap_t slot[UTCB_CAPS];

    if (n > to->utcb->recv_max) {
        return SK_EMSG;
    }
    int err = transfer_lookup(from, n, caps);
    if (err == SK_OK) {
        err = captable_reserve(to->task->caps, n, slot);
    }
    if (err != SK_OK) {
        return err;
    }
    for (unsigned i = 0; i < n; i++) {
        captable_fill(to->task->caps, slot[i], caps[i].obj, caps[i].rights);
        to->utcb->recv_cap[i] = slot[i];
    }
    return SK_OK;
}

/* All or nothing. tag is valid. SK_ECAP, SK_EMSG, SK_ENOMEM, SK_ESLOTS. */
static int ipc_transfer(const struct thread *from, struct thread *to, uint64_t tag)
{
    unsigned caps = TAG_CAPS(tag);
    int err = caps != 0 ? transfer_caps(from, to, caps) : SK_OK;

    if (err == SK_OK) {
        for (unsigned i = 0, n = TAG_WORDS(tag); i < n; i++) {
            to->utcb->mr[i] = from->utcb->mr[i];
        }
    }
    return err;
}

/* --- parts of a call --------------------------------------------------------------------------------------- */

static void call_taken(struct thread *caller, struct thread *server)
{
    caller->gate = NULL;
    caller->server = server;
    server->caller = caller;
}

/* The gate's event stands in the queue exactly while there is something to take. */
static void gate_event_update(struct gate *g)
{
    if (list_empty(&g->callers) && !g->unused_pending) {
        list_remove(&g->event.node);
    }
}

static void gate_event_raise(struct gate *g)
{
    if (g->thread != NULL && list_empty(&g->event.node)) {
        thread_event_add(g->thread, &g->event);
    }
}

/* Takes a caller away from its gate. */
static void gate_caller_remove(struct thread *caller)
{
    struct gate *g = caller->gate;

    list_remove(&caller->call_node);
    caller->gate = NULL;
    gate_event_update(g);
}

static void gate_callers_end(struct gate *g)
{
    while (!list_empty(&g->callers)) {
        struct thread *c = list_first(&g->callers, struct thread, call_node);

        gate_caller_remove(c);
        thread_complete_error(c, SK_EGONE);
    }
}

/* The call that t took last ends without a reply. */
static void call_abandon(struct thread *t)
{
    struct thread *c = t->caller;

    if (c != NULL) {
        t->caller = NULL;
        c->server = NULL;
        thread_complete_error(c, SK_EGONE);
    }
}

void ipc_timeout(struct thread *t)
{
    if (t->gate != NULL) {
        gate_caller_remove(t);
    }
    if (t->awaited != NULL) {
        signal_waiter_remove(t);
    }
    thread_complete_error(t, SK_ETIMEDOUT);
}

void ipc_abort(struct thread *t)
{
    if (t->gate != NULL) {
        gate_caller_remove(t);
    }
    if (t->awaited != NULL) {
        signal_waiter_remove(t);
    }
    if (t->server != NULL) {
        t->server->caller = NULL;
        t->server = NULL;
    }
    call_abandon(t);
    timer_cancel(&t->timer);
}

static void gate_unbind(struct gate *g)
{
    list_remove(&g->event.node);
    list_remove(&g->bound_node);
    g->thread = NULL;
}

void ipc_unbind_all(struct thread *t)
{
    while (!list_empty(&t->bound_gates)) {
        struct gate *g = list_first(&t->bound_gates, struct gate, bound_node);

        gate_unbind(g);
        gate_callers_end(g);
    }
    while (!list_empty(&t->bound_signals)) {
        signal_unbind(list_first(&t->bound_signals, struct signal, bound_node));
    }
}

/* --- taking events -------------------------------------------------------------------------------------------- */

/* Gives the next caller's message to t. False: that call failed and has ended. */
static bool gate_take_caller(struct gate *g, struct thread *t, uint64_t *tag)
{
    struct thread *c = list_first(&g->callers, struct thread, call_node);
    int err = ipc_transfer(c, t, c->call_tag);

    gate_caller_remove(c);
    if (err != SK_OK) {
        thread_complete_error(c, err);
        return false;
    }
    timer_cancel(&c->timer);
    call_taken(c, t);
    *tag = c->call_tag;
    return true;
}

/* g is the first event of t. */
static bool gate_take(struct gate *g, struct thread *t, uint64_t *tag)
{
    list_remove(&g->event.node);
    bool unused = g->unused_pending;
    bool taken = unused || gate_take_caller(g, t, tag);

    if (unused) {
        g->unused_pending = false;
        *tag = TAG_SIGNAL | TAG_UNUSED;
    }
    if (!list_empty(&g->callers)) {
        list_push_back(&t->events, &g->event.node);
    }
    return taken;
}

bool ipc_take_event(struct thread *t, uint64_t *tag, uint64_t *label)
{
    while (!list_empty(&t->events)) {
        struct event *e = list_first(&t->events, struct event, node);

        if (e->kind == EVENT_SIGNAL) {
            *tag = TAG_SIGNAL;
            *label = signal_take(container_of(e, struct signal, event));
            return true;
        }
        struct gate *g = container_of(e, struct gate, event);
        if (gate_take(g, t, tag)) {
            *label = g->label;
            return true;
        }
    }
    return false;
}

/* --- system calls ------------------------------------------------------------------------------------------------ */

/* The server waits: hands it the message and, if its priority allows, the processor. */
static int64_t call_direct(struct thread *t, const struct gate *g, uint64_t tag)
{
    struct thread *server = g->thread;
    int err = ipc_transfer(t, server, tag);

    if (err != SK_OK) {
        return err;
    }
    timer_cancel(&server->timer);
    sched_remove(t);
    t->state = THREAD_CALLING;
    call_taken(t, server);
    server->ctx.regs.rax = tag;
    server->ctx.regs.rdx = g->label;
    server->state = THREAD_READY;
    sched_add(server, true);
    return SYS_NO_RESULT;
}

static int64_t call_queue(struct thread *t, struct gate *g, uint64_t tag, uint64_t deadline)
{
    if (deadline == 0) {
        return SK_ETIMEDOUT;
    }
    sched_remove(t);
    t->state = THREAD_CALLING;
    t->call_tag = tag;
    t->gate = g;
    list_push_back(&g->callers, &t->call_node);
    if (deadline != DEADLINE_NEVER) {
        timer_set(&t->timer, deadline);
    }
    gate_event_raise(g);
    return SYS_NO_RESULT;
}

int64_t sys_call(struct thread *t, const struct sys_args *args)
{
    uint64_t tag = args->a[1];
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_GATE, RIGHT_CALL, &o);

    if (err != SK_OK) {
        return err;
    }
    if (!tag_valid(tag)) {
        return SK_EINVAL;
    }
    struct gate *g = gate_of(o);
    core_stat.ipc_calls++;
    if (g->thread != NULL && g->thread->state == THREAD_WAITING) {
        return call_direct(t, g, tag);
    }
    return call_queue(t, g, tag, args->a[2]);
}

/* Gives the reply to the caller, which is not made ready yet. */
static int64_t reply_send(struct thread *t, uint64_t tag, struct thread **caller)
{
    struct thread *c = t->caller;

    if (!tag_valid(tag)) {
        return SK_EINVAL;
    }
    if (c == NULL) {
        return SK_EGONE;
    }
    int err = ipc_transfer(t, c, tag);
    if (err == SK_OK) {
        t->caller = NULL;
        c->server = NULL;
        c->ctx.regs.rax = tag;
        c->state = THREAD_READY;
        *caller = c;
    }
    return err;
}

int64_t sys_reply(struct thread *t, const struct sys_args *args)
{
    struct thread *caller;
    int64_t err = reply_send(t, args->a[0], &caller);

    if (err == SK_OK) {
        sched_add(caller, false);
    }
    return err;
}

/* Takes an event or blocks. */
static int64_t wait_begin(struct thread *t, uint64_t deadline)
{
    uint64_t tag, label;

    if (ipc_take_event(t, &tag, &label)) {
        t->ctx.regs.rdx = label;
        return (int64_t)tag;
    }
    if (deadline == 0) {
        return SK_EAGAIN;
    }
    sched_remove(t);
    t->state = THREAD_WAITING;
    if (deadline != DEADLINE_NEVER) {
        timer_set(&t->timer, deadline);
    }
    return SYS_NO_RESULT;
}

int64_t sys_wait(struct thread *t, const struct sys_args *args)
{
    call_abandon(t);
    return wait_begin(t, args->a[0]);
}

int64_t sys_reply_wait(struct thread *t, const struct sys_args *args)
{
    struct thread *caller = NULL;
    int64_t err = reply_send(t, args->a[0], &caller);

    if (err != SK_OK && err != SK_EGONE) {
        return err;
    }
    err = wait_begin(t, args->a[1]);
    if (caller != NULL) {
        /* The caller goes on at once if the server has nothing to do. */
        sched_add(caller, err == SYS_NO_RESULT);
    }
    return err;
}

/* --- the object -----------------------------------------------------------------------------------------------------
 */

static void gate_uncallable(struct object *o)
{
    struct gate *g = gate_of(o);

    if (g->thread != NULL && (g->flags & GATE_NOTIFY_UNUSED) != 0) {
        g->unused_pending = true;
        gate_event_raise(g);
    }
}

static void gate_destroy(struct object *o)
{
    struct gate *g = gate_of(o);

    g->unused_pending = false;
    gate_unbind(g);
    gate_callers_end(g);
}

static void gate_free(struct object *o)
{
    quota_free(o->quota, gate_of(o), sizeof(struct gate));
}

static const struct object_ops gate_ops = {
    .name = "gate", .uncallable = gate_uncallable, .destroy = gate_destroy, .free = gate_free};

int64_t sys_gate_create(struct thread *t, const struct sys_args *args)
{
    struct create c;
    int err = create_begin(&c, t, args->a[0], sizeof(struct gate));

    if (err != SK_OK) {
        return err;
    }
    struct gate *g = c.mem;
    object_init(&g->obj, &gate_ops, OBJ_GATE, c.quota);
    g->event.kind = EVENT_GATE;
    list_init(&g->event.node);
    list_init(&g->bound_node);
    list_init(&g->callers);
    return create_commit(&c, &g->obj, RIGHT_ALL);
}

static void gate_bind(struct gate *g, struct thread *thread, uint64_t label, uint32_t flags)
{
    gate_unbind(g);
    g->thread = thread;
    g->label = label;
    g->flags = flags;
    g->unused_pending = (flags & GATE_NOTIFY_UNUSED) != 0 && g->obj.call_caps == 0;
    list_push_back(&thread->bound_gates, &g->bound_node);
    if (g->unused_pending || !list_empty(&g->callers)) {
        gate_event_raise(g);
    }
}

int64_t sys_gate_bind(struct thread *t, const struct sys_args *args)
{
    struct object *g, *thread;
    int err = cap_lookup(t, args->a[0], OBJ_GATE, RIGHT_BIND, &g);

    if (err != SK_OK) {
        return err;
    }
    if ((args->a[3] & ~(uint64_t)GATE_NOTIFY_UNUSED) != 0) {
        return SK_EINVAL;
    }
    if (args->a[1] == CAP_NULL) {
        gate_unbind(gate_of(g));
        return SK_OK;
    }
    err = cap_lookup(t, args->a[1], OBJ_THREAD, RIGHT_CTRL, &thread);
    if (err == SK_OK) {
        gate_bind(gate_of(g), thread_of(thread), args->a[2], (uint32_t)args->a[3]);
    }
    return err;
}

// SPDX-License-Identifier: MIT
/* The event loop of a server.
 *
 * A source's label in the kernel is its slot in a table and the slot's generation, so that an event that was pending
 * when its source was removed finds nothing: its slot is empty or has another generation. The magic of a source is
 * that label; 0 says that it is not in the table. */
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <string.h>

#define SOURCES_MAX 512u

static struct {
    struct server_source *source; /* NULL: free */
    uint32_t generation;
} table[SOURCES_MAX];

static uint32_t recv_caps_max;

static int64_t slot_take(struct server_source *s)
{
    for (uint32_t i = 0; i < SOURCES_MAX; i++) {
        if (!table[i].source) {
            table[i].source = s;
            table[i].generation++;
            s->magic = (uint64_t)table[i].generation << 32 | (i + 1);
            return SK_OK;
        }
    }
    return SK_ESLOTS;
}

static struct server_source *slot_find(uint64_t label)
{
    uint64_t i = (label & 0xffffffffu) - 1;

    if (i >= SOURCES_MAX || table[i].generation != label >> 32) {
        return NULL;
    }
    return table[i].source;
}

static void slot_release(struct server_source *s)
{
    if (slot_find(s->magic) == s) {
        table[(s->magic & 0xffffffffu) - 1].source = NULL;
    }
    s->magic = 0;
}

/* Undoes a half-made source; a capability that the caller brought stays the caller's. */
static int64_t source_fail(struct server_source *s, bool made, int64_t err)
{
    slot_release(s);
    if (made) {
        sys_cap_drop(s->cap);
    }
    s->cap = CAP_NULL;
    return err;
}

int64_t server_gate(struct server_source *s, cap_t cap, server_call_fn call, server_event_fn unused, void *ctx,
                    unsigned recv_caps)
{
    bool made = cap == CAP_NULL;
    int64_t err = made ? sys_gate_create(CAP_QUOTA) : (int64_t)cap;

    if (err < 0) {
        return err;
    }
    *s = (struct server_source){.cap = (cap_t)err, .call = call, .event = unused, .ctx = ctx};
    err = slot_take(s);
    if (err < 0) {
        return source_fail(s, made, err);
    }
    err = sys_gate_bind(s->cap, CAP_THREAD, s->magic, unused ? GATE_NOTIFY_UNUSED : 0);
    if (err < 0) {
        return source_fail(s, made, err);
    }
    if (recv_caps > recv_caps_max) {
        recv_caps_max = recv_caps;
    }
    return SK_OK;
}

int64_t server_signal(struct server_source *s, cap_t cap, server_event_fn event, void *ctx)
{
    bool made = cap == CAP_NULL;
    int64_t err = made ? sys_signal_create(CAP_QUOTA) : (int64_t)cap;

    if (err < 0) {
        return err;
    }
    *s = (struct server_source){.cap = (cap_t)err, .event = event, .ctx = ctx};
    err = slot_take(s);
    if (err < 0) {
        return source_fail(s, made, err);
    }
    err = sys_signal_bind(s->cap, CAP_THREAD, s->magic);
    return err < 0 ? source_fail(s, made, err) : SK_OK;
}

int64_t server_move(struct server_source *s, cap_t thread)
{
    return s->call ? sys_gate_bind(s->cap, thread, s->magic, s->event ? GATE_NOTIFY_UNUSED : 0)
                   : sys_signal_bind(s->cap, thread, s->magic);
}

/* A reply that the caller cannot take (no room for its capabilities) ends its call with that error. */
static void reply_failed(int64_t err)
{
    if (err < 0) {
        sys_reply(TAG((int32_t)err, 0, 0));
    }
}

static void reply_send(uint64_t tag)
{
    reply_failed(sys_reply(tag));
}

int64_t server_release_calls(struct server_source *s)
{
    int64_t own = sys_cap_copy(s->cap, RIGHT_BIND | RIGHT_CTRL);

    if (own < 0) {
        return own;
    }
    sys_cap_drop(s->cap);
    s->cap = (cap_t)own;
    return SK_OK;
}

int64_t server_reply_handover(struct server_source *s, struct msg *reply)
{
    int64_t own = sys_cap_copy(s->cap, RIGHT_BIND | RIGHT_CTRL);

    if (own < 0) {
        return own;
    }
    msg_begin(reply, SK_OK);
    msg_put_cap(reply, s->cap, RIGHT_CALL);
    reply_send(TAG(SK_OK, reply->words, reply->caps));
    sys_cap_drop(s->cap);
    s->cap = (cap_t)own;
    return SERVER_NO_REPLY;
}

void server_remove(struct server_source *s)
{
    if (s->magic == 0) {
        return;
    }
    /* An object that is already destroyed cannot be unbound, and needs not be. */
    int64_t err = s->call ? sys_gate_bind(s->cap, CAP_NULL, 0, 0) : sys_signal_bind(s->cap, CAP_NULL, 0);
    (void)err;
    slot_release(s);
    sys_cap_drop(s->cap);
    s->cap = CAP_NULL;
}

void server_dispatch_signal(uint64_t label)
{
    struct server_source *s = slot_find(label);

    if (s && s->event) {
        s->event(s->ctx);
    }
}

/* Drops what a handler did not take. The list is the loop's own copy, as a handler may have made calls itself. */
static void drop_untaken(const struct msg *request, const uint32_t *caps)
{
    for (uint32_t i = request->cap_pos; i < request->caps; i++) {
        sys_cap_drop(caps[i]);
    }
}

/* Runs the handler of a call: true if *tag is to be sent as the reply. */
static bool handle_call(struct server_source *s, uint64_t event_tag, uint64_t *tag)
{
    struct msg request, reply;
    uint32_t caps[UTCB_CAPS];

    msg_begin(&request, TAG_LABEL(event_tag));
    request.words = TAG_WORDS(event_tag);
    request.caps = TAG_CAPS(event_tag);
    msg_begin(&reply, SK_OK);
    memcpy(caps, sk_utcb()->recv_cap, sizeof(caps));

    int64_t status = s ? s->call(s->ctx, &request, &reply) : SK_EGONE;
    drop_untaken(&request, caps);
    if (status == SERVER_NO_REPLY) {
        return false;
    }
    if (status >= 0 && reply.bad) {
        status = SK_EMSG;
    }
    *tag = status < 0 ? TAG((int32_t)status, 0, 0) : TAG((int32_t)status, reply.words, reply.caps);
    return true;
}

static bool handle_event(const struct server_event *e, uint64_t *tag)
{
    if (e->tag & TAG_SIGNAL) {
        server_dispatch_signal(e->label);
        return false;
    }
    struct server_source *s = slot_find(e->label);
    return handle_call(s && s->call ? s : NULL, e->tag, tag);
}

void server_loop(void)
{
    uint64_t tag = 0;
    bool reply = false;

    for (;;) {
        sk_utcb()->recv_max = recv_caps_max;
        struct sys_result r = reply ? sys_reply_wait(tag, DEADLINE_NEVER) : sys_wait(DEADLINE_NEVER);
        if (reply) {
            reply_failed(r.value);
        }
        reply = r.value >= 0 && handle_event(&(struct server_event){(uint64_t)r.value, r.extra}, &tag);
    }
}

bool server_wait(uint64_t deadline, struct server_event *e)
{
    sk_utcb()->recv_max = recv_caps_max;
    struct sys_result r = sys_wait(deadline);
    *e = (struct server_event){(uint64_t)r.value, r.extra};
    return r.value >= 0;
}

void server_handle(const struct server_event *e)
{
    uint64_t tag;

    if (handle_event(e, &tag)) {
        reply_send(tag);
    }
}

bool server_poll(uint64_t deadline)
{
    struct server_event e;

    if (!server_wait(deadline, &e)) {
        return false;
    }
    server_handle(&e);
    return true;
}

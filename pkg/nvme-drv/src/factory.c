// SPDX-License-Identifier: MIT
// The `svr` gate: see factory.h.
#include "factory.h"

#include "client.h"
#include "command.h"
#include <proto/blk_factory.h>
#include <sk/env.h>
#include <sk/sys.h>

#define WAITERS 8u

static struct server_source gate;
static cap_t waiter[WAITERS];
static bool all_scanned;

static int64_t arguments_get(struct msg *m, struct client_options *o, char text[][BLK_FACTORY_TEXT])
{
    uint64_t count = msg_get(m);

    if (count > BLK_FACTORY_ARGS) {
        return SK_EINVAL;
    }
    for (uint64_t i = 0; i < count; i++) {
        msg_get_str(m, text[i], BLK_FACTORY_TEXT);
    }
    if (msg_end(m)) {
        return SK_EINVAL;
    }
    for (uint64_t i = 0; i < count; i++) {
        const char *why = factory_arg(o, text[i]);

        if (why) {
            log_warn("NVMe[]: A dynamic client asks for '%s': %s", text[i], why);
            return SK_EINVAL;
        }
    }
    if (o->limit.burst_ms && !o->limit.iops && !o->limit.mbps) {
        log_warn("NVMe[]: A dynamic client asks for burst=%u without max-iops or max-mbps: it limits nothing alone",
                 o->limit.burst_ms);
        return SK_EINVAL;
    }
    if (!o->device) {
        log_warn("NVMe[]: A dynamic client does not say which device: give device=DISK");
        return SK_EINVAL;
    }
    return SK_OK;
}

static int64_t op_create(struct msg *m, struct msg *reply)
{
    struct client_options o = {.ds_max = OPTIONS_DS_DEFAULT};
    char text[BLK_FACTORY_ARGS][BLK_FACTORY_TEXT];
    struct client *c;
    int64_t err = arguments_get(m, &o, text);

    if (!err) {
        err = client_create(&o, &c);
    }
    if (err) {
        return err;
    }
    err = server_reply_handover(&c->gate, reply);
    if (err != SERVER_NO_REPLY) {
        client_unclaim(c);
        client_destroy(c);
    }
    return err;
}

static int64_t op_notify(struct msg *m)
{
    cap_t cap = msg_get_cap(m);
    int64_t err = cap ? msg_end(m) : SK_EMSG;
    unsigned i = 0;

    while (i < WAITERS && waiter[i]) {
        i++;
    }
    if (!err && i == WAITERS) {
        err = SK_ENOMEM;
    }
    if (err) {
        if (cap) {
            sys_cap_drop(cap);
        }
        return err;
    }
    waiter[i] = cap;
    if (all_scanned) {
        factory_scanned();
    }
    return SK_OK;
}

static int64_t factory_call(void *ctx, struct msg *m, struct msg *reply)
{
    switch (m->op) {
    case PROTO_ID:
        msg_put(reply, PROTO_BLK_FACTORY);
        return SK_OK;
    case BLK_FACTORY_CREATE:
        return op_create(m, reply);
    case BLK_FACTORY_NOTIFY:
        return op_notify(m);
    default:
        return command_call(ctx, m, reply);
    }
}

void factory_scanned(void)
{
    all_scanned = true;
    for (unsigned i = 0; i < WAITERS; i++) {
        if (waiter[i]) {
            sys_signal_raise(waiter[i]);
            sys_cap_drop(waiter[i]);
            waiter[i] = CAP_NULL;
        }
    }
}

bool factory_open(cap_t cap)
{
    int64_t err = server_gate(&gate, cap, factory_call, NULL, NULL, 1);

    if (err < 0) {
        log_error("NVMe[]: Serving 'svr': %s%s", sk_strerror(err),
                  err == SK_ERIGHTS ? "; pass the channel's :svr() to the server" : "");
    }
    return err >= 0;
}

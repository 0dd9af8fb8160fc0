// SPDX-License-Identifier: MIT
/* See server.h. Output to the terminal is a call, which uses the UTCB: handlers have read their request before they
 * write, and begin their reply after. */
#include "server.h"

#include <proto/cons.h>
#include <proto/log.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define COLOUR_MAX 32
#define NAME_MAX_BYTES 256

struct client {
    struct server_source source;
    struct mux_console *console;
    cap_t signal; /* input is there; CAP_NULL: nobody reads */
};

static struct server_source factory, input;

static void terminal_write(const char *data, size_t len)
{
    cap_t log = sk_env_get("log");

    while (len) {
        size_t part = min(len, (size_t)LOG_WRITE_MAX);
        struct msg m;

        msg_begin(&m, LOG_WRITE);
        msg_put_bytes(&m, data, part);
        if (msg_call(&m, log, DEADLINE_NEVER) != SK_OK || msg_end(&m) != SK_OK) {
            return; /* without a terminal there is nobody to tell */
        }
        data += part;
        len -= part;
    }
}

static void input_ready(struct mux_console *console)
{
    const struct client *c = console->client;

    if (c && c->signal != CAP_NULL) {
        sys_signal_raise(c->signal);
    }
}

const struct mux_ops server_ops = {terminal_write, input_ready};

/* --- a console's gate ------------------------------------------------------------------------------------------- */

static int64_t do_write(struct client *c, struct msg *request)
{
    char data[LOG_WRITE_MAX];
    size_t len = msg_get_bytes(request, data, sizeof(data));
    int64_t err = msg_end(request);

    if (err >= 0) {
        mux_output(c->console, data, len);
    }
    return err;
}

static int64_t do_read(struct client *c, struct msg *request, struct msg *reply)
{
    char data[MUX_INPUT];
    uint64_t limit = msg_get(request);
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    size_t n = mux_read(c->console, data, min(limit, (uint64_t)sizeof(data)));
    msg_begin(reply, SK_OK);
    msg_put_bytes(reply, data, n);
    return SK_OK;
}

static int64_t do_bind_input(struct client *c, struct msg *request)
{
    cap_t signal = msg_get_cap(request);
    int64_t err = msg_end(request);

    if (err < 0) {
        sys_cap_drop(signal);
        return err;
    }
    if (c->signal != CAP_NULL) {
        sys_cap_drop(c->signal);
    }
    c->signal = signal;
    if (c->console->input.head != c->console->input.tail) {
        sys_signal_raise(signal);
    }
    return SK_OK;
}

static int64_t do_flush(struct client *c, struct msg *request)
{
    int64_t err = msg_end(request);

    if (err >= 0) {
        mux_flush(c->console);
    }
    return err;
}

static int64_t console_call(void *ctx, struct msg *request, struct msg *reply)
{
    switch (request->op) {
    case PROTO_ID:
        return PROTO_LOG;
    case LOG_WRITE:
        return do_write(ctx, request);
    case LOG_READ:
        return do_read(ctx, request, reply);
    case LOG_BIND_INPUT:
        return do_bind_input(ctx, request);
    case LOG_FLUSH:
        return do_flush(ctx, request);
    default:
        return SK_ENOSYS;
    }
}

static void client_end(struct client *c)
{
    mux_end(c->console);
    if (c->signal != CAP_NULL) {
        sys_cap_drop(c->signal);
    }
    server_remove(&c->source);
    free(c);
}

static void console_unused(void *ctx)
{
    client_end(ctx);
}

/* --- the factory -------------------------------------------------------------------------------------------------- */

static int64_t client_make(struct client *c, const char *name, const char *colour)
{
    int64_t err = server_gate(&c->source, CAP_NULL, console_call, console_unused, c, 1);

    if (err < 0) {
        return err;
    }
    c->console = mux_add(name, colour);
    if (!c->console) {
        server_remove(&c->source);
        return SK_ENOMEM;
    }
    c->console->client = c;
    return SK_OK;
}

static int64_t do_create(struct msg *request, struct msg *reply)
{
    char name[NAME_MAX_BYTES], colour[COLOUR_MAX];

    msg_get_str(request, name, sizeof(name));
    msg_get_str(request, colour, sizeof(colour));
    int64_t err = msg_end(request);
    if (err < 0) {
        return err;
    }
    struct client *c = calloc(1, sizeof(*c));
    err = c ? client_make(c, name, colour) : SK_ENOMEM;
    if (err < 0) {
        free(c);
        return err;
    }
    err = server_reply_handover(&c->source, reply);
    if (err != SERVER_NO_REPLY) {
        client_end(c);
    }
    return err;
}

static int64_t factory_call(void *ctx, struct msg *request, struct msg *reply)
{
    (void)ctx;
    switch (request->op) {
    case PROTO_ID:
        return PROTO_CONS;
    case CONS_CREATE:
        return do_create(request, reply);
    default:
        return SK_ENOSYS;
    }
}

int64_t server_open(void)
{
    cap_t cap = sk_env_get("cons");

    return cap == CAP_NULL ? SK_ENOENT : server_gate(&factory, cap, factory_call, NULL, NULL, 1);
}

/* --- the terminal's input -------------------------------------------------------------------------------------------
 */

static void input_event(void *ctx)
{
    char data[MUX_INPUT];
    size_t n;

    (void)ctx;
    do {
        struct msg m;

        msg_begin(&m, LOG_READ);
        msg_put(&m, sizeof(data));
        if (msg_call(&m, sk_env_get("log"), DEADLINE_NEVER) != SK_OK) {
            return;
        }
        n = msg_get_bytes(&m, data, sizeof(data));
        if (msg_end(&m) != SK_OK) {
            return;
        }
        mux_input(data, n);
    } while (n);
}

int64_t server_bind_input(void)
{
    struct msg m;
    int64_t err = server_signal(&input, CAP_NULL, input_event, NULL);

    if (err < 0) {
        return err;
    }
    msg_begin(&m, LOG_BIND_INPUT);
    msg_put_cap(&m, input.cap, RIGHT_CALL);
    err = msg_call(&m, sk_env_get("log"), DEADLINE_NEVER);
    return err < 0 ? err : msg_end(&m);
}

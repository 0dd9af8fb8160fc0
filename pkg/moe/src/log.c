// SPDX-License-Identifier: MIT
/* The log server [proto/log.h] and the console.
 *
 * Input goes to the session that bound last, until that session ends. It waits in a small ring; what does not fit is
 * lost, as on any serial line. */
#include "moe.h"

#include <logline/logline.h>
#include <proto/log.h>
#include <rt/start.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <util/bits.h>

#define SESSIONS_MAX 128
#define INPUT_MAX 1024u /* a power of two */

struct log_session {
    struct server_source source;
    bool in_use, raw;
    uint64_t object_id;
    struct logline line;
};
static struct log_session sessions[SESSIONS_MAX];

static void console_write(const char *data, size_t len);
static struct logline_console console = {.write = console_write};

static struct {
    struct server_source source;
    struct log_session *owner; /* NULL: nobody reads */
    cap_t signal;              /* the owner's; we own this capability */
    uint32_t head, tail;       /* free-running */
    char ring[INPUT_MAX];
} input;

/* Messages that are being answered live in the UTCB too: output is copied through it only after handlers have read
 * their request, and replies are begun after output. */
static void console_write(const char *data, size_t len)
{
    while (len) {
        size_t part = min(len, (size_t)UTCB_BYTES);
        memcpy(sk_utcb()->mr, data, part);
        if (sys_console_write(boot->console, (unsigned)part) < 0) {
            return;
        }
        data += part;
        len -= part;
    }
}

static void sink(const void *data, size_t len)
{
    logline_raw(&console, data, len);
}

void moe_log(const char *format, ...)
{
    char line[512];
    va_list args;
    int n = snprintf(line, sizeof(line), "%smoe: ", console.open ? "\n" : "");

    va_start(args, format);
    int m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
    va_end(args);
    n += m < 0 ? 0 : min(m, (int)sizeof(line) - n - 2);
    line[n] = '\n';
    logline_raw(&console, line, (size_t)n + 1);
}

static int64_t do_write(struct log_session *l, struct msg *request)
{
    char data[LOG_WRITE_MAX];
    size_t len = msg_get_bytes(request, data, sizeof(data));
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    if (l->raw) {
        logline_raw(&console, data, len);
    } else {
        logline_write(&console, &l->line, data, len);
    }
    return SK_OK;
}

static int64_t do_read(struct log_session *l, struct msg *request, struct msg *reply)
{
    char data[INPUT_MAX];
    uint64_t limit = msg_get(request);
    int64_t err = msg_end(request);
    size_t n = 0;

    if (err < 0) {
        return err;
    }
    if (input.owner != l) {
        return SK_EPERM;
    }
    while (n < limit && n < sizeof(data) && input.head != input.tail) {
        data[n++] = input.ring[input.head++ % INPUT_MAX];
    }
    msg_begin(reply, SK_OK);
    msg_put_bytes(reply, data, n);
    return SK_OK;
}

static void input_release(void)
{
    if (input.owner) {
        sys_cap_drop(input.signal);
        input.owner = NULL;
        input.signal = CAP_NULL;
    }
}

static int64_t do_bind_input(struct log_session *l, struct msg *request)
{
    cap_t signal = msg_get_cap(request);
    int64_t err = msg_end(request);

    if (err < 0) {
        sys_cap_drop(signal);
        return err;
    }
    input_release();
    input.owner = l;
    input.signal = signal;
    if (input.head != input.tail) {
        sys_signal_raise(signal);
    }
    return SK_OK;
}

static int64_t handle(void *ctx, struct msg *request, struct msg *reply)
{
    struct log_session *l = ctx;

    switch (request->op) {
    case PROTO_ID:
        return PROTO_LOG;
    case LOG_WRITE:
        return do_write(l, request);
    case LOG_READ:
        return do_read(l, request, reply);
    case LOG_BIND_INPUT:
        return do_bind_input(l, request);
    case LOG_FLUSH:
        logline_flush(&console, &l->line);
        return SK_OK;
    default:
        return SK_ENOSYS;
    }
}

void log_remove(struct log_session *l)
{
    log_end_line(l);
    if (input.owner == l) {
        input_release();
    }
    server_remove(&l->source);
    l->in_use = false;
}

static void unused(void *ctx)
{
    log_remove(ctx);
}

struct log_session *log_make(const char *tag, const char *colour, bool raw, int64_t *err)
{
    struct log_session *l = NULL;

    for (int i = 0; i < SESSIONS_MAX && !l; i++) {
        l = sessions[i].in_use ? NULL : &sessions[i];
    }
    if (!l) {
        *err = SK_ENOMEM;
        return NULL;
    }
    *l = (struct log_session){.raw = raw};
    if (!logline_init(&l->line, tag, colour)) {
        moe_log("log \"%s\": no colour \"%s\" (red, green, yellow, blue, magenta, cyan, white, or their first letters)",
                tag, colour);
    }
    *err = server_gate(&l->source, CAP_NULL, handle, unused, l, 1);
    if (*err < 0) {
        return NULL;
    }
    l->object_id = sys_cap_info(l->source.cap).extra;
    l->in_use = true;
    return l;
}

cap_t log_gate(const struct log_session *l)
{
    return l->source.cap;
}

int64_t log_hand_over(struct log_session *l, struct msg *reply)
{
    int64_t res = server_reply_handover(&l->source, reply);

    if (res != SERVER_NO_REPLY) {
        log_remove(l);
    }
    return res;
}

struct log_session *log_find(cap_t cap)
{
    struct sys_result info = sys_cap_info(cap);

    for (int i = 0; info.value >= 0 && i < SESSIONS_MAX; i++) {
        if (sessions[i].in_use && sessions[i].object_id == info.extra) {
            return &sessions[i];
        }
    }
    return NULL;
}

const char *log_tag(const struct log_session *l)
{
    return l->line.tag;
}

void log_end_line(struct log_session *l)
{
    logline_flush(&console, &l->line);
}

static void input_event(void *ctx)
{
    int64_t n;

    (void)ctx;
    while ((n = sys_console_read(boot->console)) > 0) {
        const char *data = (const char *)sk_utcb()->mr;
        for (int64_t i = 0; i < n && input.tail - input.head < INPUT_MAX; i++) {
            input.ring[input.tail++ % INPUT_MAX] = data[i];
        }
    }
    if (input.owner && input.head != input.tail) {
        sys_signal_raise(input.signal);
    }
}

void log_init(void)
{
    rt_log_sink = sink;
    int64_t err = server_signal(&input.source, CAP_NULL, input_event, NULL);
    if (err >= 0) {
        err = sys_console_bind(boot->console, input.source.cap);
    }
    if (err < 0) {
        moe_log("console input does not work: %s", sk_strerror(err));
    }
}

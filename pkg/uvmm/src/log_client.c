// SPDX-License-Identifier: MIT
#include "log_client.h"

#include <proto/log.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <util/bits.h>

static void write_once(const struct log_client *c, const void *buf, size_t len)
{
    struct msg m;

    msg_begin(&m, LOG_WRITE);
    msg_put_bytes(&m, buf, len);
    /* Without its log the VM goes on; there is nobody to tell. */
    if (msg_call(&m, c->cap, DEADLINE_NEVER) == SK_OK) {
        (void)!msg_end(&m);
    }
}

void log_client_write(const struct log_client *c, const void *buf, size_t len)
{
    const char *p = buf;

    for (size_t n; len > 0; p += n, len -= n) {
        n = min(len, (size_t)LOG_WRITE_MAX);
        write_once(c, p, n);
    }
}

size_t log_client_read(const struct log_client *c, void *buf, size_t max)
{
    struct msg m;
    size_t n;

    if (!c->bound) {
        return 0;
    }
    msg_begin(&m, LOG_READ);
    msg_put(&m, max);
    if (msg_call(&m, c->cap, DEADLINE_NEVER) != SK_OK) {
        return 0;
    }
    n = msg_get_bytes(&m, buf, max);
    return msg_end(&m) == SK_OK ? n : 0;
}

int64_t log_client_open(struct log_client *c, cap_t cap, server_event_fn event, void *ctx)
{
    struct msg m;
    int64_t err = server_signal(&c->input, CAP_NULL, event, ctx);

    c->cap = cap;
    if (err < 0) {
        return err;
    }
    msg_begin(&m, LOG_BIND_INPUT);
    msg_put_cap(&m, c->input.cap, RIGHT_CALL);
    c->bound = msg_call(&m, cap, DEADLINE_NEVER) == SK_OK && msg_end(&m) == SK_OK;
    return SK_OK;
}

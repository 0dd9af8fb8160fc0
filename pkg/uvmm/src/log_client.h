// SPDX-License-Identifier: MIT
// A client of a log or console [proto/log.h]: text out, and input where there is any.
#pragma once

#include <abi/types.h>
#include <sk/server.h>
#include <stdbool.h>
#include <stddef.h>

struct log_client {
    cap_t cap;
    struct server_source input;
    bool bound; /* it has input */
};

/* Binds the input of `cap`: event(ctx) when some has arrived. 0, also if it has none; an error if there is no signal
 * for it. */
int64_t log_client_open(struct log_client *c, cap_t cap, server_event_fn event, void *ctx);
void log_client_write(const struct log_client *c, const void *buf, size_t len);
/* Bytes of input, 0 to max; never blocks. */
size_t log_client_read(const struct log_client *c, void *buf, size_t max);

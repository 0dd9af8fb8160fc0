// SPDX-License-Identifier: MIT
/* The console's ports share the "log" capability. One output buffer: a change of port keeps the order of characters. It
 * is written out with each line, when a vcpu waits, and soon in any case: the prompt of a guest that computes must be
 * seen. */
#include "console.h"
#include "console_priv.h"
#include "timer.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define OUT_MAX 256
#define IN_MAX 256
#define FLUSH_NS 5000000ull

static struct console_port *ports, *current;
static const struct console_backend *backend;
static char out[OUT_MAX];
static size_t out_len;
static uint8_t in[IN_MAX];
static size_t in_pos, in_len;
static bool in_more; /* the backend may have more: since the last announcement it was not read empty */

void console_backend_set(const struct console_backend *b)
{
    backend = b;
}

void console_port_add(struct console_port *p)
{
    p->next = ports;
    ports = p;
    if (current == NULL) {
        current = p;
    }
}

static struct vtimer flush_timer;

void console_flush(void)
{
    if (flush_timer.deadline_ns != VTIMER_NEVER && flush_timer.listed) {
        vtimer_cancel(&flush_timer);
    }
    if (out_len > 0 && backend != NULL) {
        backend->write(out, out_len);
    }
    out_len = 0;
}

static void console_announce(void)
{
    if (in_pos < in_len && current != NULL && current->input_ready != NULL) {
        current->input_ready(current->ctx);
    }
}

static void flush_due(void *ctx)
{
    (void)ctx;
    console_flush();
}

static void flush_soon(void)
{
    if (!flush_timer.listed || flush_timer.deadline_ns == VTIMER_NEVER) {
        vtimer_set(&flush_timer, clock_now_ns() + FLUSH_NS, flush_due, NULL);
    }
}

void console_write(struct console_port *p, const void *buf, size_t len)
{
    const char *s = buf;

    for (size_t i = 0; i < len; i++) {
        out[out_len++] = s[i];
        if (out_len == OUT_MAX || s[i] == '\n') {
            console_flush();
        }
    }
    if (out_len > 0) {
        flush_soon();
    }
    if (len > 0 && current != p) {
        current = p;
        console_announce();
    }
}

static void console_refill(void)
{
    if (in_pos == in_len && in_more && backend != NULL) {
        in_len = backend->read(in, IN_MAX);
        in_pos = 0;
        in_more = in_len > 0;
    }
}

size_t console_read(struct console_port *p, void *buf, size_t max)
{
    size_t n = 0;

    while (p == current && n < max) {
        console_refill();
        size_t part = in_len - in_pos < max - n ? in_len - in_pos : max - n;
        if (part == 0) {
            break;
        }
        memcpy((char *)buf + n, in + in_pos, part);
        in_pos += part;
        n += part;
    }
    return n;
}

void console_input_arrived(void)
{
    in_more = true;
    console_refill();
    console_announce();
}

// SPDX-License-Identifier: MIT
// A device whose registers read as anything.
#include "../src/uart16550.h"

#include <stdlib.h>

static const uint8_t *data;
static size_t left;
static uint64_t time_ns;

static uint8_t in(void *ctx, unsigned reg)
{
    (void)ctx;
    (void)reg;
    if (left == 0) {
        return 1;
    }
    left--;
    return *data++;
}

static void out(void *ctx, unsigned reg, uint8_t v)
{
    (void)ctx;
    (void)v;
    if (reg >= UART_PORTS) {
        abort();
    }
}

static uint64_t now(void *ctx)
{
    (void)ctx;
    return time_ns += 10000;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct uart16550 u;
    static const char text[512];
    char buf[64];

    u = (struct uart16550){.in = in, .out = out, .now_ns = now};
    data = bytes;
    left = size;
    (void)uart16550_init(&u, 115200);
    while (left > 0) {
        (void)uart16550_interrupt(&u);
        uart16550_write(&u, text, sizeof(text));
        (void)uart16550_read(&u, buf, sizeof(buf));
    }
    return 0;
}

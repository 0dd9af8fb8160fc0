// SPDX-License-Identifier: MIT
/* Fuzz target: what clients write and what is typed, in any order. Two bytes begin each step: what (modulo 6) and how
 * many bytes follow. */
#include "../src/mux.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t written;

static void count(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        written += (unsigned char)data[i] ? 1 : 2; /* reads all of it */
    }
}

static void ready(struct mux_console *c)
{
    char buf[64];

    if (mux_read(c, buf, sizeof(buf)) == 0) {
        abort();
    }
}

static const struct mux_ops ops = {count, ready};

static void step(struct mux_console *live[4], unsigned what, const char *text, size_t len)
{
    struct mux_console **c = &live[len % 4];
    char name[256];

    memcpy(name, text, len);
    name[len] = '\0';
    if (what == 0) {
        mux_input(text, len);
    } else if (!*c) {
        *c = mux_add(name, len > 5 ? "r" : "");
    } else if (what == 1) {
        mux_end(*c);
        *c = NULL;
    } else if (what == 2) {
        mux_flush(*c);
    } else {
        mux_output(*c, text, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mux_console *live[4] = {NULL};

    mux_init(&ops, 5, "vm");
    while (size >= 2) {
        size_t len = data[1] < size - 2 ? data[1] : size - 2;

        step(live, data[0] % 6, (const char *)data + 2, len);
        data += 2 + len;
        size -= 2 + len;
    }
    mux_init(&ops, 5, NULL); /* frees the consoles */
    return 0;
}

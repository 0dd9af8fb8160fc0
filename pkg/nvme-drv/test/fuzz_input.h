// SPDX-License-Identifier: MIT
// The input of a fuzz target as a string of choices. Behind its end all are 0.
#pragma once

#include <stddef.h>
#include <stdint.h>

static struct {
    const uint8_t *at;
    size_t left;
} input;

/* A number of so many bytes. */
static unsigned take(unsigned bytes)
{
    unsigned v = 0;

    while (bytes-- > 0) {
        v = v << 8 | (input.left ? *input.at : 0u);
        input.at += input.left > 0;
        input.left -= input.left > 0;
    }
    return v;
}

/* One below n. */
static inline unsigned pick(unsigned n)
{
    return take(1) % n;
}

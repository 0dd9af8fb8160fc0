// SPDX-License-Identifier: MIT
/* A ring of bytes, in two uses: input (put until it is full, take) and scroll-back (keep: the oldest bytes give way).
 * Positions are free-running: the bytes are those from head to tail, head <= tail <= head + size. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    char *data;
    uint32_t size; /* a power of two */
    uint64_t head, tail;
};

static inline char ring_at(const struct ring *r, uint64_t pos)
{
    return r->data[pos & (r->size - 1)];
}

/* False: full, c is lost. */
static inline bool ring_put(struct ring *r, char c)
{
    if (r->tail - r->head == r->size) {
        return false;
    }
    r->data[r->tail++ & (r->size - 1)] = c;
    return true;
}

/* Overwrites the oldest byte of a full ring. */
static inline void ring_keep(struct ring *r, char c)
{
    r->head += r->tail - r->head == r->size;
    r->data[r->tail++ & (r->size - 1)] = c;
}

static inline size_t ring_take(struct ring *r, char *buf, size_t max)
{
    size_t n = 0;

    while (n < max && r->head != r->tail) {
        buf[n++] = ring_at(r, r->head++);
    }
    return n;
}

/* The position behind the last newline: where the incomplete line begins. */
static inline uint64_t ring_last_line(const struct ring *r)
{
    uint64_t pos = r->tail;

    while (pos > r->head && ring_at(r, pos - 1) != '\n') {
        pos--;
    }
    return pos;
}

/* The position where the last n lines begin; an incomplete last line counts as one. */
static inline uint64_t ring_last_lines(const struct ring *r, unsigned n)
{
    uint64_t pos = r->tail;

    if (pos > r->head && ring_at(r, pos - 1) == '\n') {
        pos--;
    }
    while (pos > r->head && (ring_at(r, pos - 1) != '\n' || --n > 0)) {
        pos--;
    }
    return pos;
}

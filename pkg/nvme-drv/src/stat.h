// SPDX-License-Identifier: MIT
/* Statistics of a client's requests, by kind. A request counts when it has ended: from taking its chain to showing its
 * used entry. Pure; one writer.
 *
 * Latencies fall into buckets of a quarter of a power of two: bucket 0 holds what is below STAT_FIRST_NS, bucket i up
 * to stat_bucket_end(i), and the last one everything above. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum stat_kind { STAT_READ, STAT_WRITE, STAT_FLUSH, STAT_DISCARD, STAT_ZEROES, STAT_OTHER, STAT_KINDS };

#define STAT_FIRST_LOG 10u
#define STAT_FIRST_NS (1ull << STAT_FIRST_LOG)
#define STAT_BUCKETS 104u /* the last one begins at 30 s */

struct stat_op {
    uint64_t ops, errors; /* errors are ops, too */
    uint64_t bytes;       /* of those that succeeded */
    uint64_t sum_ns, max_ns;
    uint64_t bucket[STAT_BUCKETS];
};

struct stat {
    struct stat_op op[STAT_KINDS];
    uint64_t retries;    /* commands sent to the drive again */
    uint64_t limited_ns; /* how long something waited for the client's limits */
    uint32_t depth, max_depth;
};

static inline unsigned stat_bucket(uint64_t ns)
{
    if (ns < STAT_FIRST_NS) {
        return 0;
    }
    unsigned log = 63u - (unsigned)__builtin_clzll(ns);
    unsigned i = (log - STAT_FIRST_LOG) * 4 + (unsigned)(ns >> (log - 2) & 3) + 1;

    return i < STAT_BUCKETS ? i : STAT_BUCKETS - 1;
}

static inline void stat_begin(struct stat *s)
{
    if (++s->depth > s->max_depth) {
        s->max_depth = s->depth;
    }
}

static inline void stat_end(struct stat *s, unsigned kind, uint64_t bytes, uint64_t ns, bool ok)
{
    struct stat_op *op = &s->op[kind];

    s->depth--;
    op->ops++;
    op->errors += !ok;
    op->bytes += ok ? bytes : 0;
    op->sum_ns += ns;
    op->max_ns = ns > op->max_ns ? ns : op->max_ns;
    op->bucket[stat_bucket(ns)]++;
}

/* The first latency above bucket i. */
uint64_t stat_bucket_end(unsigned i);
/* A latency that so many in 1000 do not reach. 0: there is none yet. */
uint64_t stat_quantile(const struct stat_op *op, unsigned per_mille);
/* Adds what `more` counted. */
void stat_add(struct stat *sum, const struct stat *more);
/* Begins anew; requests in flight stay so. */
void stat_reset(struct stat *s);
extern const char *const stat_kind_text[STAT_KINDS];

// SPDX-License-Identifier: MIT
// Statistics: see stat.h.
#include "stat.h"

#include <util/bits.h>

const char *const stat_kind_text[STAT_KINDS] = {"read", "write", "flush", "discard", "zeroes", "other"};

uint64_t stat_bucket_end(unsigned i)
{
    return (uint64_t)(4 + i % 4) << (STAT_FIRST_LOG - 2 + i / 4);
}

uint64_t stat_quantile(const struct stat_op *op, unsigned per_mille)
{
    uint64_t wanted = (op->ops * per_mille + 999) / 1000, seen = 0;

    for (unsigned i = 0; i < STAT_BUCKETS - 1; i++) {
        seen += op->bucket[i];
        if (seen >= wanted && op->ops) {
            return min(stat_bucket_end(i), op->max_ns);
        }
    }
    return op->max_ns;
}

void stat_add(struct stat *sum, const struct stat *more)
{
    for (unsigned k = 0; k < STAT_KINDS; k++) {
        struct stat_op *to = &sum->op[k];
        const struct stat_op *from = &more->op[k];

        to->ops += from->ops;
        to->errors += from->errors;
        to->bytes += from->bytes;
        to->sum_ns += from->sum_ns;
        to->max_ns = max(to->max_ns, from->max_ns);
        for (unsigned i = 0; i < STAT_BUCKETS; i++) {
            to->bucket[i] += from->bucket[i];
        }
    }
    sum->retries += more->retries;
    sum->limited_ns += more->limited_ns;
    sum->depth += more->depth;
    sum->max_depth = max(sum->max_depth, more->max_depth);
}

void stat_reset(struct stat *s)
{
    *s = (struct stat){.depth = s->depth, .max_depth = s->depth};
}

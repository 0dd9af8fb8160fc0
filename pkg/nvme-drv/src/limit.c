// SPDX-License-Identifier: MIT
// Limits of a client: see limit.h.
#include "limit.h"

#include <util/bits.h>

#define SLACK_NS 2000000u /* of the wait, but no more than a quarter of the burst, which makes up for it */

bool limit_parse(const char *text, uint32_t max, uint32_t *value)
{
    uint64_t n = 0;
    const char *end = text;

    for (; *end >= '0' && *end <= '9' && n <= max; end++) {
        n = n * 10 + (uint64_t)(*end - '0');
    }
    uint64_t unit = *end == 'K' || *end == 'k' ? 1000 : *end == 'M' || *end == 'm' ? 1000000 : 1;

    if (end == text || end[unit != 1] || n < 1 || n > max / unit) {
        return false;
    }
    *value = (uint32_t)(n * unit);
    return true;
}

void limit_init(struct limit *l, const struct limit_options *o)
{
    *l = (struct limit){
        .on = o->iops || o->mbps,
        .op_ns = o->iops ? 1000000000u / o->iops : 0,
        .bytes_per_us = o->mbps,
        .burst_ns = (o->burst_ms ? o->burst_ms : LIMIT_BURST_DEFAULT) * 1000000ull,
    };
}

uint64_t limit_wait(const struct limit *l, uint64_t now_ns)
{
    uint64_t paid = max(l->ops_paid_ns, l->bytes_paid_ns);

    return paid <= now_ns + l->burst_ns ? 0 : paid - l->burst_ns + min((uint64_t)SLACK_NS, l->burst_ns / 4);
}

void limit_charge(struct limit *l, uint64_t now_ns, uint64_t ops, uint64_t bytes)
{
    if (l->op_ns) {
        l->ops_paid_ns = max(l->ops_paid_ns, now_ns) + ops * l->op_ns;
    }
    if (l->bytes_per_us) {
        l->bytes_paid_ns = max(l->bytes_paid_ns, now_ns) + bytes * 1000 / l->bytes_per_us;
    }
}

// SPDX-License-Identifier: MIT
/* Limits of a client: operations and bytes per second, as token buckets in the form of times. Each bucket keeps the
 * time at which what was taken so far is paid for at the rate; a request may go while that is no more than the burst
 * ahead of now, and then moves it on by its own cost. So requests larger than the bucket pass, too, and the rate holds
 * exactly in the mean; over T seconds from rest it is exceeded by burst / T at most. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_IOPS_MAX 10000000u
#define LIMIT_MBPS_MAX 100000u /* MB/s, of 10^6 bytes */
#define LIMIT_BURST_MAX 10000u /* ms */
#define LIMIT_BURST_DEFAULT 50u

struct limit_options {
    uint32_t iops, mbps, burst_ms; /* 0: no such limit; burst: the default */
};

struct limit {
    bool on;
    uint64_t op_ns;        /* of one operation; 0: no limit */
    uint64_t bytes_per_us; /* 0: no limit */
    uint64_t burst_ns;
    uint64_t ops_paid_ns, bytes_paid_ns; /* when all that was taken is paid for */
};

/* iops, mbps: options' values, or NULL when they are none: digits, with K (1000) or M behind. */
bool limit_parse(const char *text, uint32_t max, uint32_t *value);
void limit_init(struct limit *l, const struct limit_options *o);
/* 0: a request may go now; else when to ask again, a little late so that several may go then. */
uint64_t limit_wait(const struct limit *l, uint64_t now_ns);
/* It goes. */
void limit_charge(struct limit *l, uint64_t now_ns, uint64_t ops, uint64_t bytes);

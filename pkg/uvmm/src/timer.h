// SPDX-License-Identifier: MIT
/* Time: one clock, and timers that share the one kernel timer of the VMM. A timer is one-shot; periodic devices set it
 * again. The kernel timer is set only by vtimer_sync, once before the vcpu runs or idles, so that several changes cost
 * one call. */
#pragma once

#include <stdint.h>

#define VTIMER_NEVER UINT64_MAX

struct vtimer {
    void (*fn)(void *ctx);
    void *ctx;
    uint64_t deadline_ns; /* VTIMER_NEVER: not set */
    struct vtimer *next;
    int listed;
};

/* Nanoseconds of the kernel's clock. */
uint64_t clock_now_ns(void);
/* Seconds since 1970 at clock 0, or 0 when the time of day is not known. */
uint64_t clock_epoch(void);

/* Sets t (again). A deadline in the past fires at the next vtimer_run. t must be zeroed or listed before. */
void vtimer_set(struct vtimer *t, uint64_t deadline_ns, void (*fn)(void *), void *ctx);
void vtimer_cancel(struct vtimer *t);
/* Fires all timers due at now. */
void vtimer_run(uint64_t now_ns);
/* Earliest deadline, VTIMER_NEVER if none. */
uint64_t vtimer_next(void);

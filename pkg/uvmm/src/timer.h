// SPDX-License-Identifier: MIT
/* Time: one clock, and timers of the device models. A timer is one-shot; periodic devices set it again. Each vcpu's
 * thread has a queue of timers with one kernel timer behind it: a local APIC's timer is in its vcpu's queue, all others
 * in that of vcpu 0. The kernel timers are set only by vtimer_sync, once before a vcpu runs or waits, so that several
 * changes cost one call. Under the VM lock. */
#pragma once

#include "smp.h"

#include <stdint.h>

#define VTIMER_NEVER UINT64_MAX

struct vtimer {
    void (*fn)(void *ctx);
    void *ctx;
    uint64_t deadline_ns; /* VTIMER_NEVER: not set */
    struct vtimer *next;
    unsigned queue; /* set before the first use */
    int listed;
};

/* Nanoseconds of the guest's clock: the kernel's without the time in which the VM was paused. */
uint64_t clock_now_ns(void);
/* The kernel's clock when the guest's has this value, if there is no further pause. */
uint64_t clock_to_kernel_ns(uint64_t ns);
/* The guest's clocks stand still between these, its TSC included; while all vcpus are parked. */
void clock_stop(void);
void clock_go(void);
/* Seconds since 1970 at clock 0, or 0 when the time of day is not known. */
uint64_t clock_epoch(void);

/* Sets t (again). A deadline in the past fires at the next vtimer_run. t must be zeroed or listed before. */
void vtimer_set(struct vtimer *t, uint64_t deadline_ns, void (*fn)(void *), void *ctx);
void vtimer_cancel(struct vtimer *t);
/* Fires all timers of a queue that are due at now. */
void vtimer_run(unsigned queue, uint64_t now_ns);
/* Earliest deadline of a queue, VTIMER_NEVER if none. */
uint64_t vtimer_next(unsigned queue);
/* Calls arm(queue, deadline) for each queue whose earliest deadline is another than at the last call. */
void vtimer_sync(void (*arm)(unsigned queue, uint64_t deadline_ns));
/* The kernel timer of a queue has fired: it has to be armed again. */
void vtimer_fired(unsigned queue);

// SPDX-License-Identifier: MIT
/* Inside the scheduler: time. 256 priorities, round robin within one. The one-shot timer is armed for the earliest of:
 * a timer's deadline; the end of the running thread's slice if another thread of its priority is ready. */
#pragma once

#include <kernel/thread.h>

#define SCHED_SLICE_NS 10000000ull

/* Earliest deadline of all timers, DEADLINE_NEVER if there is none. */
uint64_t timer_next_deadline(void);
/* Disarms and fires every timer whose deadline is not after now. */
void timer_expire(uint64_t now_ns);

// SPDX-License-Identifier: MIT
/* Inside the scheduler: time. Each processor has its own queues of 256 priorities, round robin within one, and its own
 * timers. Its one-shot interrupt is armed for the earliest of: a timer's deadline; the end of the running thread's
 * slice if another thread of its priority is ready. */
#pragma once

#include <kernel/thread.h>

#define SCHED_SLICE_NS 10000000ull

/* Earliest deadline of this processor's timers, DEADLINE_NEVER if there is none. */
uint64_t timer_next_deadline(void);
/* Disarms and fires every one of them whose deadline is not after now. */
void timer_expire(uint64_t now_ns);

// SPDX-License-Identifier: MIT
/* Inside the scheduler: time. Each processor has its own queues of 256 priorities, round robin within one, and its own
 * timers. Its one-shot interrupt is armed for the earliest of: a timer's deadline; the end of the running thread's
 * slice if another thread of its priority is ready.
 *
 * A guest that spins waits for one of its other vcpus, which may be among the equals and need very little time: then the
 * equals take short turns until the spinning one has its turn again. Nobody gains or loses by that: all of them keep
 * what they have left of their slices. */
#pragma once

#include <kernel/thread.h>

#define SCHED_SLICE_NS 10000000ull
#define SCHED_SPIN_NS 500000ull /* longest turn of the others while a guest spins */

/* Earliest deadline of this processor's timers, DEADLINE_NEVER if there is none. */
uint64_t timer_next_deadline(void);
/* Disarms and fires every one of them whose deadline is not after now. */
void timer_expire(uint64_t now_ns);

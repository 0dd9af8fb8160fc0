// SPDX-License-Identifier: MIT
/* Fibers: functions with their own stack that give the processor up by themselves. Each controller's worker is one, so
 * that bring-up and recovery read as straight code while the program goes on serving. One level: the event loop
 * resumes a fiber, the fiber yields back to it. */
#pragma once

#include <stddef.h>

struct fiber {
    void *sp;      /* of the fiber while it is not running */
    void *loop_sp; /* of the event loop while it is */
};

/* Prepares fn(ctx) to run on the stack, which ends at stack + size. fn must not return. */
void fiber_init(struct fiber *f, void (*fn)(void *ctx), void *ctx, void *stack, size_t size);
/* Event loop: runs the fiber until it yields. */
void fiber_resume(struct fiber *f);
/* Fiber f itself. */
void fiber_yield(struct fiber *f);

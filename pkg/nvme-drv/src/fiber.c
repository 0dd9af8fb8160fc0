// SPDX-License-Identifier: MIT
// Fibers: see fiber.h.
#include "fiber.h"

#include <stdint.h>

/* Stores the callee-saved registers and the stack pointer in *from, and goes on where `to` was stored. fiber_switch.S
 */
void fiber_switch(void **from, void *to);
/* Calls r12(r13): the first thing on a new stack. fiber_switch.S */
void fiber_entry(void);

void fiber_init(struct fiber *f, void (*fn)(void *ctx), void *ctx, void *stack, size_t size)
{
    uint64_t *sp = (uint64_t *)((uintptr_t)stack + (size & ~15ull));

    *--sp = 0; /* ends backtraces, and aligns the stack in fiber_entry */
    *--sp = (uint64_t)fiber_entry;
    *--sp = 0;             /* rbp */
    *--sp = 0;             /* rbx */
    *--sp = (uint64_t)fn;  /* r12 */
    *--sp = (uint64_t)ctx; /* r13 */
    *--sp = 0;             /* r14 */
    *--sp = 0;             /* r15 */
    f->sp = sp;
}

void fiber_resume(struct fiber *f)
{
    fiber_switch(&f->loop_sp, f->sp);
}
void fiber_yield(struct fiber *f)
{
    fiber_switch(&f->sp, f->loop_sp);
}

// SPDX-License-Identifier: MIT
// Traps: what entry.S calls, and the interrupt side of them.
#pragma once

#include <kernel/arch.h>

/* Called by entry.S with interrupts off on the kernel stack, without the BKL; the result is the context to resume. */
struct context *trap_syscall(struct context *ctx);
struct context *trap_user(struct context *ctx);
void trap_kernel(struct regs *regs);
/* On an IST stack: NMI returns, double fault and machine check do not. */
void trap_nested(struct regs *regs);
/* Leaves boot: runs the first context, or idles. Gives the BKL back. */
_Noreturn void trap_start(void);

/* vectors.c: an external interrupt, vectors 32..255. BKL, but for VECTOR_IPI. */
void irq_dispatch(unsigned vector);
#define VECTOR_PIC      0x20 /* ..0x2f: spurious interrupts of the masked PICs */
#define VECTOR_FIRST    0x30
#define VECTOR_LAST     0xef
#define VECTOR_TIMER    0xf0
#define VECTOR_ERROR    0xf1
#define VECTOR_IPI      0xf2 /* enter the kernel: cpu_call(), cpu_kick() */
#define VECTOR_SPURIOUS 0xff

// SPDX-License-Identifier: MIT
/* What the architecture layer calls in the kernel's core (object/, api/). All with interrupts off, BKL, on the
 * processor's kernel stack; they return normally and never block. A handler is called only if ctx is still what this
 * processor runs (context_stop()). */
#pragma once

#include <kernel/arch.h>

/* Once, after all of arch is initialised: creates the root quota, task and thread from the first boot module
 * (an ELF program) and makes the thread ready. */
void core_init(void);

/* SYSCALL of the current thread: rax and arguments are in ctx->regs. */
void core_syscall(struct context *ctx);

/* Exception in user mode: regs.vector, regs.error; address = CR2 for page faults. */
void core_fault(struct context *ctx, uint64_t address);

/* The armed deadline has passed (or the timer fired early; core re-arms). */
void core_timer(uint64_t now_ns);

/* A guest run of ctx has come back to the kernel for a reason other than a host interrupt: ctx->vcpu's state
 * page has the exit. Completes the thread's SYS_VCPU_RUN. */
void core_vcpu_exit(struct context *ctx);

/* The guest that ctx runs waits for another of its vcpus: who is ready at the same priority goes first. */
void core_vcpu_yield(struct context *ctx);

/* Picks what this processor runs next. NULL: nothing is ready, idle. Called after every entry. If it returns
 * a context with vcpu != NULL, arch enters that guest. */
struct context *core_next(void);

/* For the debugger: one line per thread, task, object... to kprintf. what: 't'hreads, 'p' tasks and their
 * capabilities, 's'paces, 'i'nterrupt bindings, 'c'ounters, 'm'emory objects and quotas. */
void core_debug_print(char what);

/* Counters that arch increments: see struct machine_stat. */
extern struct machine_stat core_stat;

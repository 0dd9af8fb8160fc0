// SPDX-License-Identifier: MIT
/* Start-up of lib/sk: for lib/rt, moe and host tests only. Called once, before anything else of lib/sk and before
 * thread-local storage exists. */
#pragma once

#include <sk/env.h>

struct sk_start {
    const struct sk_env *env; /* NULL: no capabilities by name */
    struct utcb *utcb;        /* the main thread's */
    uint64_t free_start;      /* address space for vm.h, page-aligned */
    uint64_t free_end;
};

void sk_init(const struct sk_start *start);
/* From now on FS points to a thread control block: sk_utcb() may look at thread-local storage. */
void sk_tls_ready(void);
bool sk_tls_is_ready(void);
/* Sets the calling thread's UTCB, for threads made by sk/thread.h. */
void sk_utcb_set(struct utcb *utcb);
/* Is the calling thread the one that the program began with? */
bool sk_thread_is_main(void);
/* vm.c: the region that vm_reserve() hands out. */
void vm_init(uint64_t start, uint64_t end);
/* Provided by lib/rt: registers the program's syscall and fault handlers for a new thread; sets the calling thread's
 * stack for its fault handler. */
__attribute__((warn_unused_result)) int64_t sk_thread_handlers(cap_t thread);
void sk_fault_stack_set(void *top);

// SPDX-License-Identifier: MIT
/* Further threads of a program. The C library does not know them: its functions with state of their own (malloc,
 * stdio, vm.h) stay with the main thread; everything else, thread-local variables and errno included, works. */
#pragma once

#include <abi/types.h>
#include <stddef.h>

struct sk_thread {
    cap_t cap;      /* the thread (all rights) */
    void (*entry)(void *arg);
    void *arg;
    struct utcb *utcb;
    void *stack;    /* stack, with the thread-local storage above it */
    size_t stack_size;
    uint64_t sp, tls;
};

/* Makes and starts a thread that runs entry(arg) and ends when it returns. name: at most 8 bytes are kept for the
 * debugger. stack_size 0: 64 KiB. Main thread only; t must live until sk_thread_destroy(). SK_ENOMEM, SK_EPERM
 * (priority above the quota's limit), or what the kernel says. */
__attribute__((warn_unused_result)) int64_t sk_thread_create(struct sk_thread *t, const char *name, unsigned priority,
                                                             size_t stack_size, void (*entry)(void *), void *arg);
/* Stops it wherever it is and frees its memory. Main thread only, not for the calling thread. */
void sk_thread_destroy(struct sk_thread *t);

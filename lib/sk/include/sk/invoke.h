// SPDX-License-Identifier: MIT
/* The SYSCALL instruction with Skerry's registers (abi/syscall.h). A header of its own so that host tests can put a
 * fake kernel in its place by the include path (lib/sk/test/fake). */
#pragma once

#include <abi/syscall.h>

struct sys_result {
    int64_t value;  /* rax */
    uint64_t extra; /* rdx */
};

static inline struct sys_result sys_invoke(enum sys_nr nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                           uint64_t a4, uint64_t a5)
{
    struct sys_result r;
    register uint64_t r10 __asm__("r10") = a3;
    register uint64_t r8 __asm__("r8") = a4;
    register uint64_t r9 __asm__("r9") = a5;

    __asm__ volatile("syscall"
                     : "=a"(r.value), "=d"(r.extra)
                     : "a"((uint64_t)SYS_MAGIC | nr), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}

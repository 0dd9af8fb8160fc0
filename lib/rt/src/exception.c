// SPDX-License-Identifier: MIT
// Faults in words. Pure.
#include <rt/exception.h>
#include <stdio.h>

/* Exceptions by number [SDM-3 table 6-1]. */
static const char *const names[] = {
    "division error",
    "debug exception",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "no FPU",
    "double fault",
    "coprocessor overrun",
    "invalid TSS",
    "segment not present",
    "stack segment fault",
    "general protection fault",
    "page fault",
    "reserved exception",
    "floating point error",
    "misaligned access",
    "machine check",
    "SIMD floating point error",
};
#define NAME_COUNT (sizeof(names) / sizeof(names[0]))
#define PAGE_FAULT 14

/* Page fault error code [SDM-3 4.7]. */
#define PF_PRESENT (1u << 0)
#define PF_WRITE (1u << 1)
#define PF_FETCH (1u << 4)

void rt_exception_describe(const struct utcb_fault *f, char *text, size_t size)
{
    if (f->vector == PAGE_FAULT) {
        const char *access = f->error & PF_FETCH ? "executing" : f->error & PF_WRITE ? "writing" : "reading";
        const char *why = f->error & PF_PRESENT ? "not permitted" : "nothing is mapped there";
        snprintf(text, size, "page fault %s 0x%lx (%s)", access, f->address, why);
    } else if (f->vector == FAULT_SYSCALL) {
        snprintf(text, size, "foreign system call %lu without handler", f->rax);
    } else if (f->vector < NAME_COUNT) {
        snprintf(text, size, "%s (error code 0x%lx)", names[f->vector], f->error);
    } else {
        snprintf(text, size, "exception %lu (error code 0x%lx)", f->vector, f->error);
    }
}

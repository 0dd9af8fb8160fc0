// SPDX-License-Identifier: MIT
// Kernel messages (serial line), panic, assertions. Implemented in arch/x86_64/printk.c and panic.c.
#pragma once

#include <stdarg.h>
#include <stdint.h>

/* printf subset: %c %s %d %i %u %x %X %p %% with l, ll, z; width, 0 and - flags, precision for %s. Any
 * context; output is complete when it returns. Lines of the kernel begin with "kernel: ". */
void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void kvprintf(const char *fmt, va_list ap);

/* One line with the reason, then registers and a symbolised backtrace; stops the machine. For broken kernel
 * invariants only: nothing a program, guest or device does may lead here. */
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define assert(x) \
    do { \
        if (!(x)) { \
            panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #x); \
        } \
    } while (0)

/* Stack trace from a frame pointer, one line per frame: address, symbol + offset. */
void backtrace_print(uint64_t frame_pointer);
/* Name of the kernel function that holds addr and the offset into it; "?" if none. */
const char *symbol_lookup(uint64_t addr, uint64_t *offset);

// SPDX-License-Identifier: MIT
/* Faults of the program.
 *
 * In a guarded access (rt/guard.h): go on behind it. Elsewhere: print one block with the cause, the registers and a
 * backtrace with names, and let the instruction fault again with the handler disarmed, so that the kernel keeps the
 * real state for moe's report. Reading the stack for the backtrace is guarded itself; a nested fault then runs on the
 * lower part of the fault stack. */
#include "rt_priv.h"
#include "symbols.h"

#include <rt/exception.h>
#include <rt/guard.h>
#include <sk/env.h>
#include <sk/init.h>
#include <sk/sys.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FAULT_STACK_BYTES (24u << 10)
#define NESTED_STACK_BYTES (4u << 10)
#define BACKTRACE_MAX 16
#define REPORT_BYTES 2048
#define FAULT_EXIT_CODE 139 /* as a shell reports it */

_Static_assert(offsetof(struct utcb_fault, ip) == 24, "F_IP in entry.S");
_Static_assert(offsetof(struct utcb_fault, flags) == 40, "F_FLAGS in entry.S");
_Static_assert(offsetof(struct utcb_fault, rdi) == 96, "F_RDI in entry.S");
_Static_assert(offsetof(struct utcb_fault, r15) == 104 + 56, "F_R8 in entry.S");

static char main_stack[FAULT_STACK_BYTES] __attribute__((aligned(16)));
__thread char *rt_fault_stack = main_stack + FAULT_STACK_BYTES; /* top; used by entry.S */
__thread uint64_t rt_fault_resume;                              /* used by entry.S */

struct report {
    size_t len;
    char text[REPORT_BYTES];
};
static struct report report;

bool (*rt_fault_hook)(const struct utcb_fault *f);

void sk_fault_stack_set(void *top)
{
    rt_fault_stack = top;
}

static void put(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void put(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(report.text + report.len, sizeof(report.text) - report.len, format, args);
    va_end(args);
    if (n > 0) {
        report.len += (size_t)n;
    }
    if (report.len >= sizeof(report.text)) {
        report.len = sizeof(report.text) - 1;
    }
}

static void put_cause(const struct utcb_fault *f)
{
    char cause[96];

    rt_exception_describe(f, cause, sizeof(cause));
    put("%s: %s\n", rt_program_name(), cause);
}

static void put_place(const char *label, uint64_t addr, const void *elf, size_t size)
{
    uint64_t offset = 0;
    const char *name = elf ? symbols_find(elf, size, addr, &offset) : NULL;

    put("    %-6s 0x%lx", label, addr);
    if (name) {
        put(" %s+0x%lx", name, offset);
    }
    put("\n");
}

static void put_registers(const struct utcb_fault *f)
{
    put("    rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    put("    rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->sp);
    put("    r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    put("    r12 %016lx r13 %016lx r14 %016lx r15 %016lx flags %lx\n", f->r12, f->r13, f->r14, f->r15, f->flags);
}

/* Frames by the frame pointer: [rbp] = caller's rbp, [rbp + 8] = return address. */
static void put_backtrace(uint64_t frame, const void *elf, size_t size)
{
    uint64_t pair[2];

    for (int i = 0; i < BACKTRACE_MAX && frame; i++) {
        if (!rt_guarded_copy(pair, (const void *)frame, sizeof(pair)) || pair[1] == 0) {
            return;
        }
        put_place("from", pair[1], elf, size);
        if (pair[0] <= frame) {
            return;
        }
        frame = pair[0];
    }
}

static void report_print(const struct utcb_fault *f)
{
    char path[64];
    size_t size = 0;

    snprintf(path, sizeof(path), "rom/%s", rt_program_name());
    report.len = 0;
    put_cause(f);
    const void *elf = rt_rom_map(path, &size);
    put_place("ip", f->ip, elf, size);
    put_registers(f);
    put_backtrace(f->rbp, elf, size);
    rt_log_write(report.text, report.len);
}

static bool is_guarded(const struct utcb_fault *f)
{
    bool access = f->vector == 14 || f->vector == 13 || f->vector == 12;

    return access && f->ip >= (uint64_t)rt_guard_start && f->ip < (uint64_t)rt_guard_end;
}

struct utcb_fault *rt_fault_handle(void)
{
    struct utcb *u = sk_utcb();

    if (is_guarded(&u->fault)) {
        u->fault.ip = (uint64_t)rt_guard_failed;
        u->fault_armed = 1;
        return &u->fault;
    }
    if (rt_fault_hook && rt_fault_hook(&u->fault)) {
        u->fault_armed = 1;
        return &u->fault;
    }
    struct utcb_fault f = u->fault;
    rt_fault_stack -= FAULT_STACK_BYTES - NESTED_STACK_BYTES;
    u->fault_armed = 1;
    report_print(&f);
    u->fault_armed = 0;
    if (!sk_thread_is_main()) { /* nobody watches this thread: its fault ends the program */
        rt_exit(FAULT_EXIT_CODE);
    }
    /* Traps leave ip behind their instruction [SDM-3 6.5] and would not come again. */
    if (f.vector == 1 || f.vector == 3 || f.vector == 4) {
        f.ip = (uint64_t)rt_trap;
    }
    u->fault = f;
    return &u->fault;
}

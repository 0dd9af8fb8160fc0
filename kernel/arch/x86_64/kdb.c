// SPDX-License-Identifier: MIT
/* A small debugger. It only looks: no command changes the system, except R and P. Polls the serial line, because it runs
 * inside an interrupt. */
#include "kdb.h"

#include "apic.h"
#include "console.h"
#include "cpu.h"
#include "smp.h"

#include <kernel/core.h>
#include <kernel/log.h>

static void help_print(void)
{
    kprintf("  t threads       p tasks and capabilities   s address spaces   i interrupts   c counters\n"
            "  m memory        r interrupted registers    b backtrace        R reset        g go on\n"
            "  P panic (to see its report)\n");
}

/* The kernel context that was interrupted, or else the current thread's registers; NULL: none. */
static const struct regs *interrupted_regs(void)
{
    struct cpu *cpu = cpu_this();
    return cpu->interrupted ? cpu->interrupted : cpu->current ? &cpu->current->regs : NULL;
}

static void regs_command(void)
{
    const struct regs *r = interrupted_regs();
    if (!r) {
        kprintf("  no thread has run yet\n");
        return;
    }
    kprintf("  %s\n", cpu_this()->interrupted ? "kernel mode (idle, or after a guest's exit)" : "thread in user mode");
    regs_print(r);
    if (cpu_this()->interrupted && cpu_this()->current) {
        kprintf("  thread that ran last:\n");
        regs_print(&cpu_this()->current->regs);
    }
}

static bool command(int c)
{
    switch (c) {
    case 'g':
        return false;
    case 't':
    case 'p':
    case 's':
    case 'c':
    case 'm':
        core_debug_print((char)c);
        break;
    case 'i':
        irq_debug_print();
        core_debug_print((char)c);
        break;
    case 'r':
        regs_command();
        break;
    case 'b':
        backtrace_print((uint64_t)__builtin_frame_address(0));
        if (cpu_this()->interrupted) {
            uint64_t off;
            const char *name = symbol_lookup(cpu_this()->interrupted->rip, &off);
            kprintf("interrupted in %s+%lx, ", name, off);
            backtrace_print(cpu_this()->interrupted->rbp);
        }
        break;
    case 'R':
        machine_reset();
        kprintf("  the machine did not reset\n");
        break;
    case 'P':
        panic("asked for in the debugger");
    case 'h':
    case '?':
        help_print();
        break;
    default:
        kprintf("  no such command; h: help\n");
    }
    return true;
}

void kdb_enter(const char *reason)
{
    cpu_call_all();
    kprintf("\n--- Skerry debugger: %s (h: help, g: go on) ---\n", reason);
    for (bool go = true; go;) {
        kprintf("kdb> ");
        int c;
        while ((c = console_poll()) < 0 || c == '\r' || c == '\n' || c == 0x1b) {
            cpu_relax();
        }
        kprintf("%c\n", c);
        go = command(c);
    }
}

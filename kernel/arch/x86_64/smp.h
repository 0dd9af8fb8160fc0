// SPDX-License-Identifier: MIT
/* Several processors: the big kernel lock, calls between processors, start. docs/locking.md has the rules.
 *
 * A processor that is not `outside` waits for the BKL or has it. It cannot leave the kernel before it has had it, so
 * whoever has the BKL and has seen that another processor is not outside can change what that one runs. While it
 * waits it does what cpu_call() asks for. */
#pragma once

#include "acpi.h"
#include "cpu.h"
#include "memmap.h"

extern struct cpu *cpus[CPUS_MAX]; /* [0, cpu_count()); fixed after smp_init() */

/* Whoever finds it free has it. A queue would be fair, but under a hypervisor its head is often not running: the others would
 * wait for that processor's next turn, each time. */
struct bkl {
    uint32_t held __attribute__((aligned(64)));
};
extern struct bkl bkl;

/* Does what cpu_call() asks of this processor. */
void cpu_call_serve(struct cpu *cpu);

static inline void bkl_acquire(struct cpu *cpu)
{
    /* The registers that others may want are in memory by now: pairs with the load in cpu_notify(). */
    __atomic_store_n(&cpu->outside, false, __ATOMIC_RELEASE);
    while (__atomic_load_n(&bkl.held, __ATOMIC_RELAXED) || __atomic_exchange_n(&bkl.held, 1, __ATOMIC_SEQ_CST)) {
        if (__atomic_load_n(&cpu->called, __ATOMIC_ACQUIRE)) {
            cpu_call_serve(cpu);
        }
        cpu_relax();
    }
}

static inline void bkl_release(struct cpu *cpu)
{
    __atomic_store_n(&cpu->outside, true, __ATOMIC_RELAXED);
    __atomic_store_n(&bkl.held, 0, __ATOMIC_RELEASE); /* pairs with the load in bkl_acquire() */
}

/* The processors of mask, this one not among them, enter the kernel if they are not in it, call fn(arg) there and wait for
 * the BKL. Returns when all have done so. fn may touch what belongs to its processor. BKL. */
void cpu_call(uint64_t mask, void (*fn)(void *arg), void *arg);
/* All other processors wait for the BKL: for the debugger. BKL. */
void cpu_call_all(void);
/* All other processors halt for good, whatever they do. Needs nothing. */
void smp_stop(void);

/* The boot processor is processor 0. */
void smp_boot_cpu(struct cpu *cpu);
/* Starts the others that ACPI tells of, and says so. They are idle then. */
void smp_init(const struct acpi_info *acpi, const struct boot_plan *plan);

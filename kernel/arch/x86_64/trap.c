// SPDX-License-Identifier: MIT
/* From a trap to its handler, and from the scheduler's choice to user or guest mode. */
#include "trap.h"

#include "cpu.h"
#include "fpu.h"
#include "kdb.h"
#include "panic.h"
#include "smp.h"

#include <kernel/core.h>
#include <kernel/log.h>
#include <kernel/vm.h>

#define VECTOR_NMI 2
#define VECTOR_DF  8
#define VECTOR_GP  13
#define VECTOR_PF  14

static const char *const trap_names[32] = {
    "divide error", "debug exception", "NMI", "breakpoint", "overflow", "BOUND range exceeded", "invalid opcode",
    "device not available", "double fault", "coprocessor segment overrun", "invalid TSS", "segment not present",
    "stack fault", "general protection fault", "page fault", "?", "x87 error", "alignment check", "machine check",
    "SIMD exception", "virtualization exception", "control protection exception", "?", "?", "?", "?", "?", "?",
    "hypervisor injection exception", "VMM communication exception", "security exception", "?",
};

const char *trap_name(uint64_t vector) { return vector < ARRAY_SIZE(trap_names) ? trap_names[vector] : "?"; }

/* A user program may have loaded segment registers; the next one must neither see nor inherit them. */
static void segments_reset(void)
{
    uint32_t ds, es, fs, gs;
    asm volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3" : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
    if ((ds | es | fs | gs) == 0) {
        return;
    }
    asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs" : : "r"(0) : "memory");
    /* Loading gs can clear the active base, so it is done with the user's active. */
    asm volatile("swapgs; mov %0, %%gs; swapgs" : : "r"(0) : "memory");
}

static void context_switch(struct cpu *cpu, struct context *ctx)
{
    core_stat.context_switches++;
    if (cpu->pt != ctx->pt) {
        cpu->pt = ctx->pt;
        cr3_write(ctx->pt->root.v);
    }
    segments_reset();
    msr_write(MSR_FS_BASE, ctx->fs_base);
    cpu->fs_base = ctx->fs_base;
    cpu->tss.rsp[0] = (uint64_t)(&ctx->regs + 1);
    cpu->current = ctx;
}

/* Nothing to run: wait for an interrupt. Its handler runs on this stack below us. One that comes behind the release
 * waits for the sti, and ends the hlt. */
static void idle(struct cpu *cpu)
{
    bkl_release(cpu);
    asm volatile("sti; hlt; cli" : : : "memory");
    bkl_acquire(cpu);
}

/* The one place where interrupts are taken in kernel mode besides idle(): after a guest exit for one. */
static void interrupt_window(void) { asm volatile("sti; nop; cli" : : : "memory"); }

static void guest_run(struct context *ctx)
{
    core_stat.vm_entries++;
    switch (vm_ops_get(NULL)->vcpu_enter(ctx->vcpu)) {
    case VM_HOST_INTERRUPT:
        interrupt_window();
        break;
    case VM_DOORBELL:
        break;
    case VM_PAUSE:
        core_vcpu_yield(ctx);
        break;
    case VM_EXIT:
        core_vcpu_exit(ctx);
        break;
    }
}

/* Chooses and prepares what runs next. Whatever is in ctx->regs, the way out cannot fault: cs, ss and rflags are
 * ours, and an instruction pointer outside the user half becomes the thread's own fault here. */
static struct context *resume_prepare(struct cpu *cpu)
{
    for (;;) {
        struct context *ctx = core_next();
        if (!ctx) {
            idle(cpu);
            continue;
        }
        if (ctx != cpu->current || cpu->pt != ctx->pt) {
            context_switch(cpu, ctx);
        }
        if (ctx->vcpu) {
            guest_run(ctx);
            continue;
        }
        if (!is_user_address(ctx->regs.rip)) {
            ctx->regs.vector = VECTOR_GP;
            ctx->regs.error = 0;
            core_fault(ctx, 0);
            continue;
        }
        if (cpu->fs_base != ctx->fs_base) {
            msr_write(MSR_FS_BASE, ctx->fs_base);
            cpu->fs_base = ctx->fs_base;
        }
        fpu_switch(ctx->fpu);
        bkl_release(cpu);
        return ctx;
    }
}

/* ctx has been stopped (context_stop()) if it is not current when this processor has the BKL: then it is not ours to touch. */
struct context *trap_syscall(struct context *ctx)
{
    struct cpu *cpu = cpu_this();
    bkl_acquire(cpu);
    if (cpu->current == ctx) {
        core_syscall(ctx);
    }
    return resume_prepare(cpu);
}

struct context *trap_user(struct context *ctx)
{
    struct cpu *cpu = cpu_this();
    uint64_t vector = ctx->regs.vector, address = vector == VECTOR_PF ? cr2_read() : 0;
    bkl_acquire(cpu);
    if (vector >= 32) {
        irq_dispatch((unsigned)vector);
    } else if (cpu->current == ctx) {
        core_fault(ctx, address);
    }
    return resume_prepare(cpu);
}

void trap_kernel(struct regs *regs)
{
    struct cpu *cpu = cpu_this();
    if (regs->vector >= 32) {
        struct regs *outer = cpu->interrupted;
        bool idle = cpu->outside; /* not so in interrupt_window() */
        if (idle) {
            bkl_acquire(cpu);
        }
        cpu->interrupted = regs;
        irq_dispatch((unsigned)regs->vector);
        cpu->interrupted = outer;
        if (idle) {
            bkl_release(cpu);
        }
        return;
    }
    kprintf("\n");
    if (regs->vector == VECTOR_PF) {
        uint64_t cr2 = cr2_read();
        panic_regs(regs, "%s in the kernel: %s of address %lx (%s)", trap_name(regs->vector),
                   regs->error & 16 ? "execution" : regs->error & 2 ? "write" : "read", cr2,
                   regs->error & 1 ? "not permitted" : "not mapped");
    }
    panic_regs(regs, "%s in the kernel, error code %lx", trap_name(regs->vector), regs->error);
}

void trap_nested(struct regs *regs)
{
    if (regs->vector == VECTOR_NMI) {
        panic_join();
        /* System control port B tells why: bit 7 memory parity, bit 6 I/O channel check. */
        uint8_t status = inb(0x61);
        kprintf("\nkernel: NMI (port 61: %x%s%s), rip %lx; going on\n", status,
                status & 0x80 ? ", memory parity error" : "", status & 0x40 ? ", I/O channel check" : "", regs->rip);
        return;
    }
    panic_regs(regs, "%s%s", trap_name(regs->vector),
               regs->vector == VECTOR_DF ? " (kernel stack overflow, or a broken descriptor table)" : "");
}

_Noreturn void trap_start(void)
{
    struct cpu *cpu = cpu_this();
    struct context *ctx = resume_prepare(cpu);
    asm volatile("jmp context_resume" : : "a"(ctx) : "memory");
    __builtin_unreachable();
}

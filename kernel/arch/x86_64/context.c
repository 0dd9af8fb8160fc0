// SPDX-License-Identifier: MIT
// A thread's registers: initial values, and the layout that entry.S is written for.
#include "cpu.h"
#include "fpu.h"
#include "page_table.h"

#include <kernel/log.h>
#include <string.h>

_Static_assert(offsetof(struct context, regs) == 0, "regs come first");
_Static_assert(sizeof(struct regs) == 176, "REGS_SIZE");
_Static_assert(sizeof(struct regs) % 16 == 0, "TSS.rsp0 must stay aligned");
_Static_assert(offsetof(struct regs, r15) == 0, "push order");
_Static_assert(offsetof(struct regs, r11) == 32, "REGS_R11");
_Static_assert(offsetof(struct regs, rcx) == 104, "REGS_RCX");
_Static_assert(offsetof(struct regs, rax) == 112, "push order");
_Static_assert(offsetof(struct regs, vector) == 120, "REGS_VECTOR");
_Static_assert(offsetof(struct regs, rip) == 136, "REGS_RIP");
_Static_assert(offsetof(struct regs, cs) == 144, "REGS_CS");
_Static_assert(offsetof(struct regs, rflags) == 152, "REGS_RFLAGS");
_Static_assert(offsetof(struct regs, rsp) == 160, "REGS_RSP");
_Static_assert(offsetof(struct regs, ss) == 168, "order of an interrupt frame");
_Static_assert(offsetof(struct cpu, current) == 8, "CPU_CURRENT");
_Static_assert(offsetof(struct cpu, user_rsp) == 16, "CPU_USER_RSP");
_Static_assert(offsetof(struct cpu, stack_top) == 24, "CPU_STACK");

void context_init(struct context *ctx, uint64_t ip, uint64_t sp, uint64_t arg)
{
    assert(is_aligned((uint64_t)ctx, 16)); /* the processor aligns rsp before it stores an interrupt frame */
    memset(&ctx->regs, 0, sizeof(ctx->regs));
    ctx->regs.rip = ip;
    ctx->regs.rsp = sp;
    ctx->regs.rdi = arg;
    ctx->regs.cs = SEL_USER_CS;
    ctx->regs.ss = SEL_USER_SS;
    ctx->regs.rflags = RFLAGS_ONE | RFLAGS_IF;
}

void context_forget(struct context *ctx)
{
    struct cpu *cpu = cpu_this();
    context_stop(ctx);
    fpu_forget(ctx->fpu);
    if (cpu->current == ctx) {
        cpu->current = NULL;
    }
    /* The task may die with its last thread: leave its page table. */
    if (ctx->pt) {
        pt_unload_local(ctx->pt);
    }
}

// SPDX-License-Identifier: MIT
/* The kernel's core on the host: a fake of arch.h, and helpers with which a test plays the programs.
 *
 * Pages come from the host's aligned allocator, so that the sanitizers see misuse. "Physical" addresses of kernel pages
 * are their host addresses minus DIRECT_MAP (wrapping), as arch.h computes them. Page tables are a recorded list of
 * ranges. */
#pragma once

#include <kernel/boot.h>
#include <kernel/core.h>
#include <kernel/quota.h>
#include <kernel/sched.h>
#include <kernel/sys.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fake {
    uint64_t pages_used, page_limit; /* kpage_alloc fails beyond the limit */
    uint64_t now_ns, armed_ns;
    unsigned pt_maps, pt_unmaps; /* calls */
    unsigned pt_fail_after;      /* pt_map fails when it reaches 0; UINT32_MAX: never */
    uint64_t pt_bytes;           /* mapped in all tables */
    uint32_t masked_gsi, unmasked_gsi, attached_gsi;
    struct irq_target *line, *msi, *console;
    bool level;
    unsigned resets;
    char console_out[128];
    bool console_full;
    unsigned forgotten;
    unsigned cpu, cpus; /* the one that runs; how many there are */
    unsigned kicks[CPUS_MAX], stops;
    unsigned irq_cpu;
};
extern struct fake fake;

struct world {
    struct quota *root;
    struct task *task;
    struct thread *t; /* priority 128, running; CAP_TASK, CAP_THREAD, CAP_QUOTA are set */
};

/* cmocka set-up and tear-down: a machine with one task and thread; at the end everything must have been freed. */
int world_setup(void **state);
int world_teardown(void **state);

/* t (which must be the running thread, or is made it) does a system call through core_syscall() and core_next(). The
 * result is rax, or what rax held (BLOCKED) if it blocks. */
#define BLOCKED INT64_C(0x7b10c4ed)
int64_t sc(struct thread *t, enum sys_nr nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
           uint64_t a5);
#define SC0(t, nr) sc(t, nr, 0, 0, 0, 0, 0, 0)
#define SC1(t, nr, a) sc(t, nr, (uint64_t)(a), 0, 0, 0, 0, 0)
#define SC2(t, nr, a, b) sc(t, nr, (uint64_t)(a), (uint64_t)(b), 0, 0, 0, 0)
#define SC3(t, nr, a, b, c) sc(t, nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, 0, 0)
#define SC4(t, nr, a, b, c, d) sc(t, nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), 0, 0)
#define SC5(t, nr, a, b, c, d, e)                                                                                      \
    sc(t, nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), 0)
#define SC6(t, nr, a, b, c, d, e, f)                                                                                   \
    sc(t, nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f))
static inline int64_t rax(const struct thread *t)
{
    return (int64_t)t->ctx.regs.rax;
}
static inline uint64_t rdx(const struct thread *t)
{
    return t->ctx.regs.rdx;
}
/* What the processor would run now. */
struct thread *running(void);
/* A started thread of its own task; its three preset capabilities are set. *cap: to the thread, in w->t's table. */
struct thread *spawn(struct world *w, uint8_t priority, cap_t *cap);
/* A started thread in w->task. */
struct thread *spawn_here(struct world *w, uint8_t priority, cap_t *cap);
/* Puts a copy of from's capability into to's table. */
cap_t give(struct thread *from, cap_t cap, struct thread *to, uint32_t rights);
/* Root memory object, as boot makes it; capability in w->t's table. */
cap_t ram(struct world *w, uint64_t base, uint64_t size, uint32_t flags);
void advance(uint64_t ns);

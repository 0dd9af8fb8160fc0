// SPDX-License-Identifier: MIT
/* What kernel/arch/x86_64 offers to the rest of the kernel.
 *
 * Execution model: one kernel stack per processor, interrupts are off in the kernel, and nothing in the kernel
 * blocks. Every entry (SYSCALL, exception, interrupt, exit from a guest) saves the user registers directly
 * into the current thread's struct context, switches to the processor's kernel stack and calls one of the
 * handlers of core.h. When a handler returns, arch calls core_next() for the context to run next and
 * resumes it (or idles with interrupts on when there is none). So a "blocked" thread is just one that
 * core_next() does not choose; its result is stored into its context before it is made ready.
 *
 * One big kernel lock (BKL, docs/locking.md): the entry paths take it before the first call of core.h and give it back
 * before the return to user mode, to a guest or to idle. "BKL" marks what needs it.
 */
#pragma once

#include <kernel/types.h>

/* --- processors ------------------------------------------------------------------------------- */

#define CPUS_MAX 64u /* a mask of them is one word */
/* Processors that run: 0 .. cpu_count() - 1. Fixed before core_init(). */
unsigned cpu_count(void);
/* The one that this code runs on. */
unsigned cpu_index(void);
/* Another processor calls core_next() soon. BKL. */
void cpu_kick(unsigned cpu);
struct context;
/* Makes sure that no other processor runs ctx: its registers are in ctx->regs, and a system call, fault or guest exit of
 * which it was about to tell is dropped. It stays so until the BKL is given back; by then ctx must not be runnable
 * where it was, or have been set up anew. BKL. */
void context_stop(struct context *ctx);
/* ctx->regs are current, wherever it runs. BKL. */
void context_sync(const struct context *ctx);

/* --- physical memory --------------------------------------------------------------------------- */

/* The kernel maps all RAM (and the ACPI areas) at DIRECT_MAP, writable and not executable. */
#define DIRECT_MAP 0xffff800000000000ull
static inline void *phys_to_virt(paddr_t p) { return (void *)(p.v + DIRECT_MAP); }
static inline paddr_t virt_to_phys(const void *v) { return (paddr_t){ (uint64_t)v - DIRECT_MAP }; }

/* One page from the kernel's pool, zeroed. BKL. NULL when the pool is empty. */
must_check void *kpage_alloc(void);
/* page must come from kpage_alloc and be unused. BKL. */
void kpage_free(void *page);
void kpage_stat(uint64_t *total_bytes, uint64_t *used_bytes);

/* --- page tables ---------------------------------------------------------------------------------- */

/* One radix tree; `format` decides the entries' bits. A table page costs its owner one page through the
 * callbacks, so that quotas see it. */
struct pt_format;
extern const struct pt_format pt_task_format;  /* x86-64 4-level, user pages, NX */
extern const struct pt_format pt_npt_format;   /* AMD nested paging: as a user page table [APM-2 15.25] */
extern const struct pt_format pt_ept_format;   /* Intel EPT [SDM-3 29.3] */

struct page_table {
    const struct pt_format *format;
    paddr_t root;
    /* Called for each table page: return a zeroed page or NULL; both get the page_table. */
    void *(*alloc)(struct page_table *);
    void (*free)(struct page_table *, void *page);
    uint64_t stale; /* set by pt_unmap: translations may be cached until pt_flush */
};

enum pt_attr { PT_R = RIGHT_R, PT_W = RIGHT_W, PT_X = RIGHT_X, PT_DEVICE = 1 << 8 /* uncached */ };

/* Creates the root (kernel half included for pt_task_format). SK_ENOMEM. */
must_check int pt_init(struct page_table *pt, const struct pt_format *format);
/* Frees all table pages; the table must not be active on any processor. */
void pt_destroy(struct page_table *pt);
/* Maps [va, va+size) to [pa, pa+size), page-aligned, currently unmapped, with the largest pages that fit.
 * SK_ENOMEM: nothing is mapped, tables made so far stay for reuse. */
must_check int pt_map(struct page_table *pt, uint64_t va, paddr_t pa, uint64_t size, uint32_t attr);
/* Unmaps [va, va+size). Large pages are never split: the range must not cut one (mappings come and go whole;
 * pt_map never merges two calls). Flushes what any processor may have cached, and ends the guest runs that use pt, until
 * the BKL is given back. Frees empty tables lazily. */
void pt_unmap(struct page_table *pt, uint64_t va, uint64_t size);
/* Translation of va, for the debugger and tests: PADDR_NONE if unmapped. */
paddr_t pt_lookup(const struct page_table *pt, uint64_t va, uint32_t *attr, uint64_t *page_size);

/* --- threads' machine state -------------------------------------------------------------------------- */

struct fpu_state; /* XSAVE area of a thread or vcpu, one page or more from the kernel pool */

/* The machine state of a thread, first member of struct thread. Entry code depends on the layout of regs:
 * offsets are asserted in arch/x86_64/context.c. */
struct context {
    struct regs {
        uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
        uint64_t vector, error; /* of the last exception or interrupt */
        uint64_t rip, cs, rflags, rsp, ss;
    } regs;
    uint64_t fs_base;
    struct fpu_state *fpu;
    struct page_table *pt; /* the task's; loaded when the context is resumed */
    bool entered_by_syscall; /* resume may use SYSRET if the context is unchanged otherwise */
    /* Non-NULL: resuming means entering this vcpu's guest (core_next() sets it; vm.h). */
    struct vcpu_arch *vcpu;
};

/* Allocates FPU state from pages that `alloc` gives (FPU size is known after boot: fpu_state_pages()). */
unsigned fpu_state_pages(void);
/* Initial x87/SSE/AVX state (FCW 0x37f, MXCSR 0x1f80) in a zeroed area of fpu_state_pages() pages. */
void fpu_state_init(struct fpu_state *fpu);
/* User-mode registers for a fresh start: segments, rflags = IF, everything else 0. */
void context_init(struct context *ctx, uint64_t ip, uint64_t sp, uint64_t arg);
/* Name of an exception, e.g. "page fault"; "?" above 31. */
const char *trap_name(uint64_t vector);
/* Is va a canonical user address? */
static inline bool is_user_address(uint64_t va) { return va < USER_END; }
/* Called by core when ctx is destroyed or begins anew: no processor keeps it loaded (FPU, page table). BKL. */
void context_forget(struct context *ctx);

/* --- time ------------------------------------------------------------------------------------------- */

/* Monotonic, ns since boot (the clock of kinfo). */
uint64_t clock_now_ns(void);
/* Arms this processor's one-shot interrupt; core_timer() is called there at or after the deadline. UINT64_MAX: none. */
void timer_arm(uint64_t deadline_ns);

/* --- interrupts -------------------------------------------------------------------------------------- */

/* An interrupt source in use: what to call when its vector fires. */
struct irq_target {
    void (*fire)(struct irq_target *); /* interrupts off, BKL */
};
unsigned irq_line_count(void);
unsigned irq_vectors_free(void);
/* Routes line gsi to t by way of processor cpu, and unmasks it. flags: IRQ_*. SK_ERANGE, SK_EBUSY, SK_ENODEV. */
must_check int irq_line_attach(uint32_t gsi, uint32_t flags, unsigned cpu, struct irq_target *t, bool *level);
void irq_line_mask(uint32_t gsi);
void irq_line_unmask(uint32_t gsi);
void irq_line_detach(uint32_t gsi);
/* Allocates a vector for an MSI to processor cpu. rax/rdx of SYS_MSI_BIND in data/address. SK_ENODEV. */
must_check int irq_msi_attach(struct irq_target *t, unsigned cpu, uint32_t *data, uint64_t *address, unsigned *vector);
void irq_msi_detach(unsigned vector);

/* --- console -------------------------------------------------------------------------------------------- */

/* The kernel's own text: it is out, behind all that was queued, when this returns. */
void console_write(const char *text, size_t len);
/* A program's text, up to UTCB_BYTES: waits for nothing. false: no room now for all of it, nothing was taken. */
must_check bool console_queue(const char *text, size_t len);
/* Input bytes received so far, at most max; 0 if none. */
size_t console_read(char *buf, size_t max);
/* t->fire is called when input arrives (NULL: nobody). */
void console_set_target(struct irq_target *t);

/* --- ports, machine ---------------------------------------------------------------------------------------- */

uint32_t port_in(uint16_t port, unsigned width);
void port_out(uint16_t port, unsigned width, uint32_t value);
/* Ports that the kernel drives itself (its UART, PIT, PICs): programs may not touch them. */
bool port_reserved(uint16_t port, unsigned count);
/* Does the physical range overlap RAM, the kernel or an interrupt controller (not for programs)?
 * ACPI and other firmware areas are not RAM here. */
bool phys_reserved(paddr_t base, uint64_t size);
uint64_t phys_limit(void); /* 1 << MAXPHYADDR */
void machine_reset(void);  /* returns only if every way failed */
struct kinfo *kinfo_page(void); /* kernel's writable view of the kinfo page */

/* --- boot: what the loader left, in the kernel's own copy ---------------------------------------------------- */

#define BOOT_CMDLINE_MAX 1024
struct boot_params {
    char cmdline[BOOT_CMDLINE_MAX]; /* kernel's own, program name first */
    uint64_t rsdp;
    uint64_t ram_bytes, kernel_bytes, module_bytes;
    uint32_t ram_count, module_count;
    /* Free RAM: page-aligned, sorted, without kernel, kernel pool, modules and the page 0. */
    struct { paddr_t base; uint64_t size; } ram[BOOT_MAX_MEMORY];
    struct {
        paddr_t base;          /* page-aligned */
        uint64_t size;         /* bytes */
        const char *cmdline;   /* file name (may have a path) and arguments */
    } module[BOOT_MAX_MODULES];
    struct { uint64_t base; uint32_t pitch, width, height, bpp; } fb;
};
const struct boot_params *boot_params(void);

// SPDX-License-Identifier: MIT
/* Instructions that C has no words for, control-register and MSR numbers, and per-processor data.
 *
 * Documents: [SDM-3] Intel 64 and IA-32 SDM, volume 3; [APM-2] AMD64 Architecture Programmer's Manual, volume 2. */
#pragma once

#include <kernel/arch.h>

/* Bits hi:lo of a register, as the manuals write them. */
#define FIELD(hi, lo) ((~0ull >> (63 - (hi))) & (~0ull << (lo)))
#define BIT(n)        (1ull << (n))

/* Control registers. [SDM-3 2.5] */
#define CR0_PE       BIT(0)
#define CR0_MP       BIT(1)
#define CR0_EM       BIT(2)
#define CR0_TS       BIT(3)
#define CR0_ET       BIT(4)
#define CR0_NE       BIT(5)
#define CR0_WP       BIT(16)
#define CR0_AM       BIT(18)
#define CR0_NW       BIT(29)
#define CR0_CD       BIT(30)
#define CR0_PG       BIT(31)
#define CR4_DE       BIT(3)
#define CR4_PSE      BIT(4)
#define CR4_PAE      BIT(5)
#define CR4_MCE      BIT(6)
#define CR4_PGE      BIT(7)
#define CR4_OSFXSR   BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP     BIT(11)
#define CR4_FSGSBASE BIT(16)
#define CR4_OSXSAVE  BIT(18)
#define CR4_SMEP     BIT(20)
#define CR4_SMAP     BIT(21)

/* RFLAGS. [SDM-3 2.3] */
#define RFLAGS_ONE  BIT(1)
#define RFLAGS_TF   BIT(8)
#define RFLAGS_IF   BIT(9)
#define RFLAGS_VM   BIT(17)

/* Model-specific registers. [SDM-4 2.1], [APM-2 A] */
#define MSR_APIC_BASE      0x1bu
#define MSR_PAT            0x277u
#define MSR_TSC_DEADLINE   0x6e0u
#define MSR_X2APIC         0x800u
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_CSTAR          0xc0000083u
#define MSR_SFMASK         0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX        0xc0000103u
#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

/* Segment selectors; the order of the user ones is what SYSRET asks for. [SDM-3 5.8.8] */
#define SEL_KERNEL_CS 0x08
#define SEL_KERNEL_SS 0x10
#define SEL_USER_SS   0x23
#define SEL_USER_CS   0x2b
#define SEL_TSS       0x30

struct cpuid_regs { uint32_t eax, ebx, ecx, edx; };

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}
static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t lo, hi;
    asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}
static inline void msr_write(uint32_t msr, uint64_t v)
{
    asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
static inline uint64_t xcr_read(uint32_t n)
{
    uint32_t lo, hi;
    asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(n));
    return (uint64_t)hi << 32 | lo;
}
static inline void xcr_write(uint32_t n, uint64_t v)
{
    asm volatile("xsetbv" : : "c"(n), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

#define CR_ACCESS(n) \
    static inline uint64_t cr##n##_read(void) \
    { \
        uint64_t v; \
        asm volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory"); \
        return v; \
    } \
    static inline void cr##n##_write(uint64_t v) { asm volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); }
CR_ACCESS(0)
CR_ACCESS(2)
CR_ACCESS(3)
CR_ACCESS(4)

static inline void invlpg(uint64_t va) { asm volatile("invlpg (%0)" : : "r"(va) : "memory"); }
/* QEMU's TCG, by the hypervisor's name "TCGTCGTCGTCG" in leaf 4000_0000h, which CPUID 1 ecx bit 31 says to be there. */
static inline bool cpu_is_tcg(void)
{
    struct cpuid_regs r = cpuid(0x40000000, 0);

    return (cpuid(1, 0).ecx & BIT(31)) && r.ebx == 0x54474354 && r.ecx == 0x43544743 && r.edx == 0x47435447;
}

static inline void cpu_relax(void) { asm volatile("pause" : : : "memory"); }
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline void outb(uint16_t port, uint8_t v) { asm volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline uint16_t inw(uint16_t port)
{
    uint16_t v;
    asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline void outw(uint16_t port, uint16_t v) { asm volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline void outl(uint16_t port, uint32_t v) { asm volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }

/* 64-bit task state segment. [SDM-3 8.7, figure 8-11] */
struct tss {
    uint32_t _rsvd0;
    uint64_t rsp[3];
    uint64_t _rsvd1;
    uint64_t ist[7];
    uint64_t _rsvd2;
    uint16_t _rsvd3;
    uint16_t iomap_base;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "TSS size");
_Static_assert(offsetof(struct tss, rsp) == 4, "TSS rsp0");
_Static_assert(offsetof(struct tss, ist) == 36, "TSS ist1");
_Static_assert(offsetof(struct tss, iomap_base) == 102, "TSS io map base");

/* Per-processor data; gs points to it while the kernel runs. "BKL": read by others, and written by its own processor or
 * by who holds the BKL while this one waits for it; the rest belongs to its processor alone. The offsets of the first
 * members are known to entry.S (asserted in context.c). */
struct cpu {
    struct cpu *self;
    struct context *current; /* what runs in user mode, or ran last; NULL at boot and after it was stopped. BKL */
    uint64_t user_rsp;       /* scratch of the SYSCALL entry */
    uint64_t stack_top;      /* kernel stack: empty at every entry from user mode */
    uint64_t fs_base;        /* what MSR_FS_BASE holds for user mode */
    struct page_table *pt;   /* what CR3 holds; NULL: the kernel's own. BKL */
    struct page_table *nested; /* of the guest that it is in, or NULL. BKL */
    struct fpu_state *fpu;   /* whose state the FPU registers hold; NULL: nobody's. BKL */
    struct regs *interrupted; /* kernel context that an interrupt came upon, for the debugger */
    uint64_t deadline_ns;    /* time.c: core's */
    uint64_t armed_ns;       /* what the timer is set to */
    uint32_t index, apic_id;
    bool outside;            /* has given the BKL back and not asked for it since: smp.c */
    bool called;             /* has not yet done what cpu_call() asks for */
    void *vm_page[2];        /* for vm/: zeroed at first */
    uint64_t ist_top[3];     /* stacks of NMI, double fault, machine check */
    uint64_t gdt[8];
    struct tss tss;
};
_Static_assert(sizeof(struct cpu) <= PAGE_SIZE, "one page");
#define KERNEL_STACK_PAGES 4u /* as in boot.S */

static inline struct cpu *cpu_this(void)
{
    struct cpu *c;
    asm("movq %%gs:0, %0" : "=r"(c));
    return c;
}

/* CR3 of the kernel's own page table: no user half; loaded when idle without a task. */
extern uint64_t kernel_cr3;
/* gdt.c: loads this processor's GDT, TSS, IDT and SYSCALL registers. Also repairs what a guest run breaks:
 */
void cpu_tables_init(struct cpu *cpu);
/* main.c: CR0 and CR4 of this processor. */
void cpu_protection_init(void);

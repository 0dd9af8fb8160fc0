// SPDX-License-Identifier: MIT
/* Descriptor tables and the registers of the SYSCALL instruction.
 *
 * GDT: null, kernel code, kernel stack, (32-bit user code: none, so that user code cannot leave 64-bit mode),
 * user stack, user code, TSS. NMI, double fault and machine check use interrupt stacks 1, 2 and 3.
 *
 * Document: [SDM-3] 3.4.5, 5.8.8, 6.14, 8.2. */
#include "cpu.h"

#include <string.h>

extern char trap_stubs[], entry_syscall[];

#define DESC_CODE64(dpl) (0x00209b0000000000ull | (uint64_t)(dpl) << 45)
#define DESC_DATA(dpl)   (0x0000930000000000ull | (uint64_t)(dpl) << 45)
#define DESC_TSS         0x0000890000000000ull
#define DESC_TSS_BUSY    0x0000020000000000ull
#define GATE_INTERRUPT   0x8e00u
#define GATE_DPL3        0x6000u

struct gate {
    uint16_t offset_lo, selector, flags, offset_mid;
    uint32_t offset_hi, _rsvd;
};
_Static_assert(sizeof(struct gate) == 16, "interrupt gate size");
struct table_pointer { uint16_t limit; uint64_t base; } __attribute__((packed));

static struct gate idt[256]; /* the same for all */

static void idt_init(void)
{
    for (unsigned v = 0; v < 256; v++) {
        uint64_t a = (uint64_t)trap_stubs + v * 16;
        unsigned ist = v == 2 ? 1 : v == 8 ? 2 : v == 18 ? 3 : 0;
        bool user = v == 3 || v == 4; /* INT3, INTO */
        idt[v] = (struct gate){
            .offset_lo = (uint16_t)a,
            .selector = SEL_KERNEL_CS,
            .flags = (uint16_t)(GATE_INTERRUPT | (user ? GATE_DPL3 : 0) | ist),
            .offset_mid = (uint16_t)(a >> 16),
            .offset_hi = (uint32_t)(a >> 32),
        };
    }
}

static void tss_init(struct cpu *cpu)
{
    uint64_t base = (uint64_t)&cpu->tss, limit = sizeof(cpu->tss) - 1;
    for (unsigned i = 0; i < ARRAY_SIZE(cpu->ist_top); i++) {
        cpu->tss.ist[i] = cpu->ist_top[i];
    }
    cpu->tss.iomap_base = sizeof(cpu->tss); /* none: user mode has no port */
    cpu->gdt[SEL_KERNEL_CS / 8] = DESC_CODE64(0);
    cpu->gdt[SEL_KERNEL_SS / 8] = DESC_DATA(0);
    cpu->gdt[SEL_USER_SS / 8] = DESC_DATA(3);
    cpu->gdt[SEL_USER_CS / 8] = DESC_CODE64(3);
    cpu->gdt[SEL_TSS / 8] = DESC_TSS | limit | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
    cpu->gdt[SEL_TSS / 8 + 1] = base >> 32;
}

static void tss_load(struct cpu *cpu)
{
    cpu->gdt[SEL_TSS / 8] &= ~DESC_TSS_BUSY;
    asm volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");
}


void cpu_tables_init(struct cpu *cpu)
{
    cpu->self = cpu;
    if (cpu->index == 0) {
        idt_init();
    }
    tss_init(cpu);
    struct table_pointer gdtr = { sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt }, idtr = { sizeof(idt) - 1, (uint64_t)idt };
    asm volatile("lgdt %0; lidt %1" : : "m"(gdtr), "m"(idtr) : "memory");
    asm volatile("push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: mov %w1, %%ss; mov %w2, %%ds; mov %w2, %%es;"
                 "mov %w2, %%fs; mov %w2, %%gs"
                 : : "i"(SEL_KERNEL_CS), "r"(SEL_KERNEL_SS), "r"(0) : "rax", "memory");
    tss_load(cpu);
    msr_write(MSR_GS_BASE, (uint64_t)cpu);
    msr_write(MSR_KERNEL_GS_BASE, 0);
    msr_write(MSR_FS_BASE, 0);
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE);
    /* SYSCALL: CS = 8, SS = 16; SYSRET: SS = base + 8, CS = base + 16, RPL 3. [SDM-3 5.8.8] */
    msr_write(MSR_STAR, (uint64_t)(SEL_USER_SS - 8) << 48 | (uint64_t)SEL_KERNEL_CS << 32);
    msr_write(MSR_LSTAR, (uint64_t)entry_syscall);
    msr_write(MSR_CSTAR, 0);
    msr_write(MSR_SFMASK, 0x3fffff & ~RFLAGS_ONE);
}

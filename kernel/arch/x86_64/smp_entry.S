// SPDX-License-Identifier: MIT
/* Where a processor begins after INIT and STARTUP: in real mode at the page that the STARTUP names [SDM-3 10.4]. smp.c
 * copies ap_trampoline there. By way of the boot page table, which maps that page at its address, to the kernel's own;
 * then the processor looks for its slot in ap_slots by its APIC id, and halts if it is not expected (any more). */

#define KERNEL_BASE 0xffffffff80000000
#define PHYS(sym) (sym - KERNEL_BASE)
#define AP_PAGE 0x8000 /* as in smp.c */
#define HERE(sym) (AP_PAGE + sym - ap_trampoline)
/* struct ap_slot, struct cpu: asserted in smp.c, context.c */
#define SLOT_SIZE  24
#define SLOT_STATE 4
#define SLOT_CPU   8
#define CPU_STACK  24

    .section .rodata
    .globl ap_trampoline, ap_trampoline_end
    .balign 16
    .code16
ap_trampoline:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    lgdtl ap_gdtr - ap_trampoline
    mov $0x11, %eax         /* ET, PE; CD and NW off */
    mov %eax, %cr0
    ljmpl $0x08, $HERE(1f)
    .code32
1:  mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $0x20, %eax         /* PAE */
    mov %eax, %cr4
    mov $PHYS(boot_pml4), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx   /* EFER: LME, NXE */
    xor %edx, %edx
    mov $0x900, %eax
    wrmsr
    mov $0x80010011, %eax   /* PG, WP, ET, PE */
    mov %eax, %cr0
    ljmp $0x18, $HERE(1f)
    .code64
1:  movabs $ap_high, %rax
    jmp *%rax
    .balign 8
ap_gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
ap_gdtr:
    .short ap_gdtr - ap_gdt - 1
    .long HERE(ap_gdt)
ap_trampoline_end:

    .text
ap_high:
    mov kernel_cr3, %rax
    mov %rax, %cr3
    /* The x2APIC id of leaf 0xb, or else the 8 bits of leaf 1. [SDM-2 CPUID] */
    xor %eax, %eax
    cpuid
    cmp $0xb, %eax
    jb 1f
    mov $0xb, %eax
    xor %ecx, %ecx
    cpuid
    test %ebx, %ebx
    jnz 2f
1:  mov $1, %eax
    cpuid
    shr $24, %ebx
    mov %ebx, %edx
2:  mov $ap_slots, %rdi
    mov ap_slot_count, %ecx
3:  sub $1, %ecx
    jc ap_halt
    cmp %edx, (%rdi)
    je 4f
    add $SLOT_SIZE, %rdi
    jmp 3b
4:  xor %eax, %eax          /* AP_EXPECTED */
    mov $1, %ecx            /* AP_COMES */
    lock cmpxchg %ecx, SLOT_STATE(%rdi)
    jne ap_halt
    mov SLOT_CPU(%rdi), %rax
    mov CPU_STACK(%rax), %rsp
    xor %ebp, %ebp
    call ap_main
    .globl ap_halt
ap_halt:
    cli
    hlt
    jmp ap_halt
    .section .note.GNU-stack, "", @progbits

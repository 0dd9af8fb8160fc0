// SPDX-License-Identifier: MIT
/* From the boot loader to C: multiboot headers, processor check, first page table, long mode.
 *
 * Entered in 32-bit protected mode without paging, eax = loader's magic, ebx = its information [MB1 3.2], [MB2 3.3];
 * the same for GRUB on UEFI, which ends the boot services first because no header tag asks to keep them.
 * The first page table maps the low 4 GiB with 2 MiB pages at 0, at DIRECT_MAP and (1 GiB) at KERNEL_BASE;
 * paging.c replaces it, and nothing stays mapped at 0.
 *
 * Documents: [MB1] Multiboot Specification 0.6.96; [MB2] Multiboot2 Specification 2.0; [SDM-3] 9.8.5 */

#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x00000003 /* page-aligned modules, memory information */
#define MB2_MAGIC 0xe85250d6
#define KERNEL_BASE 0xffffffff80000000
#define PHYS(sym) (sym - KERNEL_BASE)

#define COM1 0x3f8

    .section .multiboot, "a"
    .balign 8
mb1_header:
    .long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)

    .balign 8
mb2_header:
    .long MB2_MAGIC, 0, mb2_end - mb2_header, -(MB2_MAGIC + mb2_end - mb2_header)
    /* framebuffer: take what there is, optional [MB2 3.1.10] */
    .short 5, 1
    .long 20, 0, 0, 0
    .balign 8
    /* page-aligned modules [MB2 3.1.12] */
    .short 6, 0
    .long 8
    /* end */
    .short 0, 0
    .long 8
mb2_end:

    .section .boot, "ax"
    .code32
    .globl _start
_start:
    cli
    cld
    mov $PHYS(boot_stack_top), %esp
    mov %eax, %ebp
    call uart_init

    /* CPUID itself: can EFLAGS.ID be changed? [SDM-1 3.4.3.3] */
    pushfl
    pop %eax
    mov %eax, %ecx
    xor $0x200000, %eax
    push %eax
    popfl
    pushfl
    pop %eax
    push %ecx
    popfl
    xor %ecx, %eax
    mov $name_cpuid, %esi
    test $0x200000, %eax
    jz reject

    mov %ebx, %edi
    mov $0x80000000, %eax
    cpuid
    mov $name_lm, %esi
    cmp $0x80000001, %eax
    jb reject
    mov $1, %eax
    cpuid
    mov $features_1, %esi
    call check_features
    mov $0x80000001, %eax
    cpuid
    mov $features_81, %esi
    call check_features
    mov %edi, %ebx

    /* Clear .bss: the loader may, but need not, have done so for a segment that is followed by another. */
    mov $PHYS(image_bss_start), %edi
    mov $PHYS(image_bss_end), %ecx
    sub %edi, %ecx
    shr $2, %ecx
    xor %eax, %eax
    rep stosl

    /* 2048 entries of 2 MiB in four page directories. */
    mov $PHYS(boot_pd), %edi
    mov $0x83, %eax         /* present, writable, large */
    xor %edx, %edx
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    inc %edx
    cmp $2048, %edx
    jb 1b
    mov $PHYS(boot_pdpt), %edi
    mov $PHYS(boot_pd) + 3, %eax
    mov %eax, (%edi)
    add $0x1000, %eax
    mov %eax, 8(%edi)
    add $0x1000, %eax
    mov %eax, 16(%edi)
    add $0x1000, %eax
    mov %eax, 24(%edi)
    movl $PHYS(boot_pd) + 3, PHYS(boot_pdpt_high) + 510 * 8
    movl $PHYS(boot_pdpt) + 3, PHYS(boot_pml4)
    movl $PHYS(boot_pdpt) + 3, PHYS(boot_pml4) + 256 * 8
    movl $PHYS(boot_pdpt_high) + 3, PHYS(boot_pml4) + 511 * 8

    mov %cr4, %eax
    or $0x20, %eax          /* PAE */
    mov %eax, %cr4
    mov $PHYS(boot_pml4), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx   /* EFER: LME, NXE */
    rdmsr
    or $0x900, %eax
    wrmsr
    mov %cr0, %eax
    and $0x9fffffff, %eax   /* CD, NW off */
    or $0x80010001, %eax    /* PG, WP, PE */
    mov %eax, %cr0
    lgdt boot_gdtr
    ljmp $0x08, $1f

    .code64
1:  mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    movabs $boot_high, %rax
    jmp *%rax

    .text
boot_high:
    mov $boot_stack_top, %rsp
    mov %ebp, %edi
    mov %ebx, %esi
    xor %ebp, %ebp
    call boot_main
    ud2

    .section .boot, "ax"
    .code32
/* esi: pairs of edx bit mask and name, mask 0 ends the list. */
check_features:
1:  mov (%esi), %eax
    test %eax, %eax
    jz 2f
    test %eax, %edx
    jz 3f
    add $8, %esi
    jmp 1b
2:  ret
3:  mov 4(%esi), %esi
reject:
    push %esi
    mov $msg_reject, %esi
    call puts
    pop %esi
    call puts
    mov $msg_remedy, %esi
    call puts
1:  hlt
    jmp 1b

uart_init: /* 115200 baud, 8N1, FIFOs on */
    mov $COM1 + 3, %edx
    mov $0x80, %al
    out %al, %dx
    mov $COM1, %edx
    mov $1, %al
    out %al, %dx
    inc %edx
    xor %eax, %eax
    out %al, %dx
    mov $COM1 + 3, %edx
    mov $3, %al
    out %al, %dx
    dec %edx
    mov $7, %al
    out %al, %dx
    ret

puts: /* esi: text; a dead UART costs a bounded wait per character */
    mov (%esi), %ah
    test %ah, %ah
    jz 3f
    inc %esi
    mov $100000, %ecx
    mov $COM1 + 5, %edx
1:  in %dx, %al
    test $0x20, %al
    jnz 2f
    dec %ecx
    jnz 1b
2:  mov $COM1, %edx
    mov %ah, %al
    out %al, %dx
    jmp puts
3:  ret

msg_reject: .asciz "\r\nkernel: cannot start: this processor has no "
msg_remedy: .asciz "; use a 64-bit x86 processor (QEMU: -cpu EPYC,+svm)\r\n"
name_cpuid: .asciz "CPUID instruction"
name_lm:    .asciz "long mode"
name_nx:    .asciz "NX bit"
name_fpu:   .asciz "FPU"
name_tsc:   .asciz "time-stamp counter"
name_msr:   .asciz "model-specific registers"
name_pae:   .asciz "PAE"
name_apic:  .asciz "local APIC"
name_pat:   .asciz "page attribute table"
name_fxsr:  .asciz "FXSAVE instruction"
name_sse2:  .asciz "SSE2"

    .balign 8
/* [SDM-2 CPUID, table 3-11] leaf 1, edx */
features_1:
    .long 1 << 0, name_fpu, 1 << 4, name_tsc, 1 << 5, name_msr, 1 << 6, name_pae, 1 << 9, name_apic
    .long 1 << 16, name_pat, 1 << 24, name_fxsr, 1 << 26, name_sse2, 0
/* [SDM-2 CPUID, table 3-8] leaf 0x80000001, edx. Not bit 11, SYSCALL: Intel's show it in 64-bit mode only, and long mode has it. */
features_81:
    .long 1 << 29, name_lm, 1 << 20, name_nx, 0

    .balign 8
boot_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdtr:
    .short boot_gdtr - boot_gdt - 1
    .long boot_gdt

    .bss
    .balign 4096
    .globl boot_pml4
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pdpt_high:
    .skip 4096
boot_pd:
    .skip 4 * 4096
/* The boot stack becomes the boot processor's kernel stack. The page below it is unmapped by paging.c. */
    .globl boot_stack_guard, boot_stack_top
boot_stack_guard:
    .skip 4096
boot_stack:
    .skip 4 * 4096
boot_stack_top:
    .section .note.GNU-stack, "", @progbits

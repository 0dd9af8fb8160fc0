// SPDX-License-Identifier: MIT
/* Entry, own page tables (the first 4 GiB, identity), descriptor tables, interrupt stubs. Position-independent. */

#define STACK_SIZE 16384

    .section .entry, "ax"
    .code64
    ud2                         // there is no 32-bit entry
    .org 0x200
    .globl entry
entry:                          // rsi: struct boot_params
    cli
    cld
    lea     stack_top(%rip), %rsp
    lea     bss_start(%rip), %rdi
    lea     bss_end(%rip), %rcx
    sub     %rdi, %rcx
    xor     %eax, %eax
    rep stosb
    push    %rsi
    call    tables_make
    lea     gdt(%rip), %rax
    lea     gdtr(%rip), %rdx
    mov     %rax, 2(%rdx)
    lgdt    (%rdx)
    lea     1f(%rip), %rax
    pushq   $0x10
    push    %rax
    lretq
1:  mov     $0x18, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    pop     %rdi
    and     $-16, %rsp
    call    guest_main
    ud2

    .text
    .globl tables_load
tables_load:                    // rdi: page table root, rsi: IDT, 4096 bytes
    mov     %rdi, %cr3
    pushq   %rsi
    pushw   $4095
    lidt    (%rsp)
    add     $10, %rsp
    ret

    .balign 16
    .globl stubs
stubs:                          // 256 stubs of 16 bytes
    .set    v, 0
    .rept   256
    .balign 16
    pushq   $v
    jmp     common
    .set    v, v + 1
    .endr

common:                         // an error code may be below the vector; interrupt() finds out
    push    %rax
    push    %rcx
    push    %rdx
    push    %rsi
    push    %rdi
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %rbx
    push    %rbp
    mov     %rsp, %rbp
    lea     11 * 8(%rsp), %rdi  // vector, [error code], rip, ...
    cld
    and     $-16, %rsp
    call    interrupt           // rax: bytes to drop below the frame: vector, with error code or without
    mov     %rbp, %rsp
    mov     %rax, 11 * 8(%rsp)  // in the vector's place
    pop     %rbp
    pop     %rbx
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rdi
    pop     %rsi
    pop     %rdx
    pop     %rcx
    pop     %rax
    cmpq    $8, (%rsp)
    jne     2f
    add     $8, %rsp
    iretq
2:  add     $16, %rsp
    iretq

    .globl rdmsr_insn, wrmsr_insn
wrmsr_write:                    // edi: index, rsi: value
    .globl wrmsr_write
    mov     %edi, %ecx
    mov     %esi, %eax
    mov     %rsi, %rdx
    shr     $32, %rdx
wrmsr_insn:
    wrmsr
    ret
    .globl rdmsr_read
rdmsr_read:
    mov     %edi, %ecx
rdmsr_insn:
    rdmsr
    ret

    .data
    .balign 8
gdt:
    .quad   0, 0
    .quad   0x00af9b000000ffff  // 0x10: code
    .quad   0x00cf93000000ffff  // 0x18: data
gdtr:
    .word   4 * 8 - 1
    .quad   0

    .bss
    .balign 16
    .skip   STACK_SIZE
stack_top:

    .section .note.GNU-stack, "", @progbits

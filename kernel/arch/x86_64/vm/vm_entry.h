// SPDX-License-Identifier: MIT
/* Assembler macros of svm_entry.S and vmx_entry.S: the host's and the guest's general registers. */
#pragma once

/* enum vcpu_gpr */
#define RAX  0
#define RCX  8
#define RDX  16
#define RBX  24
#define RBP  40
#define RSI  48
#define RDI  56
#define R8   64
#define R9   72
#define R10  80
#define R11  88
#define R12  96
#define R13  104
#define R14  112
#define R15  120

/* What the ABI says a function keeps; %rbp is the frame's. */
.macro host_push
    push %rbp
    mov %rsp, %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
.endm

.macro host_pop
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
.endm

/* All but rax and rsp, from and to gpr[] at %rdi. Saving leaves out rdi. */
.macro gprs_load
    mov RCX(%rdi), %rcx
    mov RDX(%rdi), %rdx
    mov RBX(%rdi), %rbx
    mov RBP(%rdi), %rbp
    mov RSI(%rdi), %rsi
    mov R8(%rdi), %r8
    mov R9(%rdi), %r9
    mov R10(%rdi), %r10
    mov R11(%rdi), %r11
    mov R12(%rdi), %r12
    mov R13(%rdi), %r13
    mov R14(%rdi), %r14
    mov R15(%rdi), %r15
    mov RDI(%rdi), %rdi
.endm

.macro gprs_save
    mov %rcx, RCX(%rdi)
    mov %rdx, RDX(%rdi)
    mov %rbx, RBX(%rdi)
    mov %rbp, RBP(%rdi)
    mov %rsi, RSI(%rdi)
    mov %r8, R8(%rdi)
    mov %r9, R9(%rdi)
    mov %r10, R10(%rdi)
    mov %r11, R11(%rdi)
    mov %r12, R12(%rdi)
    mov %r13, R13(%rdi)
    mov %r14, R14(%rdi)
    mov %r15, R15(%rdi)
.endm

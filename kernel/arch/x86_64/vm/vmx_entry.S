// SPDX-License-Identifier: MIT
/* bool vmx_enter(uint64_t *gpr (rdi), uint64_t launched (rsi))
 *
 * World switch by the current VMCS. VM entry and VM exit switch rip, rsp, rflags, control registers, segments, descriptor
 * tables and the MSRs of vmx.h; the general registers are switched here, the rest in vmx.c. Interrupts are off on both sides: what
 * comes for the host ends the guest's run and stays pending, whatever the guest's RFLAGS.IF. [SDM-3 27, 28] */

#define VMCS_HOST_RSP 0x6c14

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

    .text
    .globl vmx_enter
    .type vmx_enter, @function
vmx_enter:
    push %rbp
    mov %rsp, %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdi
    mov $VMCS_HOST_RSP, %eax
    vmwrite %rsp, %rax
    test %rsi, %rsi
    mov RAX(%rdi), %rax
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
    jz 1f
    vmresume
    jmp 2f
1:  vmlaunch
    /* refused: the guest has not run */
2:  pop %rdi
    xor %eax, %eax
    jmp 3f

    /* VM exit comes here, with rsp from VMCS_HOST_RSP */
    .globl vmx_exit_entry
vmx_exit_entry:
    push %rdi
    mov 8(%rsp), %rdi
    mov %rax, RAX(%rdi)
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
    pop %rax
    mov %rax, RDI(%rdi)
    pop %rdi
    mov $1, %eax
3:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size vmx_enter, . - vmx_enter

    .section .note.GNU-stack, "", @progbits

// SPDX-License-Identifier: MIT
/* Entries of a program: its system calls and its faults; and the guarded accesses.
 *
 * Foreign system call: the kernel resumes here with rcx = return address, r11 = flags, all else as at the SYSCALL,
 * on the program's own stack, whose red zone (128 bytes, psABI 3.2.2) is in use. Everything but rax, rcx, r11 must
 * be as before when the program goes on, SSE registers included: Linux keeps them too.
 *
 * Fault: the registers are in the UTCB, ours hold nothing that is needed. The stack may be what faulted, so the
 * handler has its own. It ends by loading all registers from struct utcb_fault. */

    .text

    .globl rt_syscall_entry
    .type rt_syscall_entry, @function
rt_syscall_entry:
    lea -128(%rsp), %rsp
    push %rcx
    push %r11
    push %rbp
    mov %rsp, %rbp
    push %r9
    push %r8
    push %r10
    push %rdx
    push %rsi
    push %rdi
    mov %rax, %rdi
    mov %rsp, %rsi
    sub $512, %rsp
    and $-16, %rsp
    fxsave64 (%rsp)
    call rt_linux_call
    fxrstor64 (%rsp)
    lea -48(%rbp), %rsp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %r10
    pop %r8
    pop %r9
    pop %rbp
    pop %r11
    pop %rcx
    push %r11
    popfq
    lea 128(%rsp), %rsp
    jmp *%rcx
    .size rt_syscall_entry, . - rt_syscall_entry

    /* struct utcb_fault; asserted in fault.c */
    .set F_IP, 24
    .set F_SP, 32
    .set F_FLAGS, 40
    .set F_RAX, 48
    .set F_RCX, 56
    .set F_RDX, 64
    .set F_RBX, 72
    .set F_RBP, 80
    .set F_RSI, 88
    .set F_RDI, 96
    .set F_R8, 104

    .globl rt_fault_entry
    .type rt_fault_entry, @function
rt_fault_entry:
    mov %fs:rt_fault_stack@tpoff, %rsp
    xor %ebp, %ebp
    cld
    call rt_fault_handle
    mov %rax, %rdi
    mov F_IP(%rdi), %rax
    mov %rax, %fs:rt_fault_resume@tpoff
    pushq F_FLAGS(%rdi)
    popfq
    mov F_SP(%rdi), %rsp
    mov F_RAX(%rdi), %rax
    mov F_RCX(%rdi), %rcx
    mov F_RDX(%rdi), %rdx
    mov F_RBX(%rdi), %rbx
    mov F_RBP(%rdi), %rbp
    mov F_RSI(%rdi), %rsi
    mov F_R8(%rdi), %r8
    mov F_R8+8(%rdi), %r9
    mov F_R8+16(%rdi), %r10
    mov F_R8+24(%rdi), %r11
    mov F_R8+32(%rdi), %r12
    mov F_R8+40(%rdi), %r13
    mov F_R8+48(%rdi), %r14
    mov F_R8+56(%rdi), %r15
    mov F_RDI(%rdi), %rdi
    jmp *%fs:rt_fault_resume@tpoff
    .size rt_fault_entry, . - rt_fault_entry

    /* Between rt_guard_start and rt_guard_end no instruction changes rsp before its ret: a fault there goes on at
     * rt_guard_failed, which returns false to the caller. */
    .globl rt_guard_start
rt_guard_start:

    .globl rt_guarded_copy
    .type rt_guarded_copy, @function
rt_guarded_copy:
    mov %rdx, %rcx
    shr $3, %rcx
    rep movsq
    mov %edx, %ecx
    and $7, %ecx
    rep movsb
    mov $1, %eax
    ret
    .size rt_guarded_copy, . - rt_guarded_copy

    .macro guarded_access bits, reg
    .globl rt_guarded_read\bits
    .type rt_guarded_read\bits, @function
rt_guarded_read\bits:
    mov (%rdi), %\reg
    mov %\reg, (%rsi)
    mov $1, %eax
    ret
    .size rt_guarded_read\bits, . - rt_guarded_read\bits
    .endm
    guarded_access 8, al
    guarded_access 16, ax
    guarded_access 32, eax
    guarded_access 64, rax

    .macro guarded_write bits, reg
    .globl rt_guarded_write\bits
    .type rt_guarded_write\bits, @function
rt_guarded_write\bits:
    mov %\reg, (%rdi)
    mov $1, %eax
    ret
    .size rt_guarded_write\bits, . - rt_guarded_write\bits
    .endm
    guarded_write 8, sil
    guarded_write 16, si
    guarded_write 32, esi
    guarded_write 64, rsi

    .globl rt_guard_end
rt_guard_end:

    .globl rt_guard_failed
    .type rt_guard_failed, @function
rt_guard_failed:
    xor %eax, %eax
    ret
    .size rt_guard_failed, . - rt_guard_failed

    /* Where a program goes that ends by a trap which would not repeat itself. */
    .globl rt_trap
    .type rt_trap, @function
rt_trap:
    ud2
    .size rt_trap, . - rt_trap

    .section .note.GNU-stack, "", @progbits

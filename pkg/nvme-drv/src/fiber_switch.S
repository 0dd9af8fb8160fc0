/* SPDX-License-Identifier: MIT */
/* Stack switch of fiber.c: rdi = where to store this stack pointer, rsi = the one to go on with. */
    .text
    .globl fiber_switch
    .type fiber_switch, @function
fiber_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size fiber_switch, . - fiber_switch

    .globl fiber_entry
    .type fiber_entry, @function
fiber_entry:
    sub $8, %rsp
    mov %r13, %rdi
    call *%r12
    ud2
    .size fiber_entry, . - fiber_entry

    .section .note.GNU-stack, "", @progbits

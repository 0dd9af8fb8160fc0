// SPDX-License-Identifier: MIT
/* The trap boundary: SYSCALL, exceptions and interrupts in; SYSRET and IRETQ out.
 *
 * From user mode, registers go straight into struct context of the current thread: SYSCALL pushes them with rsp
 * pointing into it; for exceptions and interrupts TSS.rsp0 points behind its regs, so that the processor itself
 * stores rip .. ss there. Then the empty kernel stack is used. From kernel mode (idle, or the window after a guest
 * exit) the same layout is built on the kernel stack. NMI, double fault and machine check have stacks of their own
 * and may come at any instruction, also with the user's gs: they look at the GS base itself.
 *
 * Registers that hold user values are cleared before C runs, and RFLAGS is the kernel's (AC = 0: SMAP holds).
 * Layout constants are asserted in context.c. */

#define REGS_SIZE   176
#define REGS_RCX    104
#define REGS_R11    32
#define REGS_VECTOR 120
#define REGS_RIP    136
#define REGS_CS     144
#define REGS_RFLAGS 152
#define REGS_RSP    160
#define CPU_CURRENT 8
#define CPU_USER_RSP 16
#define CPU_STACK   24
#define MSR_GS_BASE 0xc0000101

    .macro push_gprs
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    .endm

    .macro pop_gprs
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    .endm

    .macro clear_gprs
    xor %eax, %eax
    xor %ecx, %ecx
    xor %edx, %edx
    xor %ebx, %ebx
    xor %ebp, %ebp
    xor %esi, %esi
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    .endm

    .text
    .globl entry_syscall
    .balign 64
entry_syscall:
    swapgs
    mov %rsp, %gs:CPU_USER_RSP
    mov %gs:CPU_CURRENT, %rsp
    lea REGS_RFLAGS + 8(%rsp), %rsp
    push %r11               /* rflags */
    sub $8, %rsp            /* cs: as context_init() left it, likewise ss */
    push %rcx               /* rip */
    sub $16, %rsp           /* error, vector */
    push_gprs
    mov %rsp, %rdi
    mov %gs:CPU_USER_RSP, %rax
    mov %rax, REGS_RSP(%rdi)
    mov %gs:CPU_STACK, %rsp
    clear_gprs
    call trap_syscall
    /* fall through */

/* rax: the context to resume, which trap_*() made current. */
    .globl context_resume
context_resume:
    mov %rax, %rsp
    mov REGS_RIP(%rax), %rcx
    cmp %rcx, REGS_RCX(%rax)
    jne 1f
    mov REGS_RFLAGS(%rax), %rdx
    cmp %rdx, REGS_R11(%rax)
    jne 1f
    /* rip is canonical and below USER_END: trap.c has checked it. rcx and r11 are what SYSRET wants. */
    pop_gprs
    swapgs
    mov REGS_RSP - REGS_VECTOR(%rsp), %rsp
    sysretq
1:  pop_gprs
    add $16, %rsp
    swapgs
    iretq

/* Stack: vector, error, rip, cs, rflags, rsp, ss. */
    .balign 64
trap_common:
    testb $3, REGS_CS - REGS_VECTOR(%rsp)
    jz trap_from_kernel
    swapgs
    push_gprs
    mov %rsp, %rdi
    mov %gs:CPU_STACK, %rsp
    push $2
    popfq
    clear_gprs
    call trap_user
    jmp context_resume

trap_from_kernel:
    push_gprs
    mov %rsp, %rdi
    push $2
    popfq
    mov %rsp, %rbx
    and $-16, %rsp
    call trap_kernel
    mov %rbx, %rsp
    pop_gprs
    add $16, %rsp
    iretq

/* On an IST stack, gs unknown: the kernel's GS base is negative. */
trap_paranoid:
    push_gprs
    mov %rsp, %rdi
    push $2
    popfq
    mov $MSR_GS_BASE, %ecx
    rdmsr
    xor %r12d, %r12d
    test %edx, %edx
    js 1f
    mov $1, %r12d
    swapgs
1:  mov %rsp, %rbx
    and $-16, %rsp
    call trap_nested
    mov %rbx, %rsp
    test %r12d, %r12d
    jz 2f
    swapgs
2:  pop_gprs
    add $16, %rsp
    iretq

/* One stub of 16 bytes per vector; those without an error code push 0. [SDM-3 table 6-1] */
    .globl trap_stubs
    .balign 16
trap_stubs:
    .set n, 0
    .rept 256
    .balign 16
    .if !(n == 8 || (n >= 10 && n <= 14) || n == 17 || n == 21 || n == 29 || n == 30)
    push $0
    .endif
    push $n
    .if n == 2 || n == 8 || n == 18
    jmp trap_paranoid
    .else
    jmp trap_common
    .endif
    .set n, n + 1
    .endr
    .section .note.GNU-stack, "", @progbits

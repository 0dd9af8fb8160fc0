// SPDX-License-Identifier: MIT
/* void svm_enter(uint64_t *gpr (rdi), uint64_t vmcb_pa (rsi), uint64_t host_save_pa (rdx))
 *
 * World switch. VMRUN and #VMEXIT switch rip, rsp, rax, rflags, CR0, CR3, CR4, EFER, GDTR, IDTR and CS, SS, DS, ES;
 * VMLOAD and VMSAVE switch FS, GS, TR, LDTR, KernelGSBase and the syscall MSRs [APM-2 15.5]; the rest of the general registers
 * is switched here, the others in svm.c.
 *
 * Interrupts: GIF is 0 from before the host's GS is given up until it is back, so that no NMI handler can run with the
 * guest's GS and TR. RFLAGS.IF is 1 at VMRUN: with V_INTR_MASKING that is what lets host interrupts end the guest's run
 * [APM-2 15.21.1]. It is 0 again before STGI: a pending interrupt waits for the kernel to be ready. */

/* enum vcpu_gpr */
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
    .globl svm_enter
    .type svm_enter, @function
svm_enter:
    push %rbp
    mov %rsp, %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdx
    push %rdi

    clgi
    mov %rdx, %rax
    vmsave
    mov %rsi, %rax
    vmload
    sti
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
    vmrun
    cli
    vmsave
    /* rax is vmcb_pa again; the stack is the host's */
    mov %rdi, %rax
    pop %rdi
    mov %rax, RDI(%rdi)
    pop %rax
    vmload
    stgi
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
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size svm_enter, . - svm_enter

    .section .note.GNU-stack, "", @progbits

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

#include "vm_entry.h"

    .text
    .globl svm_enter
    .type svm_enter, @function
svm_enter:
    host_push
    push %rdx
    push %rdi

    clgi
    mov %rdx, %rax
    vmsave
    mov %rsi, %rax
    vmload
    sti
    gprs_load
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
    gprs_save
    host_pop
    ret
    .size svm_enter, . - svm_enter

    .section .note.GNU-stack, "", @progbits

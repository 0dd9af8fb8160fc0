// SPDX-License-Identifier: MIT
/* bool vmx_enter(uint64_t *gpr (rdi), uint64_t launched (rsi))
 *
 * World switch by the current VMCS. VM entry and VM exit switch rip, rsp, rflags, control registers, segments, descriptor
 * tables and the MSRs of vmx.h; the general registers are switched here, the rest in vmx.c. Interrupts are off on both sides: what
 * comes for the host ends the guest's run and stays pending, whatever the guest's RFLAGS.IF. [SDM-3 27, 28] */

#define VMCS_HOST_RSP 0x6c14

#include "vm_entry.h"

    .text
    .globl vmx_enter
    .type vmx_enter, @function
vmx_enter:
    host_push
    push %rdi
    mov $VMCS_HOST_RSP, %eax
    vmwrite %rsp, %rax
    test %rsi, %rsi
    mov RAX(%rdi), %rax
    gprs_load
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
    gprs_save
    pop %rax
    mov %rax, RDI(%rdi)
    pop %rdi
    mov $1, %eax
3:  host_pop
    ret
    .size vmx_enter, . - vmx_enter

    .section .note.GNU-stack, "", @progbits

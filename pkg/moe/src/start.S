// SPDX-License-Identifier: MIT
// First instruction of the root task: rdi = struct boot_info, on a stack that the kernel made.

    .text
    .globl _sk_start
    .type _sk_start, @function
_sk_start:
    xor %ebp, %ebp
    and $-16, %rsp
    call moe_start
    ud2
    .size _sk_start, . - _sk_start

    .section .note.GNU-stack, "", @progbits

// SPDX-License-Identifier: MIT
/* First instruction of a program: the stack holds argc, argv, envp and the auxiliary vector, as on Linux. Alone in its
 * file, because the root task has a start of its own. */

    .text
    .globl _sk_start
    .type _sk_start, @function
_sk_start:
    xor %ebp, %ebp
    mov %rsp, %rdi
    and $-16, %rsp
    call rt_start
    ud2
    .size _sk_start, . - _sk_start

    .section .note.GNU-stack, "", @progbits

// SPDX-License-Identifier: MIT
// Entry: rdi = struct boot_info.
    .text
    .globl _start
_start:
    xor %ebp, %ebp
    and $-16, %rsp
    call vmtest_main
    ud2
    .section .note.GNU-stack, "", @progbits

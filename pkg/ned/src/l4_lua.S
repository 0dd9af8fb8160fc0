// SPDX-License-Identifier: MIT
// The L4 package's Lua source, built into ned.
    .section .rodata
    .globl ned_l4_lua, ned_l4_lua_end
ned_l4_lua:
    .incbin NED_L4_LUA
ned_l4_lua_end:
    .byte 0
    .section .note.GNU-stack, "", @progbits

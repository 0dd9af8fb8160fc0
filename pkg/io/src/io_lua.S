// SPDX-License-Identifier: MIT
// The vbus language's Lua source, built into io.
    .section .rodata
    .globl io_config_lua, io_config_lua_end
io_config_lua:
    .incbin IO_CONFIG_LUA
io_config_lua_end:
    .byte 0
    .section .note.GNU-stack, "", @progbits

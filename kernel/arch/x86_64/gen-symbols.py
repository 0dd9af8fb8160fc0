#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gen-symbols.py NM-OUTPUT: the kernel's symbol table (see panic.c) as assembly on standard output.

Input: `nm -n` of the first link. Functions only, sorted by address; of several names for one address the first."""
import sys

KERNEL_BASE = 0xffffffff80000000

symbols = {}
with open(sys.argv[1], encoding="ascii") as f:
    for line in f:
        fields = line.split()
        if len(fields) == 3 and fields[1] in "tT" and int(fields[0], 16) >= KERNEL_BASE:
            symbols.setdefault(int(fields[0], 16), fields[2])

names, offset = [], 0
print('.section .symbols, "a"\n.balign 8\n.globl symbol_table, symbol_count, symbol_names\nsymbol_table:')
for address, name in sorted(symbols.items()):
    print(f".long {address - KERNEL_BASE:#x}, {offset:#x}")
    names.append(name)
    offset += len(name) + 1
print(f"symbol_count: .long {len(names)}\nsymbol_names:")
for name in names:
    print(f'.asciz "{name}"')
print('.section .note.GNU-stack, "", @progbits')

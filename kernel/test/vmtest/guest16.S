// SPDX-License-Identifier: MIT
// Guest code in real mode, run at 0:CODE (vmtest.h). Results go to DATA.
#define DATA 0x3000

.macro CODE16 name
    .globl \name, \name\()_end
\name:
    .code16
.endm
.macro END name
\name\()_end:
.endm

    .section .rodata

/* every width; results of IN to DATA */
CODE16 g16_io
    mov $0x11, %al
    out %al, $0x80
    mov $0x3f8, %dx
    mov $0x2222, %ax
    out %ax, %dx
    mov $0x33334444, %eax
    out %eax, %dx
    xor %eax, %eax
    in $0x81, %al
    mov %eax, DATA
    in %dx, %ax
    mov %eax, DATA + 8
    in %dx, %eax
    mov %eax, DATA + 16
    hlt
END g16_io

CODE16 g16_io_string
    mov $0x1f0, %dx
    mov $DATA, %si
    mov $DATA + 0x100, %di
    mov $3, %cx
    outsb
    rep outsw
    insl
    addr32 rep outsl
    hlt
END g16_io_string

/* to be run with IF = 1 */
CODE16 g16_spin
    inc %ebx
    jmp g16_spin
END g16_spin

CODE16 g16_hlt
    hlt
    hlt
END g16_hlt

/* no interrupt table: triple fault */
CODE16 g16_triple
    lidt %cs:2f - g16_triple + 0x1000
    ud2
2:  .word 0
    .long 0
END g16_triple

/* INT n through the table at 0 */
CODE16 g16_int
    int $0x21
    hlt
END g16_int

CODE16 g16_ud
    ud2
    hlt
END g16_ud

/* an access to each page that ebx names */
CODE16 g16_touch
    mov (%ebx), %eax
    hlt
END g16_touch

CODE16 g16_touch_loop
    mov (%ebx), %eax
    inc %ecx
    jmp g16_touch_loop
END g16_touch_loop

CODE16 g16_shadow
    sti
    hlt
    mov %ds, %ax
    mov %ax, %ss
    cpuid
    hlt
END g16_shadow

/* doorbells: 16 bits, 32 bits, 8 bits */
CODE16 g16_doorbell
    mov $0x500, %dx
    mov $7, %eax
    out %ax, %dx
    out %eax, %dx
    out %al, %dx
    mov $0x10007, %eax
    out %ax, %dx
    out %eax, %dx
    hlt
END g16_doorbell

CODE16 g16_doorbell_spin
    mov $0x500, %dx
1:  inc %ebx
    out %ax, %dx
    jmp 1b
END g16_doorbell_spin

    .section .note.GNU-stack, "", @progbits

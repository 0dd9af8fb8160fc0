// SPDX-License-Identifier: MIT
// Guest code in 64-bit mode, run at CODE (vmtest.h). Results go to DATA.
#define DATA 0x3000
#define HOLE 0x30000000

.macro CODE64 name
    .globl \name, \name\()_end
\name:
    .code64
.endm
.macro END name
\name\()_end:
.endm

    .section .rodata

CODE64 g64_mmio
    mov $0x5a, %eax
    mov %eax, HOLE + 0x10
    mov HOLE + 0x24, %bx
    mov $HOLE + 0x1000, %rcx
    jmp *%rcx
END g64_mmio

/* the page table itself is missing */
CODE64 g64_ptwalk
    mov $0x80000, %rax
    mov %rax, %cr3
    hlt
END g64_ptwalk

CODE64 g64_rw
    mov (%rbx), %rax
    mov %rax, DATA
    mov %rax, (%rbx)
    jmp *%rbx
END g64_rw

CODE64 g64_peek
    mov (%rbx), %rax
    hlt
END g64_peek

CODE64 g64_cpuid
    mov $0x40000000, %eax
    mov $7, %ecx
    cpuid
    mov %eax, DATA
    mov %ebx, DATA + 8
    mov %ecx, DATA + 16
    mov %edx, DATA + 24
    hlt
END g64_cpuid

/* rcx: MSR, rdx:rax value. Writes, reads back to DATA. */
CODE64 g64_msr
    wrmsr
    rdmsr
    mov %eax, DATA
    mov %edx, DATA + 4
    hlt
END g64_msr

CODE64 g64_hlt
    hlt
END g64_hlt

/* handlers for test_event.c */
CODE64 g64_events
    nop
    nop
    hlt
    .globl g64_events_intr, g64_events_error
g64_events_intr: /* no error code */
    incq DATA
    mov (%rsp), %rax
    mov %rax, DATA + 8
    iretq
g64_events_error:
    pop %rax
    mov %rax, DATA + 16
    mov (%rsp), %rax
    mov %rax, DATA + 24
    iretq
END g64_events

/* the window opens behind the NOP that follows STI */
CODE64 g64_window
    cli
    nop
    sti
    nop
    nop
    hlt
END g64_window

CODE64 g64_nmi
    nop
    nop
    hlt
    .globl g64_nmi_handler
g64_nmi_handler:
    incq DATA
    cpuid
    iretq
END g64_nmi

CODE64 g64_triple
    ud2
END g64_triple

CODE64 g64_fpu
    movq %xmm0, %rax
    mov %rax, DATA
    mov $0x1122334455667788, %rax
    movq %rax, %xmm0
    movq %rax, %xmm15
    fninit
    fld1
    out %al, $0x80
    movq %xmm0, %rax
    mov %rax, DATA + 8
    movq %xmm15, %rax
    mov %rax, DATA + 16
    fistpl DATA + 24
    hlt
END g64_fpu

/* SSE values must survive while host threads run */
CODE64 g64_fpu_spin
    mov $0x0123456789abcdef, %rax
    movq %rax, %xmm7
1:  movq %xmm7, %rbx
    cmp %rax, %rbx
    jne 2f
    inc %rcx
    jmp 1b
2:  hlt
END g64_fpu_spin

CODE64 g64_avx
    vcmpps $15, %ymm1, %ymm1, %ymm1 /* true: all ones, without AVX2 */
    out %al, $0x80
    vmovdqu %ymm1, DATA
    hlt
END g64_avx

CODE64 g64_xsetbv
    xor %ecx, %ecx
    xor %edx, %edx
    mov $3, %eax
    xsetbv
    xgetbv
    mov %eax, DATA
    hlt
END g64_xsetbv

CODE64 g64_tsc
    rdtsc
    mov %eax, DATA
    mov %edx, DATA + 4
    rdtscp
    mov %ecx, DATA + 8
    hlt
END g64_tsc

CODE64 g64_dr
    mov %dr0, %rax
    mov %rax, DATA
    mov %dr3, %rax
    mov %rax, DATA + 8
    mov %rbx, %dr0
    mov %rbx, %dr3
    hlt
END g64_dr

CODE64 g64_cr8
    mov $5, %eax
    mov %rax, %cr8
    mov %cr8, %rbx
    hlt
END g64_cr8

CODE64 g64_store
1:  inc %rbx
    mov %rbx, HOLE
    jmp 1b
END g64_store

CODE64 g64_spin
1:  inc %rbx
    jmp 1b
END g64_spin

/* each is an exit; lengths in test_exit.c */
CODE64 g64_ops
    vmmcall
    wbinvd
    invd
    rdpmc
    vmrun
    vmload
    vmsave
    stgi
    clgi
    monitor
    mwait
    hlt
END g64_ops

/* the same for VMX */
CODE64 g64_ops_vmx
    vmcall
    wbinvd
    invd
    rdpmc
    vmxoff
    vmlaunch
    vmresume
    vmptrld DATA
    vmclear DATA
    monitor
    mwait
    hlt
END g64_ops_vmx

/* CR0 and CR4: bits that VMX fixes or that the kernel keeps from the hardware read as they were written. rcx: try VMXE
 * too */
CODE64 g64_cr
    mov %cr0, %rax
    mov %rax, DATA
    or $0x40000000, %eax /* CD */
    and $~0x20, %eax /* NE */
    mov %rax, %cr0
    mov %cr0, %rbx
    mov %rbx, DATA + 8
    or $0x20, %eax
    and $~0x40000000, %eax
    mov %rax, %cr0
    mov %cr0, %rbx
    mov %rbx, DATA + 16
    mov %cr4, %rax
    mov %rax, DATA + 24
    or $0x80, %eax /* PGE */
    mov %rax, %cr4
    mov %cr4, %rbx
    mov %rbx, DATA + 32
    jrcxz 1f
    or $0x2000, %eax /* VMXE */
    mov %rax, %cr4
    ud2
    .globl g64_cr_gp
g64_cr_gp:
    mov %cr4, %rbx
1:  mov %rbx, DATA + 40
    hlt
END g64_cr

    .section .note.GNU-stack, "", @progbits

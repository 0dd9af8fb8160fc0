// SPDX-License-Identifier: MIT
/* The vcpu state page: one page shared by the kernel and the VMM, the same for SVM and VMX.
 *
 * At each exit the kernel fills `exit`, the group VCPU_GROUP_BASE and clears `dirty`; other groups are
 * brought in by SYS_VCPU_GET. The VMM sets the bit of every group that it changed (after having got it)
 * in `dirty`; SYS_VCPU_RUN reads `run` and the dirty groups once, checks them, and loads them. A new
 * vcpu's page holds the x86 reset state in all groups. The VMM can never make the kernel enter a guest
 * with interrupts, NMIs, or host state unprotected: only guest state is in this page.
 *
 * VCPU_EXIT, VCPU_SIGNAL and VCPU_EVENT fill `exit` and BASE, the latter two with reason NONE. An event that `inject` held
 * and that the guest has not taken is then in exit.idt_vectoring: the VMM puts it into `inject` again, or back into
 * its interrupt controller. SK_EINVAL fills `exit` only; `dirty`, `run` and the guest stay as they were.
 */
#pragma once

#include <abi/types.h>
#include <stddef.h>

enum vcpu_group {
    VCPU_GROUP_BASE = 1 << 0,  /* gpr, rip, rflags, cr0, cr2, cr3, cr4, efer, cs, ss, int_shadow */
    VCPU_GROUP_SEG = 1 << 1,   /* ds, es, fs, gs, ldtr, tr, gdtr, idtr */
    VCPU_GROUP_MSR = 1 << 2,   /* star .. pat, kernel_gs_base, sysenter, dr6, dr7, xcr0, debugctl */
    VCPU_GROUP_TSC = 1 << 3,   /* tsc_offset, tsc_ratio */
    VCPU_GROUP_FPU = 1 << 4,   /* resets the FPU to its initial state (set only) */
};

/* Why the guest stopped. The instruction has not been executed unless stated; the VMM emulates it and
 * advances rip. */
enum vcpu_exit_reason {
    VCPU_EXIT_NONE = 0,
    VCPU_EXIT_IO,         /* IN/OUT, string forms too: io_* */
    VCPU_EXIT_MMIO,       /* nested page fault: gpa, access (no translation or not permitted) */
    VCPU_EXIT_CPUID,
    VCPU_EXIT_RDMSR,      /* ecx in gpr */
    VCPU_EXIT_WRMSR,
    VCPU_EXIT_HLT,
    VCPU_EXIT_PAUSE,      /* not delivered: the kernel lets others of the priority run. In the counters only */
    VCPU_EXIT_IRQ_WINDOW, /* asked for by run.irq_window: the guest can take an interrupt now */
    VCPU_EXIT_NMI_WINDOW,
    VCPU_EXIT_XSETBV,     /* not in QEMU's TCG, where the guest sets XCR0 without an exit: who emulates CPUID leaf 0xd
                             gets xcr0 by SYS_VCPU_GET */
    VCPU_EXIT_CR,         /* only accesses that cannot be left to the hardware (CR8): cr_* */
    VCPU_EXIT_VMCALL,     /* VMMCALL or VMCALL */
    VCPU_EXIT_INVALID_OP, /* an instruction of the virtualization extensions, MONITOR, RDPMC, ...:
                             the VMM injects #UD or emulates */
    VCPU_EXIT_WBINVD,
    VCPU_EXIT_SHUTDOWN,   /* triple fault */
    VCPU_EXIT_INIT,
    VCPU_EXIT_INVALID,    /* the state could not be entered: qual = enum vcpu_invalid */
    VCPU_EXIT_FAILURE,    /* hardware says what the kernel did not expect: qual = raw exit code */
    VCPU_EXIT_REASON_COUNT,
};

enum vcpu_invalid {
    VCPU_INVALID_NONE = 0,
    VCPU_INVALID_CR0, VCPU_INVALID_CR4, VCPU_INVALID_EFER, VCPU_INVALID_CR3, VCPU_INVALID_SEGMENT,
    VCPU_INVALID_EVENT, VCPU_INVALID_XCR0, VCPU_INVALID_DR, VCPU_INVALID_MSR, VCPU_INVALID_RFLAGS,
    VCPU_INVALID_HARDWARE, /* VMRUN/VMENTRY itself refused */
    VCPU_INVALID_TSC_RATIO,
};

/* Register order of gpr[]: the hardware's encoding. */
enum vcpu_gpr { GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
                GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15, GPR_COUNT };

/* Segment register; attr has the VMCB's packing [APM-2 15.5, table 15-4]: bits 3:0 type, 4 S, 6:5 DPL,
 * 7 P, 8 AVL, 9 L, 10 D/B, 11 G. P = 0: unusable. */
struct vcpu_seg {
    uint16_t sel;
    uint16_t attr;
    uint32_t limit;
    uint64_t base;
};

/* Event to inject, and an event whose delivery an exit interrupted (idt_vectoring, to be injected again):
 * the format of the VMCB's EVENTINJ [APM-2 15.20]: bits 7:0 vector, 10:8 type (0 external interrupt,
 * 2 NMI, 3 exception, 4 software interrupt), 11 error code valid, 31 valid, 63:32 error code. */
/* An external interrupt needs rflags.IF = 1 and no int_shadow, an NMI that none is being handled (ask by
 * nmi_window): else VCPU_INVALID_EVENT. Reserved bits are 0; no events of type 3 with vector 2 or above 31. */
#define VCPU_EVENT_VALID   (1ull << 31)
#define VCPU_EVENT_EV      (1ull << 11)
#define VCPU_EVENT_INTR    (0ull << 8)
#define VCPU_EVENT_NMI     (2ull << 8)
#define VCPU_EVENT_EXCP    (3ull << 8)
#define VCPU_EVENT_SOFTINT (4ull << 8)

struct vcpu_run {
    uint64_t inject;     /* VCPU_EVENT_*; consumed by SYS_VCPU_RUN (zero afterwards) */
    uint32_t irq_window; /* 1: exit as soon as the guest can take an interrupt */
    uint32_t nmi_window;
};

struct vcpu_exit {
    uint32_t reason;     /* enum vcpu_exit_reason */
    uint32_t insn_len;   /* 0 when the hardware does not tell: derive it from the instruction */
    uint64_t qual;       /* see the reason */
    uint64_t gpa;        /* MMIO: guest-physical address */
    uint32_t access;     /* MMIO: RIGHT_R, RIGHT_W or RIGHT_X; VCPU_ACCESS_* */
    uint32_t insn_bytes_len;
    uint8_t insn_bytes[16]; /* where the hardware delivers them */
    uint64_t idt_vectoring; /* event whose delivery was interrupted, or 0 */
    uint16_t io_port;
    uint8_t io_width;    /* 1, 2 or 4 bytes */
    uint8_t io_in;       /* 1: IN */
    uint8_t io_string;   /* INS/OUTS */
    uint8_t io_rep;
    uint8_t io_addr_width; /* string forms: address size in bytes (2, 4, 8), 0: unknown */
    uint8_t io_seg;      /* string forms: segment register number (hardware encoding), 0xff: unknown */
    uint8_t cr_nr, cr_write;
    uint8_t cr_gpr;      /* enum vcpu_gpr; 0xff: the hardware does not tell, decode the instruction */
    uint8_t _rsvd0;
    uint32_t int_shadow; /* 1: STI or MOV SS shadow */
    uint64_t next_rip;   /* rip behind the instruction; 0 when insn_len is 0 */
};
#define VCPU_ACCESS_PT_WALK (1u << 8) /* the fault came from the guest's page-table walk */

#define VCPU_TSC_RATIO_1 (1ull << 32)

struct vcpu_state {
    struct vcpu_run run;
    struct vcpu_exit exit;
    uint32_t dirty;      /* VCPU_GROUP_* that the VMM changed */
    uint32_t valid;      /* VCPU_GROUP_* that are current in this page (set by the kernel) */
    /* BASE */
    uint64_t gpr[GPR_COUNT];
    uint64_t rip, rflags, cr0, cr2, cr3, cr4, efer;
    struct vcpu_seg cs, ss;
    uint64_t int_shadow;
    uint64_t cpl;        /* exit only */
    /* SEG */
    struct vcpu_seg ds, es, fs, gs, ldtr, tr, gdtr, idtr; /* gdtr, idtr: base and limit only */
    /* MSR */
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, dr6, dr7, xcr0, debugctl, tsc_aux;
    /* TSC: guest TSC = host TSC * ratio / VCPU_TSC_RATIO_1 + offset. Another ratio than 1 needs VM_FEAT_TSC_SCALE; it
     * is from 1/256 to below 256, and the same in all vcpus of a guest that is to have one TSC. */
    uint64_t tsc_offset, tsc_ratio;
};

_Static_assert(sizeof(struct vcpu_seg) == 16, "vcpu_seg layout");
_Static_assert(offsetof(struct vcpu_state, exit) == 16, "vcpu_state layout");
_Static_assert(sizeof(struct vcpu_state) <= PAGE_SIZE, "vcpu state is one page");

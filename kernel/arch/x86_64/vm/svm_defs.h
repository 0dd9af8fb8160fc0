// SPDX-License-Identifier: MIT
/* AMD Secure Virtual Machine: the VMCB, its bits, exit codes, MSRs and CPUID bits.
 *
 * The VMCB is one page: control area at 0, state save area at 0x400. Offsets of the save area are written relative to its
 * beginning, as the manual does. kernel/test/svm_defs_test.c holds a second table of all offsets and bits.
 *
 * Document: [APM-2] AMD64 Architecture Programmer's Manual, volume 2, chapter 15, appendix B (VMCB layout) and
 * appendix C (exit codes); [APM-3] volume 3, appendix E (CPUID). */
#pragma once

#include <abi/vcpu.h>
#include <stddef.h>
#include <stdint.h>

/* Control area. [APM-2 B, table B-1] */
struct vmcb_control {
    uint16_t intercept_cr_read, intercept_cr_write; /* bit n: CRn */
    uint16_t intercept_dr_read, intercept_dr_write;
    uint32_t intercept_exceptions; /* bit n: vector n */
    uint32_t intercept1;           /* SVM_I1_* */
    uint32_t intercept2;           /* SVM_I2_* */
    uint32_t intercept3;           /* SVM_I3_* */
    uint8_t _rsvd0[0x3c - 0x18];
    uint16_t pause_filter_threshold;
    uint16_t pause_filter_count;
    uint64_t iopm_base_pa;
    uint64_t msrpm_base_pa;
    uint64_t tsc_offset;
    uint32_t guest_asid;
    uint8_t tlb_control; /* SVM_TLB_* */
    uint8_t _rsvd1[0x60 - 0x5d];
    uint64_t v_intr;           /* SVM_V_* */
    uint64_t interrupt_shadow; /* SVM_SHADOW */
    uint64_t exitcode;
    uint64_t exitinfo1;
    uint64_t exitinfo2;
    uint64_t exitintinfo; /* VCPU_EVENT_* */
    uint64_t nested_ctl;  /* SVM_NP_* */
    uint64_t avic_apic_bar;
    uint64_t ghcb_pa;
    uint64_t eventinj; /* VCPU_EVENT_* */
    uint64_t n_cr3;
    uint64_t lbr_ctl;
    uint32_t clean; /* 0: nothing may be cached */
    uint8_t _rsvd2[0xc8 - 0xc4];
    uint64_t nrip;
    uint8_t insn_len; /* bytes fetched, with decode assists */
    uint8_t insn_bytes[15];
    uint8_t _rsvd3[0x400 - 0xe0];
};

/* State save area. [APM-2 B, table B-2] */
struct vmcb_save {
    struct vcpu_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t _rsvd0[0xcb - 0xa0];
    uint8_t cpl;
    uint8_t _rsvd1[0xd0 - 0xcc];
    uint64_t efer;
    uint8_t _rsvd2[0x148 - 0xd8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t _rsvd3[0x1d8 - 0x180];
    uint64_t rsp, s_cet, ssp, isst_addr, rax;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t cr2;
    uint8_t _rsvd4[0x268 - 0x248];
    uint64_t g_pat, dbgctl, br_from, br_to, last_excp_from, last_excp_to;
    uint8_t _rsvd5[0xc00 - 0x298];
};

struct vmcb {
    struct vmcb_control control;
    struct vmcb_save save;
};

#define SVM_AT(type, field, offset) _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)
SVM_AT(vmcb_control, intercept_cr_read, 0x000);
SVM_AT(vmcb_control, intercept_cr_write, 0x002);
SVM_AT(vmcb_control, intercept_dr_read, 0x004);
SVM_AT(vmcb_control, intercept_dr_write, 0x006);
SVM_AT(vmcb_control, intercept_exceptions, 0x008);
SVM_AT(vmcb_control, intercept1, 0x00c);
SVM_AT(vmcb_control, intercept2, 0x010);
SVM_AT(vmcb_control, intercept3, 0x014);
SVM_AT(vmcb_control, pause_filter_threshold, 0x03c);
SVM_AT(vmcb_control, pause_filter_count, 0x03e);
SVM_AT(vmcb_control, iopm_base_pa, 0x040);
SVM_AT(vmcb_control, msrpm_base_pa, 0x048);
SVM_AT(vmcb_control, tsc_offset, 0x050);
SVM_AT(vmcb_control, guest_asid, 0x058);
SVM_AT(vmcb_control, tlb_control, 0x05c);
SVM_AT(vmcb_control, v_intr, 0x060);
SVM_AT(vmcb_control, interrupt_shadow, 0x068);
SVM_AT(vmcb_control, exitcode, 0x070);
SVM_AT(vmcb_control, exitinfo1, 0x078);
SVM_AT(vmcb_control, exitinfo2, 0x080);
SVM_AT(vmcb_control, exitintinfo, 0x088);
SVM_AT(vmcb_control, nested_ctl, 0x090);
SVM_AT(vmcb_control, avic_apic_bar, 0x098);
SVM_AT(vmcb_control, ghcb_pa, 0x0a0);
SVM_AT(vmcb_control, eventinj, 0x0a8);
SVM_AT(vmcb_control, n_cr3, 0x0b0);
SVM_AT(vmcb_control, lbr_ctl, 0x0b8);
SVM_AT(vmcb_control, clean, 0x0c0);
SVM_AT(vmcb_control, nrip, 0x0c8);
SVM_AT(vmcb_control, insn_len, 0x0d0);
SVM_AT(vmcb_control, insn_bytes, 0x0d1);
_Static_assert(sizeof(struct vmcb_control) == 0x400, "VMCB control area");
SVM_AT(vmcb_save, es, 0x000);
SVM_AT(vmcb_save, cs, 0x010);
SVM_AT(vmcb_save, ss, 0x020);
SVM_AT(vmcb_save, ds, 0x030);
SVM_AT(vmcb_save, fs, 0x040);
SVM_AT(vmcb_save, gs, 0x050);
SVM_AT(vmcb_save, gdtr, 0x060);
SVM_AT(vmcb_save, ldtr, 0x070);
SVM_AT(vmcb_save, idtr, 0x080);
SVM_AT(vmcb_save, tr, 0x090);
SVM_AT(vmcb_save, cpl, 0x0cb);
SVM_AT(vmcb_save, efer, 0x0d0);
SVM_AT(vmcb_save, cr4, 0x148);
SVM_AT(vmcb_save, cr3, 0x150);
SVM_AT(vmcb_save, cr0, 0x158);
SVM_AT(vmcb_save, dr7, 0x160);
SVM_AT(vmcb_save, dr6, 0x168);
SVM_AT(vmcb_save, rflags, 0x170);
SVM_AT(vmcb_save, rip, 0x178);
SVM_AT(vmcb_save, rsp, 0x1d8);
SVM_AT(vmcb_save, s_cet, 0x1e0);
SVM_AT(vmcb_save, ssp, 0x1e8);
SVM_AT(vmcb_save, isst_addr, 0x1f0);
SVM_AT(vmcb_save, rax, 0x1f8);
SVM_AT(vmcb_save, star, 0x200);
SVM_AT(vmcb_save, lstar, 0x208);
SVM_AT(vmcb_save, cstar, 0x210);
SVM_AT(vmcb_save, sfmask, 0x218);
SVM_AT(vmcb_save, kernel_gs_base, 0x220);
SVM_AT(vmcb_save, sysenter_cs, 0x228);
SVM_AT(vmcb_save, sysenter_esp, 0x230);
SVM_AT(vmcb_save, sysenter_eip, 0x238);
SVM_AT(vmcb_save, cr2, 0x240);
SVM_AT(vmcb_save, g_pat, 0x268);
SVM_AT(vmcb_save, dbgctl, 0x270);
SVM_AT(vmcb_save, br_from, 0x278);
SVM_AT(vmcb_save, br_to, 0x280);
SVM_AT(vmcb_save, last_excp_from, 0x288);
SVM_AT(vmcb_save, last_excp_to, 0x290);
_Static_assert(sizeof(struct vmcb) == 0x1000, "VMCB size");

/* Intercepts at 0x00c. [APM-2 B, table B-1] */
enum svm_intercept1 {
    SVM_I1_INTR = 1u << 0,
    SVM_I1_NMI = 1u << 1,
    SVM_I1_SMI = 1u << 2,
    SVM_I1_INIT = 1u << 3,
    SVM_I1_VINTR = 1u << 4,
    SVM_I1_RDPMC = 1u << 15,
    SVM_I1_CPUID = 1u << 18,
    SVM_I1_RSM = 1u << 19,
    SVM_I1_IRET = 1u << 20,
    SVM_I1_INVD = 1u << 22,
    SVM_I1_PAUSE = 1u << 23,
    SVM_I1_HLT = 1u << 24,
    SVM_I1_INVLPGA = 1u << 26,
    SVM_I1_IOIO_PROT = 1u << 27,
    SVM_I1_MSR_PROT = 1u << 28,
    SVM_I1_FERR_FREEZE = 1u << 30,
    SVM_I1_SHUTDOWN = 1u << 31,
};
/* Intercepts at 0x010. */
enum svm_intercept2 {
    SVM_I2_VMRUN = 1u << 0,
    SVM_I2_VMMCALL = 1u << 1,
    SVM_I2_VMLOAD = 1u << 2,
    SVM_I2_VMSAVE = 1u << 3,
    SVM_I2_STGI = 1u << 4,
    SVM_I2_CLGI = 1u << 5,
    SVM_I2_SKINIT = 1u << 6,
    SVM_I2_WBINVD = 1u << 9,
    SVM_I2_MONITOR = 1u << 10,
    SVM_I2_MWAIT = 1u << 11,
    SVM_I2_MWAIT_ARMED = 1u << 12,
    SVM_I2_XSETBV = 1u << 13,
    SVM_I2_RDPRU = 1u << 14,
};
/* Intercepts at 0x014. */
enum svm_intercept3 {
    SVM_I3_INVLPGB = 1u << 0,
    SVM_I3_INVLPGB_ILLEGAL = 1u << 1,
    SVM_I3_MCOMMIT = 1u << 3,
    SVM_I3_TLBSYNC = 1u << 4,
};

/* TLB_CONTROL at 0x05c. [APM-2 15.16.1, table 15-9] */
enum svm_tlb { SVM_TLB_NOTHING = 0, SVM_TLB_FLUSH_ALL = 1, SVM_TLB_FLUSH_GUEST = 3 };

/* Virtual interrupt control at 0x060. [APM-2 15.21.1] */
#define SVM_V_IRQ          (1ull << 8)
#define SVM_V_PRIO_HIGHEST (0xfull << 16)
#define SVM_V_IGN_TPR      (1ull << 20)
#define SVM_V_INTR_MASKING (1ull << 24)

#define SVM_SHADOW      (1ull << 0) /* at 0x068 [APM-2 15.21.5] */
#define SVM_NP_ENABLE   (1ull << 0) /* at 0x090 [APM-2 15.25.3] */

/* EVENTINJ and EXITINTINFO are VCPU_EVENT_*. [APM-2 15.20] */

/* Exit codes. [APM-2 C, table C-1] */
enum svm_exitcode {
    SVM_EXIT_READ_CR0 = 0x000,
    SVM_EXIT_READ_CR15 = 0x00f,
    SVM_EXIT_WRITE_CR0 = 0x010,
    SVM_EXIT_WRITE_CR15 = 0x01f,
    SVM_EXIT_EXCP0 = 0x040,
    SVM_EXIT_DB = 0x041,
    SVM_EXIT_MC = 0x052,
    SVM_EXIT_INTR = 0x060,
    SVM_EXIT_NMI = 0x061,
    SVM_EXIT_SMI = 0x062,
    SVM_EXIT_INIT = 0x063,
    SVM_EXIT_VINTR = 0x064,
    SVM_EXIT_RDPMC = 0x06f,
    SVM_EXIT_CPUID = 0x072,
    SVM_EXIT_RSM = 0x073,
    SVM_EXIT_IRET = 0x074,
    SVM_EXIT_INVD = 0x076,
    SVM_EXIT_PAUSE = 0x077,
    SVM_EXIT_HLT = 0x078,
    SVM_EXIT_INVLPGA = 0x07a,
    SVM_EXIT_IOIO = 0x07b,
    SVM_EXIT_MSR = 0x07c,
    SVM_EXIT_FERR_FREEZE = 0x07e,
    SVM_EXIT_SHUTDOWN = 0x07f,
    SVM_EXIT_VMRUN = 0x080,
    SVM_EXIT_VMMCALL = 0x081,
    SVM_EXIT_VMLOAD = 0x082,
    SVM_EXIT_VMSAVE = 0x083,
    SVM_EXIT_STGI = 0x084,
    SVM_EXIT_CLGI = 0x085,
    SVM_EXIT_SKINIT = 0x086,
    SVM_EXIT_WBINVD = 0x089,
    SVM_EXIT_MONITOR = 0x08a,
    SVM_EXIT_MWAIT = 0x08b,
    SVM_EXIT_MWAIT_ARMED = 0x08c,
    SVM_EXIT_XSETBV = 0x08d,
    SVM_EXIT_RDPRU = 0x08e,
    SVM_EXIT_INVLPGB = 0x0a0,
    SVM_EXIT_INVLPGB_ILLEGAL = 0x0a1,
    SVM_EXIT_MCOMMIT = 0x0a3,
    SVM_EXIT_TLBSYNC = 0x0a4,
    SVM_EXIT_NPF = 0x400,
    SVM_EXIT_INVALID = -1,
};

/* EXITINFO1 of IOIO. [APM-2 15.10.2, figure 15-2] */
#define SVM_IOIO_IN     (1u << 0)
#define SVM_IOIO_STRING (1u << 2)
#define SVM_IOIO_REP    (1u << 3)
#define SVM_IOIO_SIZE(info) ((uint32_t)(info) >> 4 & 7)      /* 1, 2 or 4: bits SZ8, SZ16, SZ32 */
#define SVM_IOIO_ADDR(info) ((uint32_t)(info) >> 7 & 7)      /* 1: A16, 2: A32, 4: A64 */
#define SVM_IOIO_SEG(info)  ((uint32_t)(info) >> 10 & 7)     /* with decode assists only */
#define SVM_IOIO_PORT(info) ((uint16_t)((info) >> 16))

/* EXITINFO1 of a nested page fault. [APM-2 15.25.6] */
#define SVM_NPF_WRITE   (1ull << 1)
#define SVM_NPF_EXEC    (1ull << 4)
#define SVM_NPF_PT_WALK (1ull << 33)

/* EXITINFO1 of a CR access, with decode assists. [APM-2 15.8.1] */
#define SVM_CR_MOV      (1ull << 63)
#define SVM_CR_GPR(info) ((uint8_t)((info) & 0xf))

#define SVM_MSR_WRITE   1u /* EXITINFO1 of MSR [APM-2 15.11] */

/* MSRs. [APM-2 15.30], [APM-2 A] */
#define MSR_TSC_RATIO   0xc0000104u
#define MSR_VM_CR       0xc0010114u
#define MSR_VM_HSAVE_PA 0xc0010117u
#define VM_CR_SVMDIS    (1ull << 4)
#define EFER_SVME       (1ull << 12)

/* The MSR permission map: two bits per MSR, read then write; 2 KiB for each of three ranges. [APM-2 15.11] */
#define SVM_MSRPM_SIZE 0x2000u
#define SVM_IOPM_SIZE  0x3000u

/* CPUID. [APM-3 E.4.2, E.4.9] */
#define CPUID_EXT_FEATURES        0x80000001u
#define CPUID_EXT_FEATURES_SVM    (1u << 2) /* ecx */
#define CPUID_SVM                 0x8000000au
#define CPUID_SVM_NP              (1u << 0) /* edx */
#define CPUID_SVM_NRIPS           (1u << 3)
#define CPUID_SVM_TSC_RATE        (1u << 4)
#define CPUID_SVM_FLUSH_BY_ASID   (1u << 6)
#define CPUID_SVM_DECODE_ASSISTS  (1u << 7)
#define CPUID_SVM_PAUSE_FILTER    (1u << 10)
#define CPUID_SVM_PAUSE_THRESHOLD (1u << 12)

// SPDX-License-Identifier: MIT
/* VMX: the fields of a VMCS, control bits, exit reasons, capability MSRs.
 *
 * A VMCS has no layout that software may know: fields are named by encodings and reached by VMREAD and VMWRITE only.
 * kernel/test/vm/vmx_defs_test.c checks all this against a second table and the rule that encodings are built by.
 *
 * Document: [SDM-3] chapters 25 to 28, appendices A (capabilities), B (field encodings), C (exit reasons). */
#pragma once

#include <kernel/types.h>

/* Field encodings. [SDM-3 B] */
enum vmcs_field {
    /* 16-bit control, guest, host fields */
    VMCS_VPID = 0x0000,
    VMCS_GUEST_ES_SEL = 0x0800, /* CS, SS, DS, FS, GS, LDTR, TR: 2 further each */
    VMCS_HOST_ES_SEL = 0x0c00,
    VMCS_HOST_CS_SEL = 0x0c02,
    VMCS_HOST_SS_SEL = 0x0c04,
    VMCS_HOST_DS_SEL = 0x0c06,
    VMCS_HOST_FS_SEL = 0x0c08,
    VMCS_HOST_GS_SEL = 0x0c0a,
    VMCS_HOST_TR_SEL = 0x0c0c,
    /* 64-bit */
    VMCS_MSR_BITMAP = 0x2004,
    VMCS_EXIT_MSR_STORE_ADDR = 0x2006,
    VMCS_EXIT_MSR_LOAD_ADDR = 0x2008,
    VMCS_ENTRY_MSR_LOAD_ADDR = 0x200a,
    VMCS_TSC_OFFSET = 0x2010,
    VMCS_EPT_POINTER = 0x201a,
    VMCS_XSS_EXIT_BITMAP = 0x202c,
    VMCS_TSC_MULTIPLIER = 0x2032,
    VMCS_GUEST_PHYSICAL_ADDRESS = 0x2400,
    VMCS_LINK_POINTER = 0x2800,
    VMCS_GUEST_DEBUGCTL = 0x2802,
    VMCS_GUEST_PAT = 0x2804,
    VMCS_GUEST_EFER = 0x2806,
    VMCS_GUEST_PDPTE0 = 0x280a, /* to 0x2810 */
    VMCS_HOST_PAT = 0x2c00,
    VMCS_HOST_EFER = 0x2c02,
    /* 32-bit */
    VMCS_PIN_CONTROLS = 0x4000,
    VMCS_PROC_CONTROLS = 0x4002,
    VMCS_EXCEPTION_BITMAP = 0x4004,
    VMCS_PF_ERROR_MASK = 0x4006,
    VMCS_PF_ERROR_MATCH = 0x4008,
    VMCS_CR3_TARGET_COUNT = 0x400a,
    VMCS_EXIT_CONTROLS = 0x400c,
    VMCS_EXIT_MSR_STORE_COUNT = 0x400e,
    VMCS_EXIT_MSR_LOAD_COUNT = 0x4010,
    VMCS_ENTRY_CONTROLS = 0x4012,
    VMCS_ENTRY_MSR_LOAD_COUNT = 0x4014,
    VMCS_ENTRY_EVENT = 0x4016,
    VMCS_ENTRY_EVENT_ERROR = 0x4018,
    VMCS_ENTRY_INSN_LEN = 0x401a,
    VMCS_PROC_CONTROLS2 = 0x401e,
    VMCS_PLE_GAP = 0x4020,
    VMCS_PLE_WINDOW = 0x4022,
    VMCS_INSN_ERROR = 0x4400,
    VMCS_EXIT_REASON = 0x4402,
    VMCS_EXIT_EVENT = 0x4404,
    VMCS_IDT_EVENT = 0x4408,
    VMCS_IDT_EVENT_ERROR = 0x440a,
    VMCS_EXIT_INSN_LEN = 0x440c,
    VMCS_EXIT_INSN_INFO = 0x440e,
    VMCS_GUEST_ES_LIMIT = 0x4800,
    VMCS_GUEST_GDTR_LIMIT = 0x4810,
    VMCS_GUEST_IDTR_LIMIT = 0x4812,
    VMCS_GUEST_ES_ACCESS = 0x4814,
    VMCS_GUEST_INTERRUPTIBILITY = 0x4824,
    VMCS_GUEST_ACTIVITY = 0x4826,
    VMCS_GUEST_SYSENTER_CS = 0x482a,
    VMCS_HOST_SYSENTER_CS = 0x4c00,
    /* natural width */
    VMCS_CR0_MASK = 0x6000,
    VMCS_CR4_MASK = 0x6002,
    VMCS_CR0_SHADOW = 0x6004,
    VMCS_CR4_SHADOW = 0x6006,
    VMCS_EXIT_QUALIFICATION = 0x6400,
    VMCS_GUEST_CR0 = 0x6800,
    VMCS_GUEST_CR3 = 0x6802,
    VMCS_GUEST_CR4 = 0x6804,
    VMCS_GUEST_ES_BASE = 0x6806,
    VMCS_GUEST_GDTR_BASE = 0x6816,
    VMCS_GUEST_IDTR_BASE = 0x6818,
    VMCS_GUEST_DR7 = 0x681a,
    VMCS_GUEST_RSP = 0x681c,
    VMCS_GUEST_RIP = 0x681e,
    VMCS_GUEST_RFLAGS = 0x6820,
    VMCS_GUEST_PENDING_DEBUG = 0x6822,
    VMCS_GUEST_SYSENTER_ESP = 0x6824,
    VMCS_GUEST_SYSENTER_EIP = 0x6826,
    VMCS_HOST_CR0 = 0x6c00,
    VMCS_HOST_CR3 = 0x6c02,
    VMCS_HOST_CR4 = 0x6c04,
    VMCS_HOST_FS_BASE = 0x6c06,
    VMCS_HOST_GS_BASE = 0x6c08,
    VMCS_HOST_TR_BASE = 0x6c0a,
    VMCS_HOST_GDTR_BASE = 0x6c0c,
    VMCS_HOST_IDTR_BASE = 0x6c0e,
    VMCS_HOST_SYSENTER_ESP = 0x6c10,
    VMCS_HOST_SYSENTER_EIP = 0x6c12,
    VMCS_HOST_RSP = 0x6c14,
    VMCS_HOST_RIP = 0x6c16,
};

/* Segment registers in the order of their fields. */
enum vmx_seg { VMX_ES, VMX_CS, VMX_SS, VMX_DS, VMX_FS, VMX_GS, VMX_LDTR, VMX_TR };

/* Access rights: the ABI's bits 7:0 as they are, its bits 11:8 at 15:12. [SDM-3 table 25-2] */
#define VMX_SEG_UNUSABLE (1u << 16)

/* Pin-based controls. [SDM-3 table 25-5] */
enum vmx_pin {
    VMX_PIN_INTR = 1u << 0,
    VMX_PIN_NMI = 1u << 3,
    VMX_PIN_VIRTUAL_NMI = 1u << 5,
};
/* Primary processor-based controls. [SDM-3 table 25-6] */
enum vmx_proc {
    VMX_PROC_INTR_WINDOW = 1u << 2,
    VMX_PROC_TSC_OFFSET = 1u << 3,
    VMX_PROC_HLT = 1u << 7,
    VMX_PROC_MWAIT = 1u << 10,
    VMX_PROC_RDPMC = 1u << 11,
    VMX_PROC_CR3_LOAD = 1u << 15,
    VMX_PROC_CR3_STORE = 1u << 16,
    VMX_PROC_CR8_LOAD = 1u << 19,
    VMX_PROC_CR8_STORE = 1u << 20,
    VMX_PROC_NMI_WINDOW = 1u << 22,
    VMX_PROC_IO = 1u << 24, /* every port */
    VMX_PROC_MSR_BITMAP = 1u << 28,
    VMX_PROC_MONITOR = 1u << 29,
    VMX_PROC_SECONDARY = 1u << 31,
};
/* Secondary processor-based controls. [SDM-3 table 25-7] */
enum vmx_proc2 {
    VMX_PROC2_EPT = 1u << 1,
    VMX_PROC2_RDTSCP = 1u << 3,
    VMX_PROC2_VPID = 1u << 5,
    VMX_PROC2_WBINVD = 1u << 6,
    VMX_PROC2_UNRESTRICTED = 1u << 7,
    VMX_PROC2_PAUSE_LOOP = 1u << 10,
    VMX_PROC2_INVPCID = 1u << 12,
    VMX_PROC2_XSAVES = 1u << 20,
    VMX_PROC2_TSC_SCALE = 1u << 25,
};
/* VM-exit controls. [SDM-3 table 25-13] */
enum vmx_exit_control {
    VMX_EXITC_SAVE_DEBUG = 1u << 2,
    VMX_EXITC_HOST_64 = 1u << 9,
    VMX_EXITC_LOAD_PAT = 1u << 19,
    VMX_EXITC_SAVE_EFER = 1u << 20,
    VMX_EXITC_LOAD_EFER = 1u << 21,
};
/* VM-entry controls. [SDM-3 table 25-15] */
enum vmx_entry_control {
    VMX_ENTRYC_LOAD_DEBUG = 1u << 2,
    VMX_ENTRYC_IA32E = 1u << 9,
    VMX_ENTRYC_LOAD_PAT = 1u << 14,
    VMX_ENTRYC_LOAD_EFER = 1u << 15,
};

/* Interruptibility state. [SDM-3 table 25-3] */
#define VMX_BLOCK_STI (1u << 0)
#define VMX_BLOCK_MOV_SS (1u << 1)
#define VMX_BLOCK_NMI (1u << 3)
#define VMX_SHADOW (VMX_BLOCK_STI | VMX_BLOCK_MOV_SS)
#define VMX_PENDING_BS (1ull << 14) /* pending debug exceptions [SDM-3 table 25-4] */

/* Events in all three directions: vector, type and valid bit are where the ABI has them, except that software
 * exceptions (INT3, INTO: 6, INT1: 5) have types of their own. [SDM-3 tables 25-16, 25-19, 25-20] */
#define VMX_EVENT_TYPE(e) ((e) >> 8 & 7)
enum vmx_event_type {
    VMX_EVENT_INTR = 0,
    VMX_EVENT_NMI = 2,
    VMX_EVENT_EXCP = 3,
    VMX_EVENT_SOFTINT = 4,
    VMX_EVENT_INT1 = 5,
    VMX_EVENT_SOFTEXCP = 6
};
#define VMX_EVENT_ERROR (1u << 11)
#define VMX_EVENT_UNBLOCK (1u << 12) /* exit event and EPT qualification: IRET had unblocked NMIs */
#define VMX_EVENT_VALID (1u << 31)

/* Exit reasons, bits 15:0; bit 31: the entry failed. [SDM-3 C] */
#define VMX_EXIT_ENTRY_FAILED (1u << 31)
enum vmx_exit_reason {
    VMX_EXIT_EXCEPTION = 0,
    VMX_EXIT_INTR = 1,
    VMX_EXIT_TRIPLE_FAULT = 2,
    VMX_EXIT_INIT = 3,
    VMX_EXIT_SIPI = 4,
    VMX_EXIT_INTR_WINDOW = 7,
    VMX_EXIT_NMI_WINDOW = 8,
    VMX_EXIT_TASK_SWITCH = 9,
    VMX_EXIT_CPUID = 10,
    VMX_EXIT_GETSEC = 11,
    VMX_EXIT_HLT = 12,
    VMX_EXIT_INVD = 13,
    VMX_EXIT_RDPMC = 15,
    VMX_EXIT_VMCALL = 18,
    VMX_EXIT_VMCLEAR = 19,
    VMX_EXIT_VMLAUNCH = 20,
    VMX_EXIT_VMPTRLD = 21,
    VMX_EXIT_VMPTRST = 22,
    VMX_EXIT_VMREAD = 23,
    VMX_EXIT_VMRESUME = 24,
    VMX_EXIT_VMWRITE = 25,
    VMX_EXIT_VMXOFF = 26,
    VMX_EXIT_VMXON = 27,
    VMX_EXIT_CR = 28,
    VMX_EXIT_IO = 30,
    VMX_EXIT_RDMSR = 31,
    VMX_EXIT_WRMSR = 32,
    VMX_EXIT_MWAIT = 36,
    VMX_EXIT_MONITOR = 39,
    VMX_EXIT_PAUSE = 40,
    VMX_EXIT_ENTRY_MACHINE_CHECK = 41,
    VMX_EXIT_EPT_VIOLATION = 48,
    VMX_EXIT_EPT_MISCONFIG = 49,
    VMX_EXIT_INVEPT = 50,
    VMX_EXIT_INVVPID = 53,
    VMX_EXIT_WBINVD = 54,
    VMX_EXIT_XSETBV = 55,
    VMX_EXIT_VMFUNC = 59,
};

/* Exit qualification of an I/O instruction [SDM-3 table 28-5], and its instruction information [SDM-3 table 28-9]. */
#define VMX_IO_SIZE(q) (((uint32_t)(q)&7) + 1)
#define VMX_IO_IN (1u << 3)
#define VMX_IO_STRING (1u << 4)
#define VMX_IO_REP (1u << 5)
#define VMX_IO_PORT(q) ((uint16_t)((q) >> 16))
#define VMX_INFO_ADDR(i) ((uint32_t)(i) >> 7 & 7) /* 0: 16 bits, 1: 32, 2: 64 */
#define VMX_INFO_SEG(i) ((uint32_t)(i) >> 15 & 7)

/* Exit qualification of a control-register access. [SDM-3 table 28-3] */
#define VMX_CR_NUMBER(q) ((uint8_t)((q)&0xf))
#define VMX_CR_TYPE(q) ((uint32_t)(q) >> 4 & 3) /* MOV to, MOV from, CLTS, LMSW */
#define VMX_CR_GPR(q) ((uint8_t)((q) >> 8 & 0xf))
enum vmx_cr_type { VMX_CR_MOV_TO, VMX_CR_MOV_FROM, VMX_CR_CLTS, VMX_CR_LMSW };

/* Exit qualification of an EPT violation. [SDM-3 table 28-7] */
#define VMX_EPT_WRITE (1u << 1)
#define VMX_EPT_EXEC (1u << 2)
#define VMX_EPT_LINEAR (1u << 7)
#define VMX_EPT_TRANSLATION (1u << 8) /* with LINEAR: not an access to the guest's page tables */

/* EPT pointer: write-back tables, a walk of 4. [SDM-3 table 25-9] */
#define VMX_EPTP_FLAGS (6u | 3u << 3)

/* MSRs. [SDM-3 A], [SDM-4 2.1] */
#define MSR_FEATURE_CONTROL 0x3au
#define MSR_VMX_BASIC 0x480u
#define MSR_VMX_MISC 0x485u
#define MSR_VMX_CR0_FIXED0 0x486u
#define MSR_VMX_CR0_FIXED1 0x487u
#define MSR_VMX_CR4_FIXED0 0x488u
#define MSR_VMX_CR4_FIXED1 0x489u
#define MSR_VMX_PROC2 0x48bu
#define MSR_VMX_EPT_VPID_CAP 0x48cu
#define MSR_VMX_TRUE_PIN 0x48du
#define MSR_VMX_TRUE_PROC 0x48eu
#define MSR_VMX_TRUE_EXIT 0x48fu
#define MSR_VMX_TRUE_ENTRY 0x490u
#define FEATURE_CONTROL_LOCK (1ull << 0)
#define FEATURE_CONTROL_VMX (1ull << 2) /* VMXON outside SMX */
#define VMX_BASIC_REVISION 0x7fffffffull
#define VMX_BASIC_IO_INFO (1ull << 54) /* instruction information of INS and OUTS */
#define VMX_BASIC_TRUE (1ull << 55)    /* MSR_VMX_TRUE_* */
#define VMX_MISC_LEN_0 (1ull << 30)    /* software interrupts of length 0 can be injected */
#define VMX_EPT_CAP_WALK_4 (1ull << 6)
#define VMX_EPT_CAP_WRITE_BACK (1ull << 14)
#define VMX_EPT_CAP_2M (1ull << 16)
#define VMX_EPT_CAP_1G (1ull << 17)
#define VMX_EPT_CAP_INVEPT (1ull << 20)
#define VMX_EPT_CAP_INVEPT_ONE (1ull << 25)
#define VMX_EPT_CAP_INVVPID (1ull << 32)
#define VMX_EPT_CAP_INVVPID_ONE (1ull << 41)
#define VMX_EPT_CAP_INVVPID_ALL (1ull << 42)

/* Types of INVEPT and INVVPID. [SDM-3 31.3] */
#define VMX_INVALIDATE_ONE 1ull
#define VMX_INVALIDATE_ALL 2ull

#define CPUID_FEATURES_VMX (1u << 5) /* leaf 1 ecx [SDM-2 CPUID] */
#define CR4_VMXE (1ull << 13)

/* Entry of a VM-entry or VM-exit MSR list. [SDM-3 table 25-14] */
struct vmx_msr {
    uint32_t index;
    uint32_t _rsvd;
    uint64_t value;
};
_Static_assert(sizeof(struct vmx_msr) == 16, "MSR list entry");
_Static_assert(offsetof(struct vmx_msr, index) == 0, "MSR list entry");
_Static_assert(offsetof(struct vmx_msr, value) == 8, "MSR list entry");

/* The MSR bitmap: reads of MSRs 0 .. 0x1fff, of 0xc0000000 .. 0xc0001fff, writes of both. [SDM-3 25.6.9] */
#define VMX_MSR_BITMAP_HIGH 0x400u
#define VMX_MSR_BITMAP_WRITE 0x800u

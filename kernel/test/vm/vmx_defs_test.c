// SPDX-License-Identifier: MIT
/* Second, independently typed table of what vmx_defs.h defines: VMCS fields as width, type and index, from which [SDM-3
 * table 25-21] builds the encoding, and bit numbers of controls, reasons and qualifications. */
#include "vm/vmx_defs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { W16, W64, W32, WN };               /* bits 14:13 */
enum { CONTROL, READ_ONLY, GUEST, HOST }; /* bits 11:10 */

static const struct {
    const char *name;
    uint32_t have;
    unsigned width, type, index;
} fields[] = {
    {"VPID", VMCS_VPID, W16, CONTROL, 0},
    {"guest ES", VMCS_GUEST_ES_SEL, W16, GUEST, 0},
    {"guest TR", VMCS_GUEST_ES_SEL + 2 * VMX_TR, W16, GUEST, 7},
    {"guest LDTR", VMCS_GUEST_ES_SEL + 2 * VMX_LDTR, W16, GUEST, 6},
    {"host ES", VMCS_HOST_ES_SEL, W16, HOST, 0},
    {"host CS", VMCS_HOST_CS_SEL, W16, HOST, 1},
    {"host SS", VMCS_HOST_SS_SEL, W16, HOST, 2},
    {"host DS", VMCS_HOST_DS_SEL, W16, HOST, 3},
    {"host FS", VMCS_HOST_FS_SEL, W16, HOST, 4},
    {"host GS", VMCS_HOST_GS_SEL, W16, HOST, 5},
    {"host TR", VMCS_HOST_TR_SEL, W16, HOST, 6},
    {"MSR bitmaps", VMCS_MSR_BITMAP, W64, CONTROL, 2},
    {"VM-exit MSR-store", VMCS_EXIT_MSR_STORE_ADDR, W64, CONTROL, 3},
    {"VM-exit MSR-load", VMCS_EXIT_MSR_LOAD_ADDR, W64, CONTROL, 4},
    {"VM-entry MSR-load", VMCS_ENTRY_MSR_LOAD_ADDR, W64, CONTROL, 5},
    {"TSC offset", VMCS_TSC_OFFSET, W64, CONTROL, 8},
    {"TSC multiplier", VMCS_TSC_MULTIPLIER, W64, CONTROL, 25},
    {"EPT pointer", VMCS_EPT_POINTER, W64, CONTROL, 13},
    {"XSS-exiting bitmap", VMCS_XSS_EXIT_BITMAP, W64, CONTROL, 22},
    {"guest-physical address", VMCS_GUEST_PHYSICAL_ADDRESS, W64, READ_ONLY, 0},
    {"VMCS link pointer", VMCS_LINK_POINTER, W64, GUEST, 0},
    {"guest IA32_DEBUGCTL", VMCS_GUEST_DEBUGCTL, W64, GUEST, 1},
    {"guest IA32_PAT", VMCS_GUEST_PAT, W64, GUEST, 2},
    {"guest IA32_EFER", VMCS_GUEST_EFER, W64, GUEST, 3},
    {"guest PDPTE0", VMCS_GUEST_PDPTE0, W64, GUEST, 5},
    {"host IA32_PAT", VMCS_HOST_PAT, W64, HOST, 0},
    {"host IA32_EFER", VMCS_HOST_EFER, W64, HOST, 1},
    {"pin-based controls", VMCS_PIN_CONTROLS, W32, CONTROL, 0},
    {"primary controls", VMCS_PROC_CONTROLS, W32, CONTROL, 1},
    {"exception bitmap", VMCS_EXCEPTION_BITMAP, W32, CONTROL, 2},
    {"page-fault mask", VMCS_PF_ERROR_MASK, W32, CONTROL, 3},
    {"page-fault match", VMCS_PF_ERROR_MATCH, W32, CONTROL, 4},
    {"CR3-target count", VMCS_CR3_TARGET_COUNT, W32, CONTROL, 5},
    {"VM-exit controls", VMCS_EXIT_CONTROLS, W32, CONTROL, 6},
    {"VM-exit MSR-store count", VMCS_EXIT_MSR_STORE_COUNT, W32, CONTROL, 7},
    {"VM-exit MSR-load count", VMCS_EXIT_MSR_LOAD_COUNT, W32, CONTROL, 8},
    {"VM-entry controls", VMCS_ENTRY_CONTROLS, W32, CONTROL, 9},
    {"VM-entry MSR-load count", VMCS_ENTRY_MSR_LOAD_COUNT, W32, CONTROL, 10},
    {"VM-entry interruption information", VMCS_ENTRY_EVENT, W32, CONTROL, 11},
    {"VM-entry exception error code", VMCS_ENTRY_EVENT_ERROR, W32, CONTROL, 12},
    {"VM-entry instruction length", VMCS_ENTRY_INSN_LEN, W32, CONTROL, 13},
    {"secondary controls", VMCS_PROC_CONTROLS2, W32, CONTROL, 15},
    {"PLE gap", VMCS_PLE_GAP, W32, CONTROL, 16},
    {"PLE window", VMCS_PLE_WINDOW, W32, CONTROL, 17},
    {"VM-instruction error", VMCS_INSN_ERROR, W32, READ_ONLY, 0},
    {"exit reason", VMCS_EXIT_REASON, W32, READ_ONLY, 1},
    {"VM-exit interruption information", VMCS_EXIT_EVENT, W32, READ_ONLY, 2},
    {"IDT-vectoring information", VMCS_IDT_EVENT, W32, READ_ONLY, 4},
    {"IDT-vectoring error code", VMCS_IDT_EVENT_ERROR, W32, READ_ONLY, 5},
    {"VM-exit instruction length", VMCS_EXIT_INSN_LEN, W32, READ_ONLY, 6},
    {"VM-exit instruction information", VMCS_EXIT_INSN_INFO, W32, READ_ONLY, 7},
    {"guest ES limit", VMCS_GUEST_ES_LIMIT, W32, GUEST, 0},
    {"guest GDTR limit", VMCS_GUEST_GDTR_LIMIT, W32, GUEST, 8},
    {"guest IDTR limit", VMCS_GUEST_IDTR_LIMIT, W32, GUEST, 9},
    {"guest ES access rights", VMCS_GUEST_ES_ACCESS, W32, GUEST, 10},
    {"guest interruptibility", VMCS_GUEST_INTERRUPTIBILITY, W32, GUEST, 18},
    {"guest activity", VMCS_GUEST_ACTIVITY, W32, GUEST, 19},
    {"guest SYSENTER_CS", VMCS_GUEST_SYSENTER_CS, W32, GUEST, 21},
    {"host SYSENTER_CS", VMCS_HOST_SYSENTER_CS, W32, HOST, 0},
    {"CR0 mask", VMCS_CR0_MASK, WN, CONTROL, 0},
    {"CR4 mask", VMCS_CR4_MASK, WN, CONTROL, 1},
    {"CR0 shadow", VMCS_CR0_SHADOW, WN, CONTROL, 2},
    {"CR4 shadow", VMCS_CR4_SHADOW, WN, CONTROL, 3},
    {"exit qualification", VMCS_EXIT_QUALIFICATION, WN, READ_ONLY, 0},
    {"guest CR0", VMCS_GUEST_CR0, WN, GUEST, 0},
    {"guest CR3", VMCS_GUEST_CR3, WN, GUEST, 1},
    {"guest CR4", VMCS_GUEST_CR4, WN, GUEST, 2},
    {"guest ES base", VMCS_GUEST_ES_BASE, WN, GUEST, 3},
    {"guest GDTR base", VMCS_GUEST_GDTR_BASE, WN, GUEST, 11},
    {"guest IDTR base", VMCS_GUEST_IDTR_BASE, WN, GUEST, 12},
    {"guest DR7", VMCS_GUEST_DR7, WN, GUEST, 13},
    {"guest RSP", VMCS_GUEST_RSP, WN, GUEST, 14},
    {"guest RIP", VMCS_GUEST_RIP, WN, GUEST, 15},
    {"guest RFLAGS", VMCS_GUEST_RFLAGS, WN, GUEST, 16},
    {"guest pending debug exceptions", VMCS_GUEST_PENDING_DEBUG, WN, GUEST, 17},
    {"guest SYSENTER_ESP", VMCS_GUEST_SYSENTER_ESP, WN, GUEST, 18},
    {"guest SYSENTER_EIP", VMCS_GUEST_SYSENTER_EIP, WN, GUEST, 19},
    {"host CR0", VMCS_HOST_CR0, WN, HOST, 0},
    {"host CR3", VMCS_HOST_CR3, WN, HOST, 1},
    {"host CR4", VMCS_HOST_CR4, WN, HOST, 2},
    {"host FS base", VMCS_HOST_FS_BASE, WN, HOST, 3},
    {"host GS base", VMCS_HOST_GS_BASE, WN, HOST, 4},
    {"host TR base", VMCS_HOST_TR_BASE, WN, HOST, 5},
    {"host GDTR base", VMCS_HOST_GDTR_BASE, WN, HOST, 6},
    {"host IDTR base", VMCS_HOST_IDTR_BASE, WN, HOST, 7},
    {"host SYSENTER_ESP", VMCS_HOST_SYSENTER_ESP, WN, HOST, 8},
    {"host SYSENTER_EIP", VMCS_HOST_SYSENTER_EIP, WN, HOST, 9},
    {"host RSP", VMCS_HOST_RSP, WN, HOST, 10},
    {"host RIP", VMCS_HOST_RIP, WN, HOST, 11},
};

static void test_fields(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        uint32_t want = fields[i].width << 13 | fields[i].type << 10 | fields[i].index << 1;

        if (fields[i].have != want) {
            fail_msg("%s: 0x%x, not 0x%x", fields[i].name, fields[i].have, want);
        }
    }
}

static const struct {
    const char *name;
    uint64_t have;
    unsigned bit;
} bits[] = {
    {"external-interrupt exiting", VMX_PIN_INTR, 0},
    {"NMI exiting", VMX_PIN_NMI, 3},
    {"virtual NMIs", VMX_PIN_VIRTUAL_NMI, 5},
    {"interrupt-window exiting", VMX_PROC_INTR_WINDOW, 2},
    {"use TSC offsetting", VMX_PROC_TSC_OFFSET, 3},
    {"HLT exiting", VMX_PROC_HLT, 7},
    {"MWAIT exiting", VMX_PROC_MWAIT, 10},
    {"RDPMC exiting", VMX_PROC_RDPMC, 11},
    {"CR3-load exiting", VMX_PROC_CR3_LOAD, 15},
    {"CR3-store exiting", VMX_PROC_CR3_STORE, 16},
    {"CR8-load exiting", VMX_PROC_CR8_LOAD, 19},
    {"CR8-store exiting", VMX_PROC_CR8_STORE, 20},
    {"NMI-window exiting", VMX_PROC_NMI_WINDOW, 22},
    {"unconditional I/O exiting", VMX_PROC_IO, 24},
    {"use MSR bitmaps", VMX_PROC_MSR_BITMAP, 28},
    {"MONITOR exiting", VMX_PROC_MONITOR, 29},
    {"activate secondary controls", VMX_PROC_SECONDARY, 31},
    {"enable EPT", VMX_PROC2_EPT, 1},
    {"enable RDTSCP", VMX_PROC2_RDTSCP, 3},
    {"use TSC scaling", VMX_PROC2_TSC_SCALE, 25},
    {"enable VPID", VMX_PROC2_VPID, 5},
    {"WBINVD exiting", VMX_PROC2_WBINVD, 6},
    {"unrestricted guest", VMX_PROC2_UNRESTRICTED, 7},
    {"PAUSE-loop exiting", VMX_PROC2_PAUSE_LOOP, 10},
    {"enable INVPCID", VMX_PROC2_INVPCID, 12},
    {"enable XSAVES", VMX_PROC2_XSAVES, 20},
    {"save debug controls", VMX_EXITC_SAVE_DEBUG, 2},
    {"host address-space size", VMX_EXITC_HOST_64, 9},
    {"load IA32_PAT at exit", VMX_EXITC_LOAD_PAT, 19},
    {"save IA32_EFER", VMX_EXITC_SAVE_EFER, 20},
    {"load IA32_EFER at exit", VMX_EXITC_LOAD_EFER, 21},
    {"load debug controls", VMX_ENTRYC_LOAD_DEBUG, 2},
    {"IA-32e mode guest", VMX_ENTRYC_IA32E, 9},
    {"load IA32_PAT at entry", VMX_ENTRYC_LOAD_PAT, 14},
    {"load IA32_EFER at entry", VMX_ENTRYC_LOAD_EFER, 15},
    {"segment unusable", VMX_SEG_UNUSABLE, 16},
    {"blocking by STI", VMX_BLOCK_STI, 0},
    {"blocking by MOV SS", VMX_BLOCK_MOV_SS, 1},
    {"blocking by NMI", VMX_BLOCK_NMI, 3},
    {"pending single step", VMX_PENDING_BS, 14},
    {"event: error code", VMX_EVENT_ERROR, 11},
    {"event: NMI unblocking", VMX_EVENT_UNBLOCK, 12},
    {"event: valid", VMX_EVENT_VALID, 31},
    {"VM-entry failure", VMX_EXIT_ENTRY_FAILED, 31},
    {"I/O: IN", VMX_IO_IN, 3},
    {"I/O: string", VMX_IO_STRING, 4},
    {"I/O: REP", VMX_IO_REP, 5},
    {"EPT: write", VMX_EPT_WRITE, 1},
    {"EPT: fetch", VMX_EPT_EXEC, 2},
    {"EPT: linear address valid", VMX_EPT_LINEAR, 7},
    {"EPT: translation", VMX_EPT_TRANSLATION, 8},
    {"feature control: lock", FEATURE_CONTROL_LOCK, 0},
    {"feature control: VMX outside SMX", FEATURE_CONTROL_VMX, 2},
    {"basic: INS/OUTS information", VMX_BASIC_IO_INFO, 54},
    {"basic: TRUE controls", VMX_BASIC_TRUE, 55},
    {"misc: instruction length 0", VMX_MISC_LEN_0, 30},
    {"EPT capability: page walk of 4", VMX_EPT_CAP_WALK_4, 6},
    {"EPT capability: write-back", VMX_EPT_CAP_WRITE_BACK, 14},
    {"EPT capability: 2 MiB", VMX_EPT_CAP_2M, 16},
    {"EPT capability: 1 GiB", VMX_EPT_CAP_1G, 17},
    {"EPT capability: INVEPT", VMX_EPT_CAP_INVEPT, 20},
    {"EPT capability: single-context INVEPT", VMX_EPT_CAP_INVEPT_ONE, 25},
    {"EPT capability: INVVPID", VMX_EPT_CAP_INVVPID, 32},
    {"EPT capability: all-context INVVPID", VMX_EPT_CAP_INVVPID_ALL, 42},
    {"CPUID VMX", CPUID_FEATURES_VMX, 5},
    {"CR4.VMXE", CR4_VMXE, 13},
};

static void test_bits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if (bits[i].have != 1ull << bits[i].bit) {
            fail_msg("%s: 0x%llx is not bit %u", bits[i].name, (unsigned long long)bits[i].have, bits[i].bit);
        }
    }
}

/* [SDM-3 table C-1], [SDM-3 A] in decimal and hexadecimal. */
static void test_numbers(void **state)
{
    static const struct {
        uint32_t have, want;
    } table[] = {
        {VMX_EXIT_EXCEPTION, 0},
        {VMX_EXIT_INTR, 1},
        {VMX_EXIT_TRIPLE_FAULT, 2},
        {VMX_EXIT_INIT, 3},
        {VMX_EXIT_SIPI, 4},
        {VMX_EXIT_INTR_WINDOW, 7},
        {VMX_EXIT_NMI_WINDOW, 8},
        {VMX_EXIT_TASK_SWITCH, 9},
        {VMX_EXIT_CPUID, 10},
        {VMX_EXIT_GETSEC, 11},
        {VMX_EXIT_HLT, 12},
        {VMX_EXIT_INVD, 13},
        {VMX_EXIT_RDPMC, 15},
        {VMX_EXIT_VMCALL, 18},
        {VMX_EXIT_VMCLEAR, 19},
        {VMX_EXIT_VMLAUNCH, 20},
        {VMX_EXIT_VMPTRLD, 21},
        {VMX_EXIT_VMPTRST, 22},
        {VMX_EXIT_VMREAD, 23},
        {VMX_EXIT_VMRESUME, 24},
        {VMX_EXIT_VMWRITE, 25},
        {VMX_EXIT_VMXOFF, 26},
        {VMX_EXIT_VMXON, 27},
        {VMX_EXIT_CR, 28},
        {VMX_EXIT_IO, 30},
        {VMX_EXIT_RDMSR, 31},
        {VMX_EXIT_WRMSR, 32},
        {VMX_EXIT_MWAIT, 36},
        {VMX_EXIT_MONITOR, 39},
        {VMX_EXIT_PAUSE, 40},
        {VMX_EXIT_ENTRY_MACHINE_CHECK, 41},
        {VMX_EXIT_EPT_VIOLATION, 48},
        {VMX_EXIT_EPT_MISCONFIG, 49},
        {VMX_EXIT_INVEPT, 50},
        {VMX_EXIT_INVVPID, 53},
        {VMX_EXIT_WBINVD, 54},
        {VMX_EXIT_XSETBV, 55},
        {VMX_EXIT_VMFUNC, 59},
        {MSR_FEATURE_CONTROL, 58},
        {MSR_VMX_BASIC, 1152},
        {MSR_VMX_MISC, 1157},
        {MSR_VMX_CR0_FIXED0, 1158},
        {MSR_VMX_CR0_FIXED1, 1159},
        {MSR_VMX_CR4_FIXED0, 1160},
        {MSR_VMX_CR4_FIXED1, 1161},
        {MSR_VMX_PROC2, 1163},
        {MSR_VMX_EPT_VPID_CAP, 1164},
        {MSR_VMX_TRUE_PIN, 1165},
        {MSR_VMX_TRUE_PROC, 1166},
        {MSR_VMX_TRUE_EXIT, 1167},
        {MSR_VMX_TRUE_ENTRY, 1168},
        {VMX_EPTP_FLAGS, 0x1e},
        {VMX_MSR_BITMAP_HIGH, 1024},
        {VMX_MSR_BITMAP_WRITE, 2048},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(table[i].have, table[i].want);
    }
}

/* Extraction from made-up qualifications. */
static void test_fields_of_qualifications(void **state)
{
    (void)state;
    assert_int_equal(VMX_IO_SIZE(0x03f80000), 1);
    assert_int_equal(VMX_IO_SIZE(0x03f80003), 4);
    assert_int_equal(VMX_IO_PORT(0x03f80003), 0x3f8);
    assert_int_equal(VMX_INFO_ADDR(2u << 7), 2);
    assert_int_equal(VMX_INFO_SEG(3u << 15), 3);
    assert_int_equal(VMX_CR_NUMBER(0x918), 8);
    assert_int_equal(VMX_CR_TYPE(0x918), VMX_CR_MOV_FROM);
    assert_int_equal(VMX_CR_GPR(0x918), 9);
    assert_int_equal(VMX_EVENT_TYPE(0x80000b0eu), VMX_EVENT_EXCP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_fields_of_qualifications),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
/* Second, independently typed table of the VMCB: byte offsets in the whole page and bit numbers, in the order of [APM-2]
 * appendix B and C, against svm_defs.h. */
#include "vm/svm_defs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define C(field) offsetof(struct vmcb, control.field), sizeof(((struct vmcb *)0)->control.field), #field
#define S(field) offsetof(struct vmcb, save.field), sizeof(((struct vmcb *)0)->save.field), #field

/* have: ours; want, width: the manual's, in bytes */
static const struct {
    size_t have, size;
    const char *name;
    size_t want, width;
} vmcb_table[] = {
    { C(intercept_cr_read), 0, 2 },
    { C(intercept_cr_write), 2, 2 },
    { C(intercept_dr_read), 4, 2 },
    { C(intercept_dr_write), 6, 2 },
    { C(intercept_exceptions), 8, 4 },
    { C(intercept1), 12, 4 },
    { C(intercept2), 16, 4 },
    { C(intercept3), 20, 4 },
    { C(pause_filter_threshold), 60, 2 },
    { C(pause_filter_count), 62, 2 },
    { C(iopm_base_pa), 64, 8 },
    { C(msrpm_base_pa), 72, 8 },
    { C(tsc_offset), 80, 8 },
    { C(guest_asid), 88, 4 },
    { C(tlb_control), 92, 1 },
    { C(v_intr), 96, 8 },
    { C(interrupt_shadow), 104, 8 },
    { C(exitcode), 112, 8 },
    { C(exitinfo1), 120, 8 },
    { C(exitinfo2), 128, 8 },
    { C(exitintinfo), 136, 8 },
    { C(nested_ctl), 144, 8 },
    { C(avic_apic_bar), 152, 8 },
    { C(ghcb_pa), 160, 8 },
    { C(eventinj), 168, 8 },
    { C(n_cr3), 176, 8 },
    { C(lbr_ctl), 184, 8 },
    { C(clean), 192, 4 },
    { C(nrip), 200, 8 },
    { C(insn_len), 208, 1 },
    { C(insn_bytes), 209, 15 },
    { S(es), 1024, 16 },
    { S(cs), 1040, 16 },
    { S(ss), 1056, 16 },
    { S(ds), 1072, 16 },
    { S(fs), 1088, 16 },
    { S(gs), 1104, 16 },
    { S(gdtr), 1120, 16 },
    { S(ldtr), 1136, 16 },
    { S(idtr), 1152, 16 },
    { S(tr), 1168, 16 },
    { S(cpl), 1227, 1 },
    { S(efer), 1232, 8 },
    { S(cr4), 1352, 8 },
    { S(cr3), 1360, 8 },
    { S(cr0), 1368, 8 },
    { S(dr7), 1376, 8 },
    { S(dr6), 1384, 8 },
    { S(rflags), 1392, 8 },
    { S(rip), 1400, 8 },
    { S(rsp), 1496, 8 },
    { S(s_cet), 1504, 8 },
    { S(ssp), 1512, 8 },
    { S(isst_addr), 1520, 8 },
    { S(rax), 1528, 8 },
    { S(star), 1536, 8 },
    { S(lstar), 1544, 8 },
    { S(cstar), 1552, 8 },
    { S(sfmask), 1560, 8 },
    { S(kernel_gs_base), 1568, 8 },
    { S(sysenter_cs), 1576, 8 },
    { S(sysenter_esp), 1584, 8 },
    { S(sysenter_eip), 1592, 8 },
    { S(cr2), 1600, 8 },
    { S(g_pat), 1640, 8 },
    { S(dbgctl), 1648, 8 },
    { S(br_from), 1656, 8 },
    { S(br_to), 1664, 8 },
    { S(last_excp_from), 1672, 8 },
    { S(last_excp_to), 1680, 8 },
};

static void test_offsets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vmcb_table) / sizeof(vmcb_table[0]); i++) {
        if (vmcb_table[i].have != vmcb_table[i].want || vmcb_table[i].size != vmcb_table[i].width) {
            fail_msg("%s: at %zu, size %zu", vmcb_table[i].name, vmcb_table[i].have, vmcb_table[i].size);
        }
    }
    assert_int_equal(sizeof(struct vmcb), 4096);
    /* a segment register: selector, attributes, limit, base [APM-2 table B-2] */
    assert_int_equal(offsetof(struct vcpu_seg, sel), 0);
    assert_int_equal(offsetof(struct vcpu_seg, attr), 2);
    assert_int_equal(offsetof(struct vcpu_seg, limit), 4);
    assert_int_equal(offsetof(struct vcpu_seg, base), 8);
}

/* Intercept vectors: names by bit number, 0x00c to 0x014 as one string of 96 bits. */
static void test_intercepts(void **state)
{
    static const struct {
        uint32_t have;
        unsigned bit;
    } table[] = {
        { SVM_I1_INTR, 0 },         { SVM_I1_NMI, 1 },          { SVM_I1_SMI, 2 },         { SVM_I1_INIT, 3 },
        { SVM_I1_VINTR, 4 },        { SVM_I1_RDPMC, 15 },       { SVM_I1_CPUID, 18 },      { SVM_I1_RSM, 19 },
        { SVM_I1_IRET, 20 },        { SVM_I1_INVD, 22 },        { SVM_I1_PAUSE, 23 },      { SVM_I1_HLT, 24 },
        { SVM_I1_INVLPGA, 26 },     { SVM_I1_IOIO_PROT, 27 },   { SVM_I1_MSR_PROT, 28 },   { SVM_I1_FERR_FREEZE, 30 },
        { SVM_I1_SHUTDOWN, 31 },    { SVM_I2_VMRUN, 32 },       { SVM_I2_VMMCALL, 33 },    { SVM_I2_VMLOAD, 34 },
        { SVM_I2_VMSAVE, 35 },      { SVM_I2_STGI, 36 },        { SVM_I2_CLGI, 37 },       { SVM_I2_SKINIT, 38 },
        { SVM_I2_WBINVD, 41 },      { SVM_I2_MONITOR, 42 },     { SVM_I2_MWAIT, 43 },      { SVM_I2_MWAIT_ARMED, 44 },
        { SVM_I2_XSETBV, 45 },      { SVM_I2_RDPRU, 46 },       { SVM_I3_INVLPGB, 64 },    { SVM_I3_INVLPGB_ILLEGAL, 65 },
        { SVM_I3_MCOMMIT, 67 },     { SVM_I3_TLBSYNC, 68 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(table[i].have, (uint32_t)1 << (table[i].bit & 31));
    }
}

/* In appendix C most codes are 0x60 + the bit number of the intercept. */
static void test_exit_codes(void **state)
{
    static const struct {
        int code, want;
    } table[] = {
        { SVM_EXIT_READ_CR0, 0 },         { SVM_EXIT_READ_CR15, 15 },      { SVM_EXIT_WRITE_CR0, 16 },
        { SVM_EXIT_WRITE_CR15, 31 },      { SVM_EXIT_EXCP0, 64 },          { SVM_EXIT_DB, 64 + 1 },
        { SVM_EXIT_MC, 64 + 18 },         { SVM_EXIT_INTR, 96 },           { SVM_EXIT_NMI, 96 + 1 },
        { SVM_EXIT_SMI, 96 + 2 },         { SVM_EXIT_INIT, 96 + 3 },       { SVM_EXIT_VINTR, 96 + 4 },
        { SVM_EXIT_RDPMC, 96 + 15 },      { SVM_EXIT_CPUID, 96 + 18 },     { SVM_EXIT_RSM, 96 + 19 },
        { SVM_EXIT_IRET, 96 + 20 },       { SVM_EXIT_INVD, 96 + 22 },      { SVM_EXIT_PAUSE, 96 + 23 },
        { SVM_EXIT_HLT, 96 + 24 },        { SVM_EXIT_INVLPGA, 96 + 26 },   { SVM_EXIT_IOIO, 96 + 27 },
        { SVM_EXIT_MSR, 96 + 28 },        { SVM_EXIT_FERR_FREEZE, 96 + 30 }, { SVM_EXIT_SHUTDOWN, 96 + 31 },
        { SVM_EXIT_VMRUN, 96 + 32 },      { SVM_EXIT_VMMCALL, 96 + 33 },   { SVM_EXIT_VMLOAD, 96 + 34 },
        { SVM_EXIT_VMSAVE, 96 + 35 },     { SVM_EXIT_STGI, 96 + 36 },      { SVM_EXIT_CLGI, 96 + 37 },
        { SVM_EXIT_SKINIT, 96 + 38 },     { SVM_EXIT_WBINVD, 96 + 41 },    { SVM_EXIT_MONITOR, 96 + 42 },
        { SVM_EXIT_MWAIT, 96 + 43 },      { SVM_EXIT_MWAIT_ARMED, 96 + 44 }, { SVM_EXIT_XSETBV, 96 + 45 },
        { SVM_EXIT_RDPRU, 96 + 46 },      { SVM_EXIT_INVLPGB, 160 },       { SVM_EXIT_INVLPGB_ILLEGAL, 161 },
        { SVM_EXIT_MCOMMIT, 163 },        { SVM_EXIT_TLBSYNC, 164 },       { SVM_EXIT_NPF, 1024 },
        { SVM_EXIT_INVALID, -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(table[i].code, table[i].want);
    }
}

static void test_fields(void **state)
{
    (void)state;
    assert_int_equal(SVM_V_IRQ, 0x100);
    assert_int_equal(SVM_V_PRIO_HIGHEST, 0xf0000);
    assert_int_equal(SVM_V_IGN_TPR, 0x100000);
    assert_int_equal(SVM_V_INTR_MASKING, 0x1000000);
    assert_int_equal(SVM_SHADOW, 1);
    assert_int_equal(SVM_NP_ENABLE, 1);
    assert_int_equal(SVM_NPF_WRITE, 2);
    assert_int_equal(SVM_NPF_EXEC, 16);
    assert_true(SVM_NPF_PT_WALK == 0x200000000);
    assert_int_equal(SVM_TLB_FLUSH_ALL, 1);
    assert_int_equal(SVM_TLB_FLUSH_GUEST, 3);
    assert_int_equal(MSR_VM_CR, 0xc0010114);
    assert_int_equal(MSR_VM_HSAVE_PA, 0xc0010117);
    assert_int_equal(MSR_TSC_RATIO, 0xc0000104);
    assert_int_equal(VM_CR_SVMDIS, 0x10);
    assert_int_equal(EFER_SVME, 0x1000);
    assert_int_equal(VCPU_EVENT_VALID, 0x80000000);
    assert_int_equal(VCPU_EVENT_EV, 0x800);
    assert_int_equal(VCPU_EVENT_NMI, 0x200);
    assert_int_equal(VCPU_EVENT_EXCP, 0x300);
    assert_int_equal(VCPU_EVENT_SOFTINT, 0x400);
    assert_int_equal(CPUID_SVM_NP, 0x1);
    assert_int_equal(CPUID_SVM_NRIPS, 0x8);
    assert_int_equal(CPUID_SVM_TSC_RATE, 0x10);
    assert_int_equal(CPUID_SVM_FLUSH_BY_ASID, 0x40);
    assert_int_equal(CPUID_SVM_DECODE_ASSISTS, 0x80);
    assert_int_equal(CPUID_SVM_PAUSE_FILTER, 0x400);
    assert_int_equal(CPUID_SVM_PAUSE_THRESHOLD, 0x1000);
}

/* REP OUTSD from FS with 32-bit addresses to port 0xcfc */
static void test_ioio(void **state)
{
    uint64_t info = 0xcfcull << 16 | 4 << 10 | 0x100 | 0x40 | 0x8 | 0x4;

    (void)state;
    assert_false(info & SVM_IOIO_IN);
    assert_true(info & SVM_IOIO_STRING);
    assert_true(info & SVM_IOIO_REP);
    assert_int_equal(SVM_IOIO_SIZE(info), 4);
    assert_int_equal(SVM_IOIO_ADDR(info), 2);
    assert_int_equal(SVM_IOIO_SEG(info), 4);
    assert_int_equal(SVM_IOIO_PORT(info), 0xcfc);
    assert_int_equal(SVM_IOIO_SIZE(0x10), 1);
    assert_int_equal(SVM_IOIO_SIZE(0x20), 2);
    assert_int_equal(SVM_IOIO_ADDR(0x80), 1);
    assert_int_equal(SVM_IOIO_ADDR(0x200), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets), cmocka_unit_test(test_intercepts), cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_fields),  cmocka_unit_test(test_ioio),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

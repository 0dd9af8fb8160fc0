// SPDX-License-Identifier: MIT
// Exits: what the VMM is told, what the kernel finishes, interrupted events.
#include "svm_fake.h"
#include "cpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static enum vm_result take_exit(struct vcpu_arch *v)
{
    svm_exit_begin(v);
    return svm_exit(v);
}

static struct fake_vcpu f;
static unsigned rings;
static uint64_t rip_when_rung;

static int setup(void **state)
{
    (void)state;
    fake_vcpu_init(&f);
    f.vmcb.save.rip = 0x1000;
    rings = 0;
    return 0;
}

static const struct vcpu_exit *exit_vmm(uint64_t code, uint64_t info1, uint64_t info2)
{
    f.vmcb.control.exitcode = code;
    f.vmcb.control.exitinfo1 = info1;
    f.vmcb.control.exitinfo2 = info2;
    f.state.dirty = 0xff;
    assert_int_equal(take_exit(&f.v), VM_EXIT);
    assert_int_equal(f.state.dirty, 0);
    assert_int_equal(f.state.valid, VCPU_GROUP_BASE);
    assert_int_equal(f.state.rip, f.vmcb.save.rip);
    return &f.state.exit;
}

static void test_io(void **state)
{
    (void)state;
    const struct vcpu_exit *e = exit_vmm(SVM_EXIT_IOIO, 0x3f8u << 16 | 1 << 4 | 1, 0x1001);
    assert_int_equal(e->reason, VCPU_EXIT_IO);
    assert_int_equal(e->io_port, 0x3f8);
    assert_int_equal(e->io_width, 1);
    assert_int_equal(e->io_in, 1);
    assert_int_equal(e->io_string, 0);
    assert_int_equal(e->insn_len, 1);
    assert_int_equal(e->next_rip, 0x1001);
    e = exit_vmm(SVM_EXIT_IOIO, 0xffffu << 16 | 1 << 9 | 1 << 6 | 1 << 3 | 1 << 2, 0x1002);
    assert_int_equal(e->io_port, 0xffff);
    assert_int_equal(e->io_width, 4);
    assert_int_equal(e->io_in, 0);
    assert_int_equal(e->io_string, 1);
    assert_int_equal(e->io_rep, 1);
    assert_int_equal(e->io_addr_width, 8);
    assert_int_equal(e->io_seg, 0xff);
    e = exit_vmm(SVM_EXIT_IOIO, 1 << 7 | 1 << 5 | 1 << 2 | 1, 0x1002);
    assert_int_equal(e->io_width, 2);
    assert_int_equal(e->io_addr_width, 2);
    assert_int_equal(e->io_seg, 0); /* INS: always ES */
    svm_cpu.features = VM_FEAT_DECODE;
    e = exit_vmm(SVM_EXIT_IOIO, 5 << 10 | 1 << 8 | 1 << 5 | 1 << 2, 0x1002);
    assert_int_equal(e->io_seg, 5);
    assert_int_equal(e->io_addr_width, 4);
}

static void test_nested_fault(void **state)
{
    (void)state;
    const struct vcpu_exit *e = exit_vmm(SVM_EXIT_NPF, 1ull << 32 | 1 << 2, 0xfee00020);
    assert_int_equal(e->reason, VCPU_EXIT_MMIO);
    assert_int_equal(e->gpa, 0xfee00020);
    assert_int_equal(e->access, RIGHT_R);
    assert_int_equal(e->insn_bytes_len, 0);
    assert_int_equal(exit_vmm(SVM_EXIT_NPF, 1ull << 32 | 2, 0)->access, RIGHT_W);
    assert_int_equal(exit_vmm(SVM_EXIT_NPF, 1ull << 32 | 0x10, 0)->access, RIGHT_X);
    assert_int_equal(exit_vmm(SVM_EXIT_NPF, 1ull << 33 | 6, 0)->access, RIGHT_W | VCPU_ACCESS_PT_WALK);
    svm_cpu.features = VM_FEAT_DECODE;
    f.vmcb.control.insn_len = 3;
    f.vmcb.control.insn_bytes[2] = 0x90;
    f.vmcb.control.insn_bytes[3] = 0xcc;
    e = exit_vmm(SVM_EXIT_NPF, 0, 0);
    assert_int_equal(e->insn_bytes_len, 3);
    assert_int_equal(e->insn_bytes[2], 0x90);
    assert_int_equal(e->insn_bytes[3], 0);
}

static void test_reasons(void **state)
{
    static const struct {
        uint32_t code, reason;
    } table[] = {
        { 0x72, VCPU_EXIT_CPUID },      { 0x78, VCPU_EXIT_HLT },
        { 0x8d, VCPU_EXIT_XSETBV },     { 0x81, VCPU_EXIT_VMCALL },     { 0x89, VCPU_EXIT_WBINVD },
        { 0x76, VCPU_EXIT_WBINVD },     { 0x80, VCPU_EXIT_INVALID_OP }, { 0x8a, VCPU_EXIT_INVALID_OP },
        { 0x6f, VCPU_EXIT_INVALID_OP }, { 0x7a, VCPU_EXIT_INVALID_OP }, { 0x7e, VCPU_EXIT_FAILURE },
        { 0x3ff, VCPU_EXIT_FAILURE },   { 0x14, VCPU_EXIT_CR },
    };

    (void)state;
    svm_cpu.features = VM_FEAT_NEXT_RIP;
    f.vmcb.control.nrip = 0x1003;
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        const struct vcpu_exit *e = exit_vmm(table[i].code, 0, 0);
        bool failure = table[i].reason == VCPU_EXIT_FAILURE;

        assert_int_equal(e->reason, table[i].reason);
        assert_int_equal(e->qual, failure ? table[i].code : 0);
        assert_int_equal(e->insn_len, failure ? 0 : 3);
    }
    const struct vcpu_exit *e = exit_vmm(0x7f, 0, 0);
    assert_int_equal(e->reason, VCPU_EXIT_SHUTDOWN);
    assert_int_equal(e->insn_len, 0);
    svm_cpu.features = 0;
    assert_int_equal(exit_vmm(0x72, 0, 0)->insn_len, 0);
    assert_int_equal(exit_vmm(0x7c, 0, 0)->reason, VCPU_EXIT_RDMSR);
    assert_int_equal(exit_vmm(0x7c, 1, 0)->reason, VCPU_EXIT_WRMSR);
    e = exit_vmm(0x18, 0, 0);
    assert_int_equal(e->cr_nr, 8);
    assert_int_equal(e->cr_write, 1);
    assert_int_equal(e->cr_gpr, 0xff);
}

static void test_pause(void **state)
{
    (void)state;
    f.vmcb.control.exitcode = 0x77;
    f.vmcb.save.rip = 0x1000;
    f.vmcb.control.interrupt_shadow = 1;
    assert_int_equal(svm_exit(&f.v), VM_PAUSE);
    assert_int_equal(f.vmcb.save.rip, 0x1002); /* F3 90 */
    assert_int_equal(f.vmcb.control.interrupt_shadow, 0);
    assert_int_equal(f.vmcb.control.eventinj, 0);
    svm_cpu.features = VM_FEAT_NEXT_RIP;
    f.vmcb.control.nrip = 0x1006;
    f.vmcb.save.rflags |= 0x100;
    assert_int_equal(svm_exit(&f.v), VM_PAUSE);
    assert_int_equal(f.vmcb.save.rip, 0x1006);
    assert_int_equal(f.vmcb.control.eventinj, 0x80000301); /* single-stepped: #DB */
}

static void test_host_interrupt(void **state)
{
    static const uint64_t codes[] = { 0x60, 0x61, 0x62, 0x63 };

    (void)state;
    f.state.dirty = 5;
    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
        f.vmcb.control.exitcode = codes[i];
        assert_int_equal(take_exit(&f.v), VM_HOST_INTERRUPT);
    }
    assert_int_equal(f.state.dirty, 5); /* the page is the VMM's as long as the run lasts */
}

/* VMRUN refused: nothing of the save area may reach the VMM. */
static void test_invalid(void **state)
{
    (void)state;
    f.vmcb.save.cr3 = 0xdead000;
    const struct vcpu_exit *e = exit_vmm(UINT64_MAX, 0, 0);
    assert_int_equal(e->reason, VCPU_EXIT_INVALID);
    assert_int_equal(e->qual, VCPU_INVALID_HARDWARE);
    assert_int_equal(f.state.cr3, 0);
    assert_int_equal(f.state.rip, 0xfff0);
}

static void test_irq_window(void **state)
{
    (void)state;
    f.vmcb.control.v_intr |= SVM_V_IRQ;
    f.vmcb.control.intercept1 |= SVM_I1_VINTR;
    assert_int_equal(exit_vmm(0x64, 0, 0)->reason, VCPU_EXIT_IRQ_WINDOW);
    assert_false(f.vmcb.control.v_intr & SVM_V_IRQ);
    assert_false(f.vmcb.control.intercept1 & SVM_I1_VINTR);
}

static void ring(struct irq_target *t)
{
    (void)t;
    rings++;
    rip_when_rung = f.vmcb.save.rip;
}

static void out(uint64_t info, uint64_t value)
{
    f.vmcb.save.rip = 0x1000;
    f.vmcb.save.rax = value;
    f.vmcb.control.exitcode = SVM_EXIT_IOIO;
    f.vmcb.control.exitinfo1 = info;
    f.vmcb.control.exitinfo2 = 0x1001;
}

static void test_doorbell(void **state)
{
    struct irq_target target = { .fire = ring };
    struct doorbell d = { .port = 0x500, .value = 3, .target = &target };

    (void)state;
    assert_int_equal(doorbell_add(&f.guest.doorbells, &d), SK_OK);
    f.vmcb.control.interrupt_shadow = 1;
    out(0x500u << 16 | 1 << 5, 0xffff0003); /* 16 bits: the rest of rax does not matter */
    assert_int_equal(take_exit(&f.v), VM_DOORBELL);
    assert_int_equal(rings, 1);
    assert_int_equal(rip_when_rung, 0x1001);
    assert_int_equal(f.vmcb.control.interrupt_shadow, 0);
    out(0x500u << 16 | 1 << 6, 0x100000003); /* 32 bits */
    assert_int_equal(take_exit(&f.v), VM_DOORBELL);
    out(0x500u << 16 | 1 << 6, 0x10003);
    assert_int_equal(take_exit(&f.v), VM_EXIT);
    out(0x500u << 16 | 1 << 4, 3); /* 8 bits */
    assert_int_equal(take_exit(&f.v), VM_EXIT);
    out(0x500u << 16 | 1 << 5 | 1, 3); /* IN */
    assert_int_equal(take_exit(&f.v), VM_EXIT);
    out(0x500u << 16 | 1 << 5 | 4, 3); /* OUTS */
    assert_int_equal(take_exit(&f.v), VM_EXIT);
    assert_int_equal(rings, 2);
    /* a guest that steps gets its #DB behind the OUT */
    f.vmcb.save.rflags |= RFLAGS_TF;
    out(0x500u << 16 | 1 << 5, 3);
    assert_int_equal(take_exit(&f.v), VM_DOORBELL);
    assert_true(f.vmcb.control.eventinj == (VCPU_EVENT_VALID | VCPU_EVENT_EXCP | 1));
    assert_true(f.vmcb.save.dr6 & BIT(14));
}

static void test_interrupted_event(void **state)
{
    const uint64_t pf = VCPU_EVENT_VALID | VCPU_EVENT_EXCP | VCPU_EVENT_EV | 14 | 2ull << 32;
    const uint64_t softint = VCPU_EVENT_VALID | VCPU_EVENT_SOFTINT | 0x80;

    (void)state;
    f.vmcb.control.exitintinfo = pf;
    assert_true(exit_vmm(SVM_EXIT_NPF, 2, 0)->idt_vectoring == pf);
    assert_int_equal(f.vmcb.control.eventinj, 0);
    /* finished by the kernel: delivered at the next entry */
    f.vmcb.control.exitcode = SVM_EXIT_INTR;
    assert_int_equal(take_exit(&f.v), VM_HOST_INTERRUPT);
    assert_true(f.vmcb.control.eventinj == pf);
    /* the guest's own INT n is executed again, an injected one is not */
    f.vmcb.control.exitintinfo = softint;
    assert_int_equal(exit_vmm(SVM_EXIT_NPF, 2, 0)->idt_vectoring, 0);
    f.v.injected = softint;
    assert_true(exit_vmm(SVM_EXIT_NPF, 2, 0)->idt_vectoring == softint);
    /* without the valid bit it is what the hardware left there */
    f.vmcb.control.exitintinfo = pf & ~VCPU_EVENT_VALID;
    assert_int_equal(exit_vmm(SVM_EXIT_NPF, 2, 0)->idt_vectoring, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_io, setup),         cmocka_unit_test_setup(test_nested_fault, setup),
        cmocka_unit_test_setup(test_reasons, setup),    cmocka_unit_test_setup(test_pause, setup),
        cmocka_unit_test_setup(test_reasons, setup),    cmocka_unit_test_setup(test_host_interrupt, setup),
        cmocka_unit_test_setup(test_invalid, setup),    cmocka_unit_test_setup(test_irq_window, setup),
        cmocka_unit_test_setup(test_doorbell, setup),   cmocka_unit_test_setup(test_interrupted_event, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

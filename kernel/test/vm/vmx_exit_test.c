// SPDX-License-Identifier: MIT
// Exits: what the VMM is told, and what the kernel finishes itself.
#include "vmx_fake.h"
#include "cpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct fake_vcpu f;
static unsigned rings;

static int setup(void **state)
{
    (void)state;
    fake_vcpu_init(&f);
    fake_vmcs[0x681e] = 0x1000;
    rings = 0;
    return 0;
}

static enum vm_result take_exit(uint32_t reason, uint64_t qual, uint32_t len)
{
    fake_vmcs[0x4402] = reason;
    fake_vmcs[0x6400] = qual;
    fake_vmcs[0x440c] = len;
    vmx_exit_begin(&f.v);
    return vmx_exit(&f.v);
}

static const struct vcpu_exit *exit_vmm(uint32_t reason, uint64_t qual, uint32_t len)
{
    f.state.dirty = 0xff;
    assert_int_equal(take_exit(reason, qual, len), VM_EXIT);
    assert_int_equal(f.state.dirty, 0);
    assert_int_equal(f.state.valid, VCPU_GROUP_BASE);
    return &f.state.exit;
}

static void test_io(void **state)
{
    (void)state;
    const struct vcpu_exit *e = exit_vmm(30, 0x3f8u << 16 | 1 << 3, 1);
    assert_int_equal(e->reason, VCPU_EXIT_IO);
    assert_int_equal(e->io_port, 0x3f8);
    assert_int_equal(e->io_width, 1);
    assert_int_equal(e->io_in, 1);
    assert_int_equal(e->io_string, 0);
    assert_int_equal(e->insn_len, 1);
    assert_int_equal(e->next_rip, 0x1001);
    fake_vmcs[0x440e] = 2u << 7 | 5u << 15; /* 64-bit addresses, GS */
    e = exit_vmm(30, 0xffffu << 16 | 1 << 5 | 1 << 4 | 3, 3);
    assert_int_equal(e->io_port, 0xffff);
    assert_int_equal(e->io_width, 4);
    assert_int_equal(e->io_in, 0);
    assert_int_equal(e->io_rep, 1);
    assert_int_equal(e->io_addr_width, 8);
    assert_int_equal(e->io_seg, 5);
    e = exit_vmm(30, 1 << 4 | 1 << 3 | 1, 1);
    assert_int_equal(e->io_width, 2);
    assert_int_equal(e->io_seg, 0); /* INS: always ES */
    vmx_cpu.io_info = false;
    e = exit_vmm(30, 1 << 4, 1);
    assert_int_equal(e->io_addr_width, 0);
    assert_int_equal(e->io_seg, 0xff);
}

static void test_ept(void **state)
{
    (void)state;
    fake_vmcs[0x2400] = 0xfee00123;
    const struct vcpu_exit *e = exit_vmm(48, 1 | 1 << 7 | 1 << 8, 0);
    assert_int_equal(e->reason, VCPU_EXIT_MMIO);
    assert_int_equal(e->gpa, 0xfee00123);
    assert_int_equal(e->access, RIGHT_R);
    assert_int_equal(exit_vmm(48, 2 | 1 << 7 | 1 << 8, 0)->access, RIGHT_W);
    assert_int_equal(exit_vmm(48, 4 | 1 << 7 | 1 << 8, 0)->access, RIGHT_X);
    assert_int_equal(exit_vmm(48, 3 | 1 << 7, 0)->access, RIGHT_W | VCPU_ACCESS_PT_WALK);
    assert_int_equal(fake_vmcs[0x4824], 0);
    exit_vmm(48, 1 | 1 << 7 | 1 << 12, 0); /* at an IRET, which will be executed again */
    assert_int_equal(fake_vmcs[0x4824], VMX_BLOCK_NMI);
}

static void test_reasons(void **state)
{
    static const struct {
        uint8_t code, reason;
        bool insn;
    } table[] = {
        {2, VCPU_EXIT_SHUTDOWN, false},   {10, VCPU_EXIT_CPUID, true},     {12, VCPU_EXIT_HLT, true},
        {13, VCPU_EXIT_WBINVD, true},     {15, VCPU_EXIT_INVALID_OP, true}, {18, VCPU_EXIT_VMCALL, true},
        {19, VCPU_EXIT_INVALID_OP, true}, {27, VCPU_EXIT_INVALID_OP, true}, {31, VCPU_EXIT_RDMSR, true},
        {32, VCPU_EXIT_WRMSR, true},      {36, VCPU_EXIT_INVALID_OP, true}, {39, VCPU_EXIT_INVALID_OP, true},
        {54, VCPU_EXIT_WBINVD, true},     {55, VCPU_EXIT_XSETBV, true},     {49, VCPU_EXIT_FAILURE, false},
        {9, VCPU_EXIT_FAILURE, false},    {200, VCPU_EXIT_FAILURE, false},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        const struct vcpu_exit *e = exit_vmm(table[i].code, 0, 3);

        assert_int_equal(e->reason, table[i].reason);
        assert_int_equal(e->qual, table[i].reason == VCPU_EXIT_FAILURE ? table[i].code : 0);
        assert_int_equal(e->insn_len, table[i].insn ? 3 : 0);
    }
    fake_vmcs[0x681e] = 0xffffffff; /* outside 64-bit code rip has 32 bits */
    assert_int_equal(exit_vmm(10, 0, 2)->next_rip, 1);
}

static void test_windows(void **state)
{
    (void)state;
    f.v.proc_controls = VMX_PROC_INTR_WINDOW | VMX_PROC_NMI_WINDOW | VMX_PROC_HLT;
    assert_int_equal(exit_vmm(7, 0, 0)->reason, VCPU_EXIT_IRQ_WINDOW);
    assert_int_equal(fake_vmcs[0x4002], VMX_PROC_NMI_WINDOW | VMX_PROC_HLT);
    assert_int_equal(exit_vmm(8, 0, 0)->reason, VCPU_EXIT_NMI_WINDOW);
    assert_int_equal(fake_vmcs[0x4002], VMX_PROC_HLT);
}

static void test_control_registers(void **state)
{
    (void)state;
    f.v.gpr[GPR_R9] = 0x40000031;
    assert_int_equal(take_exit(28, 0 | 9 << 8, 3), VM_HOST_INTERRUPT); /* MOV to CR0: again, with a shadow that matches */
    assert_int_equal(fake_vmcs[0x6004], 0x40000031);
    assert_int_equal(fake_vmcs[0x681e], 0x1000);
    f.v.gpr[GPR_R9] = 0x20000031; /* NW without CD */
    assert_int_equal(take_exit(28, 0 | 9 << 8, 3), VM_HOST_INTERRUPT);
    assert_int_equal(f.v.event, 0x80000b0d);
    assert_int_equal(fake_vmcs[0x6004], 0x40000031);
    assert_int_equal(take_exit(28, 4 | 9 << 8, 3), VM_HOST_INTERRUPT); /* a bit of CR4 that there is not */
    assert_int_equal(f.v.event, 0x80000b0d);
    const struct vcpu_exit *e = exit_vmm(28, 8 | 1 << 4 | 15 << 8, 4);
    assert_int_equal(e->reason, VCPU_EXIT_CR);
    assert_int_equal(e->cr_nr, 8);
    assert_int_equal(e->cr_write, 0);
    assert_int_equal(e->cr_gpr, 15);
    assert_int_equal(e->insn_len, 4);
}

static void test_host(void **state)
{
    static const uint8_t reasons[] = {1, 3, 4};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
        f.state.dirty = 5;
        assert_int_equal(take_exit(reasons[i], 0, 0), VM_HOST_INTERRUPT);
        assert_int_equal(f.state.dirty, 5); /* the page is the VMM's as long as the run lasts */
    }
    assert_true(f.v.launched);
}

/* A failed entry leaves everything as it was loaded, the event too. */
static void test_refused(void **state)
{
    (void)state;
    vmx_cpu.len_0 = false;
    f.v.event = VCPU_EVENT_VALID | VCPU_EVENT_SOFTINT | 0x21;
    vmx_event_enter(&f.v);
    const struct vcpu_exit *e = exit_vmm(1u << 31 | 33, 0, 0);
    assert_int_equal(e->reason, VCPU_EXIT_INVALID);
    assert_int_equal(e->qual, VCPU_INVALID_HARDWARE);
    assert_int_equal(e->idt_vectoring, VCPU_EVENT_VALID | VCPU_EVENT_SOFTINT | 0x21);
    assert_int_equal(f.state.rip, 0x1000);
    assert_int_equal(fake_vmcs[0x4016], 0);
    assert_false(f.v.launched);
}

static void ring(struct irq_target *t)
{
    (void)t;
    rings++;
    assert_int_equal(fake_vmcs[0x681e], 0x1001); /* the OUT is done before */
}

static void test_doorbell(void **state)
{
    struct irq_target target = {.fire = ring};
    struct doorbell d = {.port = 0x500, .value = 3, .target = &target};

    (void)state;
    assert_int_equal(doorbell_add(&f.guest.doorbells, &d), SK_OK);
    fake_vmcs[0x4824] = VMX_BLOCK_STI;
    f.v.gpr[GPR_RAX] = 0xabc0003;
    assert_int_equal(take_exit(30, 0x500u << 16 | 1, 1), VM_DOORBELL);
    assert_int_equal(rings, 1);
    assert_int_equal(fake_vmcs[0x4824], 0);
    assert_int_equal(f.v.event, 0);
    fake_vmcs[0x681e] = 0x1000;
    fake_vmcs[0x6820] |= 0x100; /* single-stepped */
    assert_int_equal(take_exit(30, 0x500u << 16 | 1, 1), VM_DOORBELL);
    assert_int_equal(f.v.event, 0x80000301);
    assert_int_equal(f.v.dr6 & 1 << 14, 1 << 14);
    f.v.gpr[GPR_RAX] = 4;
    assert_int_equal(take_exit(30, 0x500u << 16 | 1, 1), VM_EXIT);
    assert_int_equal(take_exit(30, 0x500u << 16 | 1 << 3 | 1, 1), VM_EXIT); /* IN */
    assert_int_equal(rings, 2);
}

static void test_pause(void **state)
{
    (void)state;
    fake_vmcs[0x4824] = VMX_BLOCK_MOV_SS;
    assert_int_equal(take_exit(40, 0, 2), VM_PAUSE);
    assert_int_equal(fake_vmcs[0x681e], 0x1002);
    assert_int_equal(fake_vmcs[0x4824], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_io, setup),
        cmocka_unit_test_setup(test_ept, setup),
        cmocka_unit_test_setup(test_reasons, setup),
        cmocka_unit_test_setup(test_windows, setup),
        cmocka_unit_test_setup(test_control_registers, setup),
        cmocka_unit_test_setup(test_host, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_doorbell, setup),
        cmocka_unit_test_setup(test_pause, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

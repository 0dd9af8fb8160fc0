// SPDX-License-Identifier: MIT
// State page <-> VMCB: reset state, every refusal, the round trip, events and windows.
#include "svm_fake.h"
#include "cpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define GROUPS (VCPU_GROUP_BASE | VCPU_GROUP_SEG | VCPU_GROUP_MSR | VCPU_GROUP_TSC)

static struct fake_vcpu f;

/* Loads the page with these groups dirty. */
static int load(uint32_t dirty)
{
    f.state.dirty = dirty;
    return vm_vcpu_load(&f.v);
}

static void assert_refused(uint32_t dirty, enum vcpu_invalid why)
{
    struct vmcb before = f.vmcb;

    assert_int_equal(load(dirty), SK_EINVAL);
    assert_int_equal(f.state.exit.reason, VCPU_EXIT_INVALID);
    assert_int_equal(f.state.exit.qual, why);
    assert_int_equal(f.state.dirty, dirty);
    assert_memory_equal(&before, &f.vmcb, sizeof(before));
}

static int setup(void **state)
{
    (void)state;
    fake_vcpu_init(&f);
    return 0;
}

/* Table 14-1 of the manual, once more. */
static void test_reset(void **state)
{
    const struct vcpu_state *s = &f.state;

    (void)state;
    assert_int_equal(s->valid, GROUPS);
    assert_int_equal(s->cs.sel, 0xf000);
    assert_int_equal(s->cs.base, 0xffff0000);
    assert_int_equal(s->rip, 0xfff0);
    assert_int_equal(s->rflags, 2);
    assert_int_equal(s->cr0, 0x60000010);
    assert_int_equal(s->efer, 0);
    assert_int_equal(s->dr6, 0xffff0ff0);
    assert_int_equal(s->dr7, 0x400);
    assert_int_equal(s->pat, 0x0007040600070406);
    assert_int_equal(s->gpr[GPR_RDX], 0x800f12);
    assert_int_equal(s->ss.attr, 0x93);
    assert_int_equal(s->idtr.limit, 0xffff);
    assert_int_equal(f.vmcb.save.efer, EFER_SVME);
    assert_int_equal(load(GROUPS | VCPU_GROUP_FPU), SK_OK);
    assert_int_equal(s->dirty, 0);
}

#define SET_REFUSED(group, field, bad, why) \
    do { \
        uint64_t _old = f.state.field; \
        f.state.field = (__typeof__(f.state.field))(bad); \
        assert_refused(group, why); \
        f.state.field = (__typeof__(f.state.field))_old; \
        assert_int_equal(load(group), SK_OK); \
    } while (0)

static void test_refuse_base(void **state)
{
    (void)state;
    SET_REFUSED(VCPU_GROUP_BASE, cr0, 0x100000010, VCPU_INVALID_CR0);
    SET_REFUSED(VCPU_GROUP_BASE, cr0, 0x20000010, VCPU_INVALID_CR0); /* NW without CD */
    SET_REFUSED(VCPU_GROUP_BASE, cr0, 0x80000010, VCPU_INVALID_CR0); /* PG without PE */
    SET_REFUSED(VCPU_GROUP_BASE, cr4, 1 << 13, VCPU_INVALID_CR4);    /* VMXE */
    SET_REFUSED(VCPU_GROUP_BASE, cr4, 1ull << 32, VCPU_INVALID_CR4);
    SET_REFUSED(VCPU_GROUP_BASE, cr3, 1ull << 40, VCPU_INVALID_CR3);
    SET_REFUSED(VCPU_GROUP_BASE, cr3, 1ull << 63, VCPU_INVALID_CR3);
    SET_REFUSED(VCPU_GROUP_BASE, efer, EFER_SVME, VCPU_INVALID_EFER);
    SET_REFUSED(VCPU_GROUP_BASE, efer, EFER_LMA, VCPU_INVALID_EFER);
    SET_REFUSED(VCPU_GROUP_BASE, efer, 2, VCPU_INVALID_EFER);
    SET_REFUSED(VCPU_GROUP_BASE, rflags, 0, VCPU_INVALID_RFLAGS);
    SET_REFUSED(VCPU_GROUP_BASE, rflags, 0xa, VCPU_INVALID_RFLAGS);
    SET_REFUSED(VCPU_GROUP_BASE, rflags, 0x400002, VCPU_INVALID_RFLAGS);
    SET_REFUSED(VCPU_GROUP_BASE, rflags, 0x8002, VCPU_INVALID_RFLAGS);
    SET_REFUSED(VCPU_GROUP_BASE, cs.attr, 0x109b, VCPU_INVALID_SEGMENT);
    SET_REFUSED(VCPU_GROUP_BASE, ss.attr, 0x8093, VCPU_INVALID_SEGMENT);
    /* not dirty: not looked at */
    f.state.cr0 = UINT64_MAX;
    assert_int_equal(load(VCPU_GROUP_SEG), SK_OK);
    assert_int_equal(f.vmcb.save.cr0, 0x60000010);
}

static void set_long_mode(void)
{
    f.state.cr0 = CR0_PG | CR0_PE | CR0_ET;
    f.state.cr4 = CR4_PAE;
    f.state.efer = EFER_LME | EFER_LMA;
    f.state.cs.attr = 0xa9b;
}

static void test_refuse_long_mode(void **state)
{
    (void)state;
    set_long_mode();
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
    SET_REFUSED(VCPU_GROUP_BASE, cr4, 0, VCPU_INVALID_CR4);
    SET_REFUSED(VCPU_GROUP_BASE, efer, EFER_LME, VCPU_INVALID_EFER);
    SET_REFUSED(VCPU_GROUP_BASE, rflags, 0x20002, VCPU_INVALID_RFLAGS); /* VM */
    SET_REFUSED(VCPU_GROUP_BASE, cs.attr, 0xe9b, VCPU_INVALID_SEGMENT); /* L and D */
    /* what the guest itself has set in CR4 is never refused */
    f.vmcb.save.cr4 |= BIT(23);
    f.state.cr4 |= BIT(23);
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
}

static void test_refuse_seg_msr(void **state)
{
    (void)state;
    SET_REFUSED(VCPU_GROUP_SEG, ds.attr, 0x1093, VCPU_INVALID_SEGMENT);
    SET_REFUSED(VCPU_GROUP_SEG, fs.base, 1ull << 47, VCPU_INVALID_SEGMENT);
    SET_REFUSED(VCPU_GROUP_SEG, tr.base, 1ull << 63, VCPU_INVALID_SEGMENT);
    SET_REFUSED(VCPU_GROUP_SEG, gdtr.limit, 0x10000, VCPU_INVALID_SEGMENT);
    SET_REFUSED(VCPU_GROUP_SEG, idtr.base, 0x0000800000000000, VCPU_INVALID_SEGMENT);
    SET_REFUSED(VCPU_GROUP_MSR, xcr0, 0, VCPU_INVALID_XCR0);
    SET_REFUSED(VCPU_GROUP_MSR, xcr0, 5, VCPU_INVALID_XCR0);
    SET_REFUSED(VCPU_GROUP_MSR, xcr0, 0xe7, VCPU_INVALID_XCR0);
    SET_REFUSED(VCPU_GROUP_MSR, dr6, 1ull << 32, VCPU_INVALID_DR);
    SET_REFUSED(VCPU_GROUP_MSR, dr7, 1ull << 32, VCPU_INVALID_DR);
    SET_REFUSED(VCPU_GROUP_MSR, pat, 0x0007040600070402, VCPU_INVALID_MSR);
    SET_REFUSED(VCPU_GROUP_MSR, pat, 0x0807040600070406, VCPU_INVALID_MSR);
    SET_REFUSED(VCPU_GROUP_MSR, lstar, 1ull << 62, VCPU_INVALID_MSR);
    SET_REFUSED(VCPU_GROUP_MSR, kernel_gs_base, 1ull << 48, VCPU_INVALID_MSR);
    SET_REFUSED(VCPU_GROUP_MSR, debugctl, 1, VCPU_INVALID_MSR);
    SET_REFUSED(VCPU_GROUP_MSR, tsc_aux, 1ull << 32, VCPU_INVALID_MSR);
    vm_limits.tsc_aux = false;
    SET_REFUSED(VCPU_GROUP_MSR, tsc_aux, 1, VCPU_INVALID_MSR);
    assert_refused(1u << 5, VCPU_INVALID_NONE); /* no such group */
}

static void refuse_event(uint64_t event)
{
    f.state.run.inject = event;
    assert_refused(0, VCPU_INVALID_EVENT);
    assert_true(f.state.run.inject == event);
    f.state.run.inject = 0;
}

static void take_event(uint64_t event)
{
    f.state.run.inject = event;
    assert_int_equal(load(0), SK_OK);
    assert_int_equal(f.state.run.inject, 0);
    assert_true(f.vmcb.control.eventinj == event);
}

static void test_events(void **state)
{
    (void)state;
    refuse_event(VCPU_EVENT_VALID | VCPU_EVENT_INTR | 0x20); /* IF = 0 */
    refuse_event(VCPU_EVENT_EXCP | 13);                      /* not valid, not 0 */
    refuse_event(VCPU_EVENT_VALID | 1ull << 8);              /* type 1 */
    refuse_event(VCPU_EVENT_VALID | 5ull << 8);
    refuse_event(VCPU_EVENT_VALID | VCPU_EVENT_EXCP | 2);
    refuse_event(VCPU_EVENT_VALID | VCPU_EVENT_EXCP | 32);
    refuse_event(VCPU_EVENT_VALID | VCPU_EVENT_EXCP | 13 | 1 << 12);
    refuse_event(VCPU_EVENT_VALID | VCPU_EVENT_EXCP | 13 | 1ull << 32); /* code without EV */
    refuse_event(VCPU_EVENT_VALID | VCPU_EVENT_SOFTINT | VCPU_EVENT_EV | 0x80);
    take_event(VCPU_EVENT_VALID | VCPU_EVENT_EXCP | VCPU_EVENT_EV | 13 | 0x18ull << 32);
    take_event(VCPU_EVENT_VALID | VCPU_EVENT_SOFTINT | 0x80);
    f.vmcb.save.rflags |= RFLAGS_IF;
    take_event(VCPU_EVENT_VALID | VCPU_EVENT_INTR | 0x20);
    f.vmcb.control.interrupt_shadow = 1;
    refuse_event(VCPU_EVENT_VALID | VCPU_EVENT_INTR | 0x20);
    /* the state that is loaded together with the event counts */
    f.state.run.inject = VCPU_EVENT_VALID | VCPU_EVENT_INTR | 0x20;
    f.state.rflags = RFLAGS_ONE | RFLAGS_IF;
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
    set_long_mode();
    f.state.rflags = RFLAGS_ONE;
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
    refuse_event(VCPU_EVENT_VALID | VCPU_EVENT_EXCP | 5); /* BOUND in 64-bit code */
}

static void test_nmi_mask(void **state)
{
    const uint64_t nmi = VCPU_EVENT_VALID | VCPU_EVENT_NMI | 2;

    (void)state;
    take_event(nmi);
    assert_true(f.vmcb.control.intercept1 & SVM_I1_IRET);
    refuse_event(nmi);
    /* not delivered: given back, and the mask is open again */
    assert_true(svm_state_ops.event_take(&f.v) == nmi);
    assert_false(f.vmcb.control.intercept1 & SVM_I1_IRET);
    take_event(nmi);
    f.vmcb.control.eventinj = 0;
    /* IRET: stepped over, and only then open */
    svm_nmi_iret(&f.v);
    assert_true(f.vmcb.save.rflags & RFLAGS_TF);
    assert_true(f.vmcb.control.intercept_exceptions & 2);
    svm_nmi_unstep(&f.v);
    assert_false(f.vmcb.save.rflags & RFLAGS_TF);
    refuse_event(nmi);
    svm_nmi_iret(&f.v);
    f.vmcb.save.rflags = RFLAGS_ONE;
    f.vmcb.save.dr6 = 0xffff4ff0;
    svm_nmi_debug(&f.v);
    assert_int_equal(f.vmcb.save.dr6, 0xffff0ff0);
    assert_int_equal(f.vmcb.control.eventinj, 0);
    assert_int_equal(f.vmcb.control.intercept_exceptions & 2, 0);
    take_event(nmi);
}

static void test_windows(void **state)
{
    (void)state;
    f.state.run.irq_window = 1;
    assert_int_equal(load(0), SK_OK);
    assert_true(f.vmcb.control.v_intr & SVM_V_IRQ);
    assert_true(f.vmcb.control.intercept1 & SVM_I1_VINTR);
    f.state.run.irq_window = 0;
    f.state.run.nmi_window = 1;
    assert_int_equal(load(0), SK_OK);
    assert_false(f.vmcb.control.v_intr & SVM_V_IRQ);
    assert_false(f.vmcb.control.intercept1 & SVM_I1_VINTR);
    assert_true(f.vmcb.control.v_intr & SVM_V_INTR_MASKING);
    assert_true(svm_nmi_prepare(&f.v));
    f.vmcb.control.interrupt_shadow = 1;
    assert_false(svm_nmi_prepare(&f.v)); /* steps out of the shadow */
    assert_true(f.v.stepping);
}

/* Every field comes back as it was set. */
static void test_round_trip(void **state)
{
    struct vcpu_state *s = &f.state, want;

    (void)state;
    for (unsigned i = 0; i < GPR_COUNT; i++) {
        s->gpr[i] = 0x1111111111111111ull * i;
    }
    set_long_mode();
    s->rip = 0x1234;
    s->cr2 = 0x5678;
    s->cr3 = 0x9000;
    s->int_shadow = 1;
    s->cpl = 3;
    s->ss = (struct vcpu_seg){ 0x23, 0xcf3, 0xffffffff, 0 };
    s->fs.base = 0xffff800000001000;
    s->gs.base = 0x7fffffffffff;
    s->ldtr = (struct vcpu_seg){ 1, 0x82, 3, 4 };
    s->tr = (struct vcpu_seg){ 5, 0x8b, 6, 7 };
    s->gdtr = (struct vcpu_seg){ 0, 0, 8, 9 };
    s->idtr = (struct vcpu_seg){ 0, 0, 10, 11 };
    s->star = 12, s->lstar = 13, s->cstar = 14, s->sfmask = 15, s->kernel_gs_base = 16;
    s->sysenter_cs = 17, s->sysenter_esp = 18, s->sysenter_eip = 19;
    s->pat = 0x0105060007040706, s->dr6 = 0xffff0ff1, s->dr7 = 0x401, s->xcr0 = 7, s->tsc_aux = 20;
    s->tsc_offset = 21, s->tsc_ratio = 0x180000000; /* MSR_TSC_RATIO's format is the ABI's */
    vm_limits.tsc_scale = true;
    want = *s;
    unsigned resets = fake_fpu_resets;
    assert_int_equal(load(GROUPS | VCPU_GROUP_FPU), SK_OK);
    assert_int_equal(fake_fpu_resets, resets + 1);
    memset(s, 0xa5, sizeof(*s));
    s->valid = 0;
    vm_vcpu_get(&f.v, GROUPS);
    assert_int_equal(s->valid, GROUPS);
    size_t from = offsetof(struct vcpu_state, gpr);
    assert_memory_equal((char *)s + from, (char *)&want + from, sizeof(want) - from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reset, setup),          cmocka_unit_test_setup(test_refuse_base, setup),
        cmocka_unit_test_setup(test_refuse_long_mode, setup), cmocka_unit_test_setup(test_refuse_seg_msr, setup),
        cmocka_unit_test_setup(test_events, setup),         cmocka_unit_test_setup(test_nmi_mask, setup),
        cmocka_unit_test_setup(test_windows, setup),        cmocka_unit_test_setup(test_round_trip, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Host tests of svm_tcg.c: what is changed before VMRUN, and put back behind it.
#include "svm_fake.h"

#include "apic.h"
#include "trap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define INTERRUPT (VCPU_EVENT_VALID | VCPU_EVENT_INTR | 0x41u)
#define SOFTWARE (VCPU_EVENT_VALID | VCPU_EVENT_SOFTINT | 0x41u)

static struct fake_vcpu f;
static unsigned sent, looked;

uint32_t apic_id(void) { return 5; }
void apic_look_again(void) { looked++; }
void apic_send(uint32_t id, uint32_t command)
{
    assert_int_equal(id, 5);
    assert_int_equal(command, APIC_IPI_VECTOR(VECTOR_IPI));
    sent++;
}

static void enter(uint64_t event, unsigned cpl, bool window)
{
    struct vmcb_control *c = &f.vmcb.control;

    fake_vcpu_init(&f);
    sent = looked = 0;
    f.vmcb.save.cpl = (uint8_t)cpl;
    f.v.injected = c->eventinj = event;
    c->v_intr |= window ? SVM_V_IRQ : 0;
    svm_tcg_entry(&f.v);
}

/* The run has ended; delivered: what was injected has been. */
static void leave(uint64_t code, bool delivered)
{
    struct vmcb_control *c = &f.vmcb.control;

    c->exitcode = code;
    c->exitintinfo = delivered ? c->eventinj & ~VCPU_EVENT_VALID : c->eventinj;
    c->v_intr &= ~SVM_V_IRQ; /* as when it was lost; with SVM_EXIT_VINTR it has done its work */
    svm_tcg_exit(&f.v);
}

static void test_in_the_kernel(void **state)
{
    (void)state;
    enter(INTERRUPT, 0, false);
    assert_int_equal(f.vmcb.control.eventinj, SOFTWARE);
    assert_int_equal(sent, 0);
    leave(SVM_EXIT_NPF, false);
    assert_int_equal(f.vmcb.control.exitintinfo, INTERRUPT); /* it is injected again as what it is */
    enter(INTERRUPT, 0, false);
    leave(SVM_EXIT_HLT, true);
    assert_false(f.vmcb.control.exitintinfo & VCPU_EVENT_VALID);
    assert_int_equal(looked, 0);
}

static void test_in_a_program(void **state)
{
    (void)state;
    enter(INTERRUPT, 3, true);
    assert_int_equal(f.vmcb.control.eventinj, INTERRUPT);
    assert_int_equal(sent, 1);
    assert_false(f.vmcb.control.v_intr & SVM_V_IRQ);
    leave(SVM_EXIT_INTR, true);
    assert_true(f.vmcb.control.v_intr & SVM_V_IRQ); /* the window is still wanted */
    enter(INTERRUPT, 3, false);
    leave(SVM_EXIT_NPF, false);
    assert_int_equal(f.vmcb.control.exitintinfo, INTERRUPT);
    assert_false(f.vmcb.control.v_intr & SVM_V_IRQ);
}

static void test_window(void **state)
{
    (void)state;
    enter(0, 0, true);
    assert_true(f.vmcb.control.v_intr & SVM_V_IRQ);
    leave(SVM_EXIT_INTR, true);
    assert_int_equal(looked, 1);
    assert_true(f.vmcb.control.v_intr & SVM_V_IRQ);
    enter(0, 0, true);
    leave(SVM_EXIT_VINTR, true);
    assert_int_equal(looked, 1);
    assert_false(f.vmcb.control.v_intr & SVM_V_IRQ);
}

static void test_other_events(void **state)
{
    static const uint64_t other[] = {0, VCPU_EVENT_VALID | VCPU_EVENT_NMI | 2, VCPU_EVENT_VALID | VCPU_EVENT_EXCP | 14,
                                     SOFTWARE, VCPU_EVENT_INTR | 0x41u};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(other); i++) {
        for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
            enter(other[i], cpl, false);
            assert_int_equal(f.vmcb.control.eventinj, other[i]);
            leave(SVM_EXIT_NPF, false);
            assert_int_equal(f.vmcb.control.exitintinfo, other[i]);
            assert_int_equal(sent + looked, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_the_kernel),
        cmocka_unit_test(test_in_a_program),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_other_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

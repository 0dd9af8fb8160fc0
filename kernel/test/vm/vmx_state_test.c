// SPDX-License-Identifier: MIT
// State page <-> VMCS: reset state, refusals, what VM entry asks for beyond them, the round trip, events.
#include "vmx_fake.h"
#include "cpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define GROUPS (VCPU_GROUP_BASE | VCPU_GROUP_SEG | VCPU_GROUP_MSR | VCPU_GROUP_TSC)
#define INTR(v) (VCPU_EVENT_VALID | (v))

static struct fake_vcpu f;

static int load(uint32_t dirty)
{
    f.state.dirty = dirty;
    return vm_vcpu_load(&f.v);
}

static int setup(void **state)
{
    (void)state;
    fake_vcpu_init(&f);
    return 0;
}

static void test_reset(void **state)
{
    (void)state;
    assert_int_equal(f.state.valid, GROUPS);
    assert_int_equal(f.state.gpr[GPR_RDX], 0x50654);
    assert_int_equal(fake_vmcs[0x6800], 0x30);       /* CR0: ET, and NE, which VMX fixes; CD and NW are not for the host */
    assert_int_equal(fake_vmcs[0x6004], 0x60000010); /* what the guest reads */
    assert_int_equal(fake_vmcs[0x6804], 0x2000);     /* CR4.VMXE, which VMX fixes */
    assert_int_equal(fake_vmcs[0x0802], 0xf000);
    assert_int_equal(fake_vmcs[0x6808], 0xffff0000);
    assert_int_equal(fake_vmcs[0x4816], 0x9b);
    assert_int_equal(fake_vmcs[0x4820], 0x82); /* LDTR */
    assert_int_equal(fake_vmcs[0x4822], 0x8b); /* TR */
    assert_int_equal(fake_vmcs[0x681e], 0xfff0);
    assert_int_equal(fake_vmcs[0x6820], 2);
    assert_int_equal(fake_vmcs[0x4012] & VMX_ENTRYC_IA32E, 0);
}

static void test_refuse(void **state)
{
    static uint64_t before[FAKE_FIELDS];

    (void)state;
    memcpy(before, fake_vmcs, sizeof(before));
    f.state.cr4 = 1 << 13; /* VMXE */
    assert_int_equal(load(GROUPS), SK_EINVAL);
    assert_int_equal(f.state.exit.qual, VCPU_INVALID_CR4);
    f.state.cr4 = 0;
    assert_int_equal(load(1u << 31), SK_EINVAL);
    f.state.run.inject = INTR(0x20); /* IF = 0 */
    assert_int_equal(load(0), SK_EINVAL);
    assert_int_equal(f.state.exit.qual, VCPU_INVALID_EVENT);
    fake_vmcs[0x4824] = before[0x4824] = VMX_BLOCK_NMI;
    f.state.run.inject = VCPU_EVENT_VALID | VCPU_EVENT_NMI | 2;
    assert_int_equal(load(0), SK_EINVAL);
    assert_memory_equal(before, fake_vmcs, sizeof(before));
}

/* 32 bits behind the point become 48; without the hardware the field does not exist. */
static void test_tsc(void **state)
{
    (void)state;
    assert_true(f.state.tsc_ratio == VCPU_TSC_RATIO_1);
    f.state.tsc_offset = 7;
    f.state.tsc_ratio = VCPU_TSC_RATIO_1 * 5 / 2;
    assert_int_equal(load(VCPU_GROUP_TSC), SK_EINVAL);
    assert_int_equal(f.state.exit.qual, VCPU_INVALID_TSC_RATIO);
    assert_int_equal(fake_vmcs[0x2010], 0);
    assert_int_equal(fake_vmcs[0x2032], 0);
    vm_limits.tsc_scale = true;
    assert_int_equal(load(VCPU_GROUP_TSC), SK_OK);
    assert_int_equal(fake_vmcs[0x2010], 7);
    assert_true(fake_vmcs[0x2032] == 5ull << 47);
    f.state.tsc_ratio = 0;
    vm_vcpu_get(&f.v, VCPU_GROUP_TSC);
    assert_true(f.state.tsc_ratio == VCPU_TSC_RATIO_1 * 5 / 2);
    static const uint64_t bad[] = {0, 0xffffff, 1ull << 40, UINT64_MAX};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        f.state.tsc_ratio = bad[i];
        assert_int_equal(load(VCPU_GROUP_TSC), SK_EINVAL);
    }
    assert_true(fake_vmcs[0x2032] == 5ull << 47);
}

/* Attributes that mean nothing are made what VM entry asks for. [SDM-3 27.3.1.2] */
static void test_segments(void **state)
{
    (void)state;
    f.state.ds = (struct vcpu_seg){.sel = 0x10, .attr = 0x92, .limit = 0xffffffff, .base = 5}; /* not accessed, no G */
    f.state.es = (struct vcpu_seg){.attr = 0x893, .limit = 0x1234};                            /* G with a small limit */
    f.state.fs = (struct vcpu_seg){.attr = 0x13};                                              /* not present */
    assert_int_equal(load(VCPU_GROUP_SEG), SK_OK);
    assert_int_equal(fake_vmcs[0x481a], 0x8093);
    assert_int_equal(fake_vmcs[0x4814], 0x93);
    assert_int_equal(fake_vmcs[0x481c], 0x10013);
    vm_vcpu_get(&f.v, VCPU_GROUP_SEG);
    assert_int_equal(f.state.ds.attr, 0x893);
    assert_int_equal(f.state.ds.limit, 0xffffffff);
    assert_int_equal(f.state.ds.base, 5);
    assert_int_equal(f.state.fs.attr & 0x80, 0);
    fake_vmcs[0x481e] = 0x1c0f3; /* the processor's "unusable" overrides P */
    vm_vcpu_get(&f.v, VCPU_GROUP_SEG);
    assert_int_equal(f.state.gs.attr, 0xc73);
}

static void test_control_registers(void **state)
{
    (void)state;
    f.v.tag_generation = 7;
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
    assert_int_equal(f.v.tag_generation, 7); /* nothing changed: the TLB's content stays good */
    f.state.cr0 = 0xc0000011;
    f.state.cr3 = 0x1000;
    f.state.cr4 = 0x20;
    f.state.efer = EFER_LME | EFER_LMA;
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
    assert_int_equal(f.v.tag_generation, 0);
    assert_int_equal(fake_vmcs[0x6800], 0x80000031);
    assert_int_equal(fake_vmcs[0x6004], 0xc0000011);
    assert_int_equal(fake_vmcs[0x6804], 0x2020);
    assert_true(fake_vmcs[0x4012] & VMX_ENTRYC_IA32E);
    vm_vcpu_get(&f.v, VCPU_GROUP_BASE);
    assert_int_equal(f.state.cr0, 0xc0000011);
    assert_int_equal(f.state.cr4, 0x20);
}

/* PAE paging: the four entries are the processor's from the moment CR3 is set. */
static void test_pae(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        fake_table[i] = 0x100001 + i * 0x1000;
    }
    f.state.cr0 = 0x80000011;
    f.state.cr3 = FAKE_TABLE;
    f.state.cr4 = 0x20;
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(fake_vmcs[0x280a + 2 * i], fake_table[i]);
    }
    f.state.cr3 = 0x9000; /* no memory: nothing is present */
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
    assert_int_equal(fake_vmcs[0x280a], 0);
}

/* VM entry refuses STI's blocking with IF = 0, and blocking with a step that is not pending. [SDM-3 27.3.1.5] */
static void test_shadow(void **state)
{
    (void)state;
    f.state.int_shadow = 1;
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
    assert_int_equal(fake_vmcs[0x4824], VMX_BLOCK_MOV_SS);
    f.state.int_shadow = 0;
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
    f.state.int_shadow = 1;
    f.state.rflags = 0x302;
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
    assert_int_equal(fake_vmcs[0x4824], VMX_BLOCK_STI);
    assert_int_equal(fake_vmcs[0x6822], VMX_PENDING_BS);
    f.state.int_shadow = 0;
    assert_int_equal(load(VCPU_GROUP_BASE), SK_OK);
    assert_int_equal(fake_vmcs[0x4824] | fake_vmcs[0x6822], 0);
}

static void enter(uint64_t event)
{
    f.v.event = event;
    fake_vmcs[0x4016] = fake_vmcs[0x4018] = 0;
    vmx_event_enter(&f.v);
}

static void test_inject(void **state)
{
    (void)state;
    enter(INTR(0x41));
    assert_int_equal(fake_vmcs[0x4016], 0x80000041);
    fake_vmcs[0x6800] |= CR0_PE;
    enter(VCPU_EVENT_VALID | VCPU_EVENT_EXCP | VCPU_EVENT_EV | 14 | 6ull << 32);
    assert_int_equal(fake_vmcs[0x4016], 0x80000b0e);
    assert_int_equal(fake_vmcs[0x4018], 6);
    enter(VCPU_EVENT_VALID | VCPU_EVENT_EXCP | 13); /* the processor wants an error code there */
    assert_int_equal(fake_vmcs[0x4016], 0x80000b0d);
    assert_int_equal(fake_vmcs[0x4018], 0);
    enter(VCPU_EVENT_VALID | VCPU_EVENT_EXCP | VCPU_EVENT_EV | 6); /* and here it wants none */
    assert_int_equal(fake_vmcs[0x4016], 0x80000306);
    fake_vmcs[0x6800] &= ~CR0_PE;
    enter(VCPU_EVENT_VALID | VCPU_EVENT_EXCP | VCPU_EVENT_EV | 13); /* nor in real mode */
    assert_int_equal(fake_vmcs[0x4016], 0x8000030d);
    fake_vmcs[0x681e] = 0x1000;
    enter(VCPU_EVENT_VALID | VCPU_EVENT_SOFTINT | 0x21);
    assert_int_equal(fake_vmcs[0x4016], 0x80000421);
    assert_int_equal(fake_vmcs[0x401a], 0);
    assert_int_equal(fake_vmcs[0x681e], 0x1000);
    vmx_cpu.len_0 = false; /* what is pushed is rip plus the length: 1 is the least */
    enter(VCPU_EVENT_VALID | VCPU_EVENT_SOFTINT | 0x21);
    assert_int_equal(fake_vmcs[0x401a], 1);
    assert_int_equal(fake_vmcs[0x681e], 0xfff);
}

static uint64_t keep(uint32_t info, uint32_t error)
{
    fake_vmcs[0x4408] = info;
    fake_vmcs[0x440a] = error;
    vmx_event_keep(&f.v);
    return vmx_state_ops.event_take(&f.v);
}

/* Events whose delivery an exit interrupted. */
static void test_interrupted(void **state)
{
    (void)state;
    assert_int_equal(keep(0, 5), 0);
    assert_int_equal(keep(0x80000041, 0), INTR(0x41));
    assert_int_equal(keep(0x80000b0e, 6), VCPU_EVENT_VALID | VCPU_EVENT_EXCP | VCPU_EVENT_EV | 14 | 6ull << 32);
    assert_int_equal(keep(0x80000480, 0), 0); /* the guest's own INT 80h, INT3 and INT1 are executed again */
    assert_int_equal(keep(0x80000603, 0), 0);
    assert_int_equal(keep(0x80000501, 0), 0);
    fake_vmcs[0x4824] = VMX_BLOCK_NMI;
    assert_int_equal(keep(0x80000202, 0), VCPU_EVENT_VALID | VCPU_EVENT_NMI | 2);
    assert_int_equal(fake_vmcs[0x4824], 0); /* not taken: it masks nothing */
    vmx_cpu.len_0 = false;
    fake_vmcs[0x681e] = 0x1000;
    enter(VCPU_EVENT_VALID | VCPU_EVENT_SOFTINT | 0x21); /* what was injected comes back, with rip where it was */
    assert_int_equal(keep(0x80000421, 0), VCPU_EVENT_VALID | VCPU_EVENT_SOFTINT | 0x21);
    assert_int_equal(fake_vmcs[0x681e], 0x1000);
}

static void test_windows(void **state)
{
    (void)state;
    f.state.run.irq_window = 1;
    assert_int_equal(load(0), SK_OK);
    assert_true(fake_vmcs[0x4002] & VMX_PROC_INTR_WINDOW);
    f.state.run.irq_window = 0;
    f.state.run.nmi_window = 1;
    assert_int_equal(load(0), SK_OK);
    assert_int_equal(fake_vmcs[0x4002] & (VMX_PROC_INTR_WINDOW | VMX_PROC_NMI_WINDOW), VMX_PROC_NMI_WINDOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reset, setup),
        cmocka_unit_test_setup(test_refuse, setup),
        cmocka_unit_test_setup(test_tsc, setup),
        cmocka_unit_test_setup(test_segments, setup),
        cmocka_unit_test_setup(test_control_registers, setup),
        cmocka_unit_test_setup(test_pae, setup),
        cmocka_unit_test_setup(test_shadow, setup),
        cmocka_unit_test_setup(test_inject, setup),
        cmocka_unit_test_setup(test_interrupted, setup),
        cmocka_unit_test_setup(test_windows, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

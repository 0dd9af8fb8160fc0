// SPDX-License-Identifier: MIT
// Local APIC, IO-APIC and 8259 pair.
#include "../../src/bus.h"
#include "../../src/dev/ioapic.h"
#include "../../src/dev/isa.h"
#include "../../src/dev/lapic.h"
#include "../../src/dev/pic.h"
#include "../../src/irq.h"
#include "fakes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int setup(void **state)
{
    (void)state;
    fake_machine(1 << 20);
    return 0;
}

/* MMIO register of the local APIC */
static void lw(unsigned off, uint32_t v)
{
    bus_mmio_write(LAPIC_BASE + off, 4, v);
}
static uint32_t lr(unsigned off)
{
    return (uint32_t)bus_mmio_read(LAPIC_BASE + off, 4);
}
static void rte(unsigned pin, uint64_t v)
{
    bus_mmio_write(IOAPIC_BASE, 4, 0x10 + 2 * pin);
    bus_mmio_write(IOAPIC_BASE + 0x10, 4, (uint32_t)v);
    bus_mmio_write(IOAPIC_BASE, 4, 0x11 + 2 * pin);
    bus_mmio_write(IOAPIC_BASE + 0x10, 4, v >> 32);
}
static uint32_t rte_low(unsigned pin)
{
    bus_mmio_write(IOAPIC_BASE, 4, 0x10 + 2 * pin);
    return (uint32_t)bus_mmio_read(IOAPIC_BASE + 0x10, 4);
}
static void lapic_on(void)
{
    lw(0xf0, 0x1ff);
}

static void test_priorities(void **state)
{
    (void)state;
    lapic_deliver(0, LAPIC_FIXED, 0x50, false);
    assert_int_equal(lapic_pending(), -1); /* software-disabled: dropped */
    lapic_on();
    lapic_deliver(0, LAPIC_FIXED, 0x51, false);
    lapic_deliver(0, LAPIC_FIXED, 0x61, false);
    assert_int_equal(lapic_pending(), 0x61);
    lw(0x80, 0x60);
    assert_int_equal(lapic_pending(), -1);
    lw(0x80, 0x50);
    assert_int_equal(lapic_pending(), 0x61);
    lapic_accept(0x61);
    assert_int_equal(lr(0xa0), 0x60);
    assert_int_equal(lapic_pending(), -1);
    lw(0x80, 0);
    lw(0xb0, 0); /* EOI */
    assert_int_equal(lapic_pending(), 0x51);
}

static void test_illegal_vectors(void **state)
{
    (void)state;
    lapic_on();
    irq_msi(LAPIC_BASE, 0x0f);
    assert_int_equal(lapic_pending(), -1);
    assert_int_equal(lr(0x280), 0);
    lw(0x280, 0);
    assert_int_equal(lr(0x280), 0x40); /* received illegal vector */
    lw(0x300, 0x40003);                /* self-IPI, vector 3 */
    lw(0x280, 0);
    assert_int_equal(lr(0x280) & 0x20, 0x20); /* sent illegal vector */
    lw(0x370, 0xfe);                          /* error interrupt */
    irq_msi(LAPIC_BASE, 0);
    assert_int_equal(lapic_pending(), 0xfe);
    lw(0x370, 0x05); /* an illegal vector in the error LVT must not recurse */
    irq_msi(LAPIC_BASE, 1);
}

/* Linux masks pin 0, then writes 0 to it, with a PIT tick in between. */
static void test_trap_zero_entry(void **state)
{
    (void)state;
    lapic_on();
    rte(0, 0x10000);
    rte(0, 0);
    rte(2, 0);
    isa_irq_pulse(ISA_IRQ_PIT);
    ioapic_set_pin(0, true);
    assert_int_equal(lapic_pending(), -1);
    lw(0x280, 0);
    assert_int_equal(lr(0x280), 0x40);
}

static void test_msr_interface(void **state)
{
    uint64_t v;

    (void)state;
    assert_false(lapic_msr_read(0x802, &v)); /* not in x2APIC mode */
    assert_true(lapic_msr_write(MSR_APIC_BASE, LAPIC_BASE | 0xd00));
    assert_int_equal(lr(0x30), 0xffffffff); /* the registers are gone */
    assert_true(lapic_msr_write(0x80f, 0x1ff));
    assert_true(lapic_msr_read(0x803, &v));
    assert_int_equal(v, 0x50014);
    assert_true(lapic_msr_read(0x80d, &v));
    assert_int_equal(v, 1);
    assert_true(lapic_msr_write(0x83f, 0x42));
    assert_int_equal(lapic_pending(), 0x42);
    lapic_accept(0x42);
    assert_false(lapic_msr_write(0x80b, 1)); /* EOI wants 0 */
    assert_true(lapic_msr_write(0x80b, 0));
    assert_false(lapic_msr_write(0x83f, 0x142));
    assert_true(lapic_msr_write(0x830, 0x4043)); /* fixed, physical destination 0 */
    assert_int_equal(lapic_pending(), 0x43);
    assert_true(lapic_msr_write(0x830, (1ull << 32) | 0x4055)); /* processor 1: not there */
    assert_int_equal(lapic_pending(), 0x43);
    assert_false(lapic_msr_write(0x80e, 0)); /* no DFR */
    assert_false(lapic_msr_write(0x831, 0));
    assert_false(lapic_msr_write(0x802, 0)); /* read-only */
    assert_false(lapic_msr_write(0x8ff, 0));
    assert_false(lapic_msr_write(0x808, 1ull << 32));
    assert_false(lapic_msr_write(MSR_APIC_BASE, LAPIC_BASE | 0x900)); /* x2APIC -> xAPIC */
    assert_false(lapic_msr_write(MSR_APIC_BASE, 0xfec00900));
    assert_true(lapic_msr_write(MSR_APIC_BASE, LAPIC_BASE));
    assert_false(lapic_msr_write(MSR_APIC_BASE, LAPIC_BASE | 0xc00)); /* disabled -> x2APIC */
}

static void test_timer(void **state)
{
    (void)state;
    lapic_on();
    lw(0x3e0, 0xb); /* divide by 1 */
    lw(0x320, 0x40);
    lw(0x380, 1000000);
    fake_advance(400000);
    assert_int_equal(lr(0x390), 600000);
    assert_int_equal(lapic_pending(), -1);
    fake_advance(600000);
    assert_int_equal(lapic_pending(), 0x40);
    assert_int_equal(lr(0x390), 0);
    lapic_accept(0x40);
    lw(0xb0, 0);
    lw(0x320, 0x20041); /* periodic */
    lw(0x3e0, 0x0);     /* divide by 2 */
    lw(0x380, 1000000);
    for (int i = 0; i < 3; i++) {
        fake_advance(2000000);
        assert_int_equal(lapic_pending(), 0x41);
        lapic_accept(0x41);
        lw(0xb0, 0);
    }
    lw(0x380, 0);
    fake_advance(10000000);
    assert_int_equal(lapic_pending(), -1);
    lw(0x320, 0x40042); /* TSC deadline */
    assert_true(lapic_msr_write(MSR_TSC_DEADLINE, fake_now_ns + 5000));
    fake_advance(4999);
    assert_int_equal(lapic_pending(), -1);
    fake_advance(1);
    assert_int_equal(lapic_pending(), 0x42);
    uint64_t v = 1;
    assert_true(lapic_msr_read(MSR_TSC_DEADLINE, &v));
    assert_int_equal(v, 0);
    lapic_accept(0x42);
    lw(0xb0, 0);
    lw(0x320, 0x20003); /* periodic with an illegal vector, as fast as it goes: only errors */
    lw(0x3e0, 0xb);
    lw(0x380, 1);
    fake_advance(1000000);
    assert_int_equal(lapic_pending(), -1);
}

static void test_level(void **state)
{
    (void)state;
    lapic_on();
    rte(16, 0x8060); /* level */
    irq_set_line(16, true);
    assert_int_equal(lapic_pending(), 0x60);
    assert_true(rte_low(16) & 0x4000); /* remote IRR */
    lapic_accept(0x60);
    assert_false(lapic_eoi_is_lazy());
    lw(0xb0, 0);
    assert_int_equal(lapic_pending(), 0x60); /* still asserted: again */
    lapic_accept(0x60);
    irq_set_line(16, false);
    lw(0xb0, 0);
    assert_int_equal(lapic_pending(), -1);
    assert_false(rte_low(16) & 0x4000);
    rte(16, 0x18060); /* masked */
    irq_set_line(16, true);
    assert_int_equal(lapic_pending(), -1);
    rte(16, 0x8060); /* unmasking delivers a level */
    assert_int_equal(lapic_pending(), 0x60);
    irq_set_line(99, true); /* beyond the IO-APIC */
}

static void test_edge(void **state)
{
    (void)state;
    lapic_on();
    rte(17, 0x61);
    irq_set_line(17, true);
    irq_set_line(17, true);
    assert_int_equal(lapic_pending(), 0x61);
    lapic_accept(0x61);
    assert_true(lapic_eoi_is_lazy());
    lw(0xb0, 0);
    assert_int_equal(lapic_pending(), -1);
    irq_set_line(17, false);
    irq_set_line(17, true);
    assert_int_equal(lapic_pending(), 0x61);
    irq_msi(LAPIC_BASE | 5u << 12, 0x70); /* APIC 5 is not there */
    assert_int_equal(lapic_pending(), 0x61);
    irq_msi(0x1000, 0x70);
    irq_msi(LAPIC_BASE, 0x400); /* NMI */
    assert_true(lapic_nmi_take());
    assert_false(lapic_nmi_take());
}

static void pic_setup(void)
{
    static const uint8_t init[2][4] = {{0x11, 0x20, 4, 1}, {0x11, 0x28, 2, 1}};

    for (unsigned c = 0; c < 2; c++) {
        uint16_t base = c == 0 ? 0x20 : 0xa0;
        bus_port_write(base, 1, init[c][0]);
        for (unsigned i = 1; i < 4; i++) {
            bus_port_write(base + 1, 1, init[c][i]);
        }
        bus_port_write(base + 1, 1, 0);
    }
}

static void test_pic(void **state)
{
    (void)state;
    assert_false(pic_asserted());
    pic_setup();
    isa_irq_pulse(ISA_IRQ_PIT);
    assert_true(pic_asserted());
    assert_int_equal(pic_acknowledge(), 0x20);
    assert_false(pic_asserted());
    isa_irq_pulse(ISA_IRQ_PIT); /* in service: waits */
    assert_false(pic_asserted());
    bus_port_write(0x20, 1, 0x20); /* EOI */
    assert_int_equal(pic_acknowledge(), 0x20);
    bus_port_write(0x20, 1, 0x60); /* specific EOI 0 */
    isa_irq_set(ISA_IRQ_RTC, true);
    assert_int_equal(pic_acknowledge(), 0x28);
    bus_port_write(0x20, 1, 0x0b); /* read ISR */
    assert_int_equal(bus_port_read(0x20, 1), 4);
    bus_port_write(0xa0, 1, 0x20);
    bus_port_write(0x20, 1, 0x20);
    assert_false(pic_asserted());
    assert_int_equal(pic_acknowledge(), 0x27); /* spurious */
    bus_port_write(0x21, 1, 0x10);
    isa_irq_pulse(ISA_IRQ_COM1);
    assert_false(pic_asserted()); /* masked */
    bus_port_write(0x21, 1, 0);
    assert_int_equal(pic_acknowledge(), 0x24);
    /* LINT0 decides whether the processor sees it. */
    assert_false(lapic_takes_extint());
    lapic_on();
    lw(0x350, 0x700);
    assert_true(lapic_takes_extint());
    lw(0x350, 0x10700);
    lapic_virtual_wire(); /* a guest without an APIC driver depends on it */
    assert_true(lapic_takes_extint());
}

static void test_pic_level(void **state)
{
    (void)state;
    pic_setup();
    bus_port_write(0x4d1, 1, 0xff);
    assert_int_equal(bus_port_read(0x4d1, 1), 0xde); /* 8 and 13 are fixed edge */
    isa_irq_set(11, true);
    assert_int_equal(pic_acknowledge(), 0x2b);
    bus_port_write(0xa0, 1, 0x20);
    bus_port_write(0x20, 1, 0x20);
    assert_true(pic_asserted()); /* still high */
    isa_irq_set(11, false);
    assert_false(pic_asserted());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_priorities, setup),
        cmocka_unit_test_setup(test_illegal_vectors, setup),
        cmocka_unit_test_setup(test_trap_zero_entry, setup),
        cmocka_unit_test_setup(test_msr_interface, setup),
        cmocka_unit_test_setup(test_timer, setup),
        cmocka_unit_test_setup(test_level, setup),
        cmocka_unit_test_setup(test_edge, setup),
        cmocka_unit_test_setup(test_pic, setup),
        cmocka_unit_test_setup(test_pic_level, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

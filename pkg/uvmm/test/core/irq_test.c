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
    lw(0x380, 25000);
    fake_advance(400000);
    assert_int_equal(lr(0x390), 15000);
    assert_int_equal(lapic_pending(), -1);
    fake_advance(600000);
    assert_int_equal(lapic_pending(), 0x40);
    assert_int_equal(lr(0x390), 0);
    lapic_accept(0x40);
    lw(0xb0, 0);
    lw(0x320, 0x20041); /* periodic */
    lw(0x3e0, 0x0);     /* divide by 2 */
    lw(0x380, 25000);
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

/* --- several processors --- */

static void fake_vcpus(unsigned n)
{
    vcpu_count = n;
    for (unsigned i = 0; i < n; i++) {
        vcpu_this = i;
        lapic_on();
        lw(0xd0, 1u << (24 + i)); /* flat logical id */
    }
    vcpu_this = 0;
    fake_kicks = 0;
}

/* Which vcpus have vector pending; takes and ends it there. */
static unsigned pending_set(int vector)
{
    unsigned set = 0, was = vcpu_this;

    for (unsigned i = 0; i < vcpu_count; i++) {
        vcpu_this = i;
        if (lapic_pending() == vector) {
            set |= 1u << i;
            lapic_accept(vector);
            lapic_eoi();
        }
    }
    vcpu_this = was;
    return set;
}

static void icr(uint32_t high, uint32_t low)
{
    lw(0x310, high);
    lw(0x300, low);
}

static void test_ipi_destinations(void **state)
{
    static const struct {
        uint32_t high, low;
        unsigned set;
    } table[] = {
        {2u << 24, 0x4050, 1 << 2}, /* physical */
        {0xffu << 24, 0x4050, 0xf}, /* physical, everybody */
        {9u << 24, 0x4050, 0},      /* nobody */
        {0x0au << 24, 0x4850, 0xa}, /* logical flat: a set */
        {0, 0x44050, 1 << 1},       /* self */
        {0, 0x84050, 0xf},          /* all */
        {0, 0xc4050, 0xd},          /* all but self */
        {0xffu << 24, 0xc850, 0xf}, /* level, logical broadcast */
    };

    (void)state;
    fake_vcpus(4);
    vcpu_this = 1;
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        fake_kicks = 0;
        icr(table[i].high, table[i].low);
        assert_int_equal(fake_kicks, table[i].set & ~2u);
        assert_int_equal(pending_set(0x50), table[i].set);
    }
    lapic_deliver(3, LAPIC_FIXED, 0x50, false);
    fake_kicks = 0;
    lapic_deliver(3, LAPIC_FIXED, 0x50, false); /* pending already: no second kick */
    assert_int_equal(fake_kicks, 0);
    assert_int_equal(pending_set(0x50), 8);
    assert_int_equal(lr(0x20), 1u << 24); /* id */
}

static void test_cluster_model(void **state)
{
    (void)state;
    fake_vcpus(4);
    for (unsigned i = 0; i < 4; i++) { /* two clusters of two */
        vcpu_this = i;
        lw(0xe0, 0x0fffffff);
        lw(0xd0, (i / 2) << 28 | 1u << (24 + i % 2));
    }
    vcpu_this = 0;
    icr(0x13u << 24, 0x4850);
    assert_int_equal(pending_set(0x50), 0xc);
    icr(0x02u << 24, 0x4850);
    assert_int_equal(pending_set(0x50), 0x2);
    icr(0xf1u << 24, 0x4850); /* the first of every cluster */
    assert_int_equal(pending_set(0x50), 0x5);
}

static void test_x2apic_destinations(void **state)
{
    uint64_t v;

    (void)state;
    fake_vcpus(4);
    for (unsigned i = 0; i < 4; i++) {
        vcpu_this = i;
        assert_true(lapic_msr_write(MSR_APIC_BASE, LAPIC_BASE | 0xc00 | (i == 0 ? 0x100 : 0)));
        assert_true(lapic_msr_read(MSR_APIC_BASE, &v));
        assert_int_equal(v & 0x100, i == 0 ? 0x100 : 0); /* the first is the bootstrap processor */
        assert_true(lapic_msr_read(0x802, &v));
        assert_int_equal(v, i);
        assert_true(lapic_msr_read(0x80d, &v));
        assert_int_equal(v, 1u << i);
    }
    vcpu_this = 2;
    assert_true(lapic_msr_write(0x830, 3ull << 32 | 0x4051));
    assert_int_equal(pending_set(0x51), 8);
    assert_true(lapic_msr_write(0x830, 0xbull << 32 | 0x4851));
    assert_int_equal(pending_set(0x51), 0xb);
    assert_true(lapic_msr_write(0x830, 0x1000full << 32 | 0x4851)); /* another cluster */
    assert_int_equal(pending_set(0x51), 0);
    assert_true(lapic_msr_write(0x830, 0xffffffffull << 32 | 0x4051));
    assert_int_equal(pending_set(0x51), 0xf);
    assert_true(lapic_msr_write(0x830, 0xffull << 32 | 0x4051)); /* id 255 is nobody here */
    assert_int_equal(pending_set(0x51), 0);
    irq_msi(LAPIC_BASE | 0xff000, 0x51); /* but everybody in a message of 8 bits */
    assert_int_equal(pending_set(0x51), 0xf);
    irq_msi(LAPIC_BASE | 0x06000 | 4, 0x51); /* logical */
    assert_int_equal(pending_set(0x51), 6);
}

static void test_lowest_priority(void **state)
{
    unsigned seen = 0;

    (void)state;
    fake_vcpus(4);
    vcpu_this = 3;
    lw(0x80, 0x80); /* busy */
    vcpu_this = 2;
    lw(0xf0, 0xff); /* switched off */
    vcpu_this = 0;
    for (unsigned i = 0; i < 4; i++) {
        irq_msi(LAPIC_BASE | 0x0f000 | 4, 0x152);
        unsigned set = pending_set(0x52);
        assert_true(set == 1 || set == 2);
        seen |= set;
    }
    assert_int_equal(seen, 3); /* equals take turns */
    rte(18, 0x0800000000000953ull | 8ull << 56);
    irq_set_line(18, true);
    lw(0x80, 0);
    vcpu_this = 3;
    assert_int_equal(lapic_pending(), -1); /* below its priority: it waits */
    lw(0x80, 0);
    assert_int_equal(lapic_pending(), 0x53); /* the only one of the destination */
}

static void test_init_and_startup(void **state)
{
    (void)state;
    fake_vcpus(4);
    icr(2u << 24, 0x4500); /* INIT, asserted */
    assert_int_equal(fake_inits, 4);
    icr(3u << 24, 0x8500); /* level de-assert: nothing */
    assert_int_equal(fake_inits, 4);
    icr(2u << 24, 0x469a); /* start-up at 0x9a000 */
    assert_int_equal(fake_startup[2], 0x9a);
    assert_int_equal(fake_startup[3], -1);
    icr(0, 0xc4500); /* all but self, as at a restart */
    assert_int_equal(fake_inits, 0xe);
    icr(0, 0xc4400); /* NMI to the others */
    for (unsigned i = 0; i < 4; i++) {
        vcpu_this = i;
        assert_int_equal(lapic_nmi_take(), i != 0);
    }
    vcpu_this = 2;
    lw(0x320, 0x20040); /* periodic */
    lw(0x380, 25);
    lapic_init_received();
    assert_int_equal(lr(0xf0), 0xff);
    assert_int_equal(lr(0x320), 0x10000);
    assert_int_equal(lr(0x20), 2u << 24);
    fake_advance(1000000);
    vcpu_this = 2;
    assert_int_equal(lapic_pending(), -1);
}

/* Each APIC's timer fires for its own processor. */
static void test_own_timers(void **state)
{
    (void)state;
    fake_vcpus(3);
    for (unsigned i = 0; i < 3; i++) {
        vcpu_this = i;
        lw(0x3e0, 0xb);
        lw(0x320, 0x40 + i);
        lw(0x380, 25 * (i + 1));
    }
    fake_advance(2000);
    assert_int_equal(pending_set(0x40), 1);
    assert_int_equal(pending_set(0x41), 2);
    assert_int_equal(pending_set(0x42), 0);
    fake_advance(1000);
    assert_int_equal(pending_set(0x42), 4);
}

/* A level-triggered interrupt is ended by whichever processor took it. */
static void test_eoi_of_another(void **state)
{
    (void)state;
    fake_vcpus(2);
    rte(16, 1ull << 56 | 0x8060);
    irq_set_line(16, true);
    vcpu_this = 1;
    assert_int_equal(lapic_pending(), 0x60);
    lapic_accept(0x60);
    irq_set_line(16, false);
    vcpu_this = 0;
    lw(0xb0, 0);
    assert_true(rte_low(16) & 0x4000);
    vcpu_this = 1;
    lw(0xb0, 0);
    assert_false(rte_low(16) & 0x4000);
}

/* PCI's pins at the 8259 pair: two inputs, level-triggered from the start, each of half the pins. */
static void test_pci_pins_at_the_pair(void **state)
{
    (void)state;
    assert_int_equal(bus_port_read(0x4d1, 1), 0xc0);
    bus_port_write(0x20, 1, 0x11);
    bus_port_write(0x21, 1, 0x30);
    bus_port_write(0x21, 1, 4);
    bus_port_write(0x21, 1, 1);
    bus_port_write(0xa0, 1, 0x11);
    bus_port_write(0xa1, 1, 0x38);
    bus_port_write(0xa1, 1, 2);
    bus_port_write(0xa1, 1, 1);
    bus_port_write(0x21, 1, 0xfb);
    bus_port_write(0xa1, 1, 0x3f);
    irq_set_line(17, true);
    irq_set_line(19, true);
    irq_set_line(17, false);
    assert_true(pic_asserted());
    assert_int_equal(pic_acknowledge(), 0x3f);
    bus_port_write(0xa0, 1, 0x20);
    bus_port_write(0x20, 1, 0x20);
    assert_true(pic_asserted()); /* the other is there still */
    irq_set_line(19, false);
    assert_false(pic_asserted());
    irq_set_line(16, true);
    assert_int_equal(pic_acknowledge(), 0x3e);
    irq_set_line(16, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pci_pins_at_the_pair, setup),
        cmocka_unit_test_setup(test_priorities, setup),
        cmocka_unit_test_setup(test_illegal_vectors, setup),
        cmocka_unit_test_setup(test_trap_zero_entry, setup),
        cmocka_unit_test_setup(test_msr_interface, setup),
        cmocka_unit_test_setup(test_timer, setup),
        cmocka_unit_test_setup(test_level, setup),
        cmocka_unit_test_setup(test_edge, setup),
        cmocka_unit_test_setup(test_ipi_destinations, setup),
        cmocka_unit_test_setup(test_cluster_model, setup),
        cmocka_unit_test_setup(test_x2apic_destinations, setup),
        cmocka_unit_test_setup(test_lowest_priority, setup),
        cmocka_unit_test_setup(test_init_and_startup, setup),
        cmocka_unit_test_setup(test_own_timers, setup),
        cmocka_unit_test_setup(test_eoi_of_another, setup),
        cmocka_unit_test_setup(test_pic, setup),
        cmocka_unit_test_setup(test_pic_level, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

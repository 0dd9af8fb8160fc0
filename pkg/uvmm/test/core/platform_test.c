// SPDX-License-Identifier: MIT
// Timer, clock, serial port, power management, buses, console.
#include "../../src/bus_priv.h"
#include "../../src/console.h"
#include "../../src/dev/ioapic.h"
#include "../../src/dev/isa.h"
#include "../../src/dev/lapic.h"
#include "../../src/dev/pit.h"
#include "../../src/dev/power.h"
#include "../../src/device.h"
#include "../../src/log.h"
#include "fakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    (void)state;
    fake_machine(1 << 20);
    bus_mmio_write(LAPIC_BASE + 0xf0, 4, 0x1ff);
    return 0;
}

static void out(uint16_t port, uint32_t v)
{
    bus_port_write(port, 1, v);
}
static uint32_t in(uint16_t port)
{
    return bus_port_read(port, 1);
}

/* Routes an IO-APIC pin to a vector. */
static void route(unsigned pin, uint32_t vector)
{
    bus_mmio_write(IOAPIC_BASE, 4, 0x10 + 2 * pin);
    bus_mmio_write(IOAPIC_BASE + 0x10, 4, vector);
}
static bool taken(int vector)
{
    if (lapic_pending() != vector) {
        return false;
    }
    lapic_accept(vector);
    lapic_eoi();
    return true;
}

static void test_pit_periodic(void **state)
{
    (void)state;
    route(2, 0x30);
    out(0x43, 0x34); /* channel 0, low and high byte, mode 2 */
    out(0x40, 11932 & 0xff);
    out(0x40, 11932 >> 8); /* 100 Hz */
    fake_advance(9000000);
    assert_false(taken(0x30));
    for (int i = 0; i < 5; i++) {
        fake_advance(10000200);
        assert_true(taken(0x30));
    }
    out(0x43, 0x00); /* latch */
    unsigned count = in(0x40) | in(0x40) << 8;
    assert_true(count > 0 && count <= 11932);
    out(0x43, 0x30); /* mode 0: stops until loaded */
    fake_advance(100000000);
    assert_false(taken(0x30));
    out(0x40, 1);
    out(0x40, 0);
    fake_advance(2000);
    assert_true(taken(0x30));
    fake_advance(1000000000);
    assert_false(taken(0x30));
}

/* What guests do to calibrate: channel 2, mode 0, gated by port 0x61. */
static void test_pit_calibration(void **state)
{
    (void)state;
    out(0x61, 0x01);
    out(0x43, 0xb0);
    out(0x42, 0xff);
    out(0x42, 0xff);
    assert_int_equal(in(0x61) & 0x20, 0);
    fake_advance(10000000);
    out(0x43, 0x80);
    unsigned count = in(0x42) | in(0x42) << 8;
    assert_in_range(0xffff - count, 11930, 11933);
    fake_advance(50000000);
    assert_int_equal(in(0x61) & 0x20, 0x20);
    out(0x43, 0xe8); /* read back the status of channel 2 */
    assert_int_equal(in(0x42), 0xb0);
}

static void test_pit_fast(void **state)
{
    (void)state;
    route(2, 0x30);
    out(0x43, 0x14); /* low byte only, count 1: 1.19 MHz is throttled */
    out(0x40, 1);
    unsigned n = 0;
    for (int i = 0; i < 1000; i++) {
        fake_advance(1000);
        n += taken(0x30);
    }
    assert_in_range(n, 1, 25);
}

static unsigned cmos(unsigned reg)
{
    out(0x70, reg);
    return in(0x71);
}

static void test_rtc_time(void **state)
{
    (void)state;
    fake_now_ns = 0;
    assert_int_equal(cmos(9), 0x00); /* unknown time: 2000-01-01 */
    assert_int_equal(cmos(0x32), 0x20);
    assert_int_equal(cmos(8), 1);
    fake_epoch = 1709209845; /* 2024-02-29 12:30:45, a Thursday */
    assert_int_equal(cmos(0), 0x45);
    assert_int_equal(cmos(2), 0x30);
    assert_int_equal(cmos(4), 0x12);
    assert_int_equal(cmos(6), 5);
    assert_int_equal(cmos(7), 0x29);
    assert_int_equal(cmos(8), 0x02);
    assert_int_equal(cmos(9), 0x24);
    assert_int_equal(cmos(0xd), 0x80);
    out(0x70, 0xb);
    out(0x71, 0x04); /* binary, 12 hours */
    assert_int_equal(cmos(4), 0x80 | 12);
    out(0x70, 0xb);
    out(0x71, 0x86); /* SET, binary, 24 hours */
    out(0x70, 9);
    out(0x71, 25);
    out(0x70, 7);
    out(0x71, 1);
    out(0x70, 0xb);
    out(0x71, 0x06);
    assert_int_equal(cmos(9), 25);
    assert_int_equal(cmos(7), 1);
    fake_now_ns += 86400ull * 1000000000;
    assert_int_equal(cmos(7), 2);
}

static void test_rtc_interrupts(void **state)
{
    (void)state;
    route(8, 0x38);
    out(0x70, 0xb);
    out(0x71, 0x12); /* update interrupt */
    fake_advance(1000000000);
    assert_true(taken(0x38));
    assert_int_equal(cmos(0xc), 0x90);
    assert_int_equal(cmos(0xc), 0);
    assert_int_equal(bus_port_read(POWER_PM1_EVENT, 2), 0);
    bus_port_write(POWER_PM1_EVENT + 2, 2, 1 << 10);
    route(ISA_IRQ_SCI, 0x8039);
    out(0x70, 1);
    out(0x71, 0xc0); /* alarm every second */
    out(0x70, 3);
    out(0x71, 0xff);
    out(0x70, 5);
    out(0x71, 0xff);
    out(0x70, 0xb);
    out(0x71, 0x22);
    fake_advance(1000000000);
    assert_int_equal(cmos(0xc) & 0xa0, 0xa0);
    assert_int_equal(bus_port_read(POWER_PM1_EVENT, 2), 1 << 10); /* the alarm wakes the machine too */
    assert_true(taken(0x39));
    out(0x70, 0xb);
    out(0x71, 0x42); /* periodic, 1024 Hz by default */
    fake_advance(2000000);
    assert_int_equal(cmos(0xc), 0xc0);
}

static void test_uart(void **state)
{
    (void)state;
    route(4, 0x34);
    out(0x3f8, 'h');
    out(0x3f8, '\n');
    assert_memory_equal(fake_output, "h\n", 2);
    assert_int_equal(in(0x3fd), 0x60);
    out(0x3fc, 0x1b); /* loop mode, OUT2 RTS DTR: the probe of every driver */
    assert_int_equal(in(0x3fe) & 0xf0, 0xb0);
    out(0x3f8, 0x55);
    assert_int_equal(in(0x3f8), 0x55);
    assert_int_equal(fake_output_len, 2);
    out(0x3fc, 0x0b);
    out(0x3fa, 0x07);
    assert_int_equal(in(0x3fa), 0xc1);
    out(0x3f9, 0x01);
    fake_input("ab");
    assert_true(taken(0x34));
    assert_int_equal(in(0x3fa), 0xc4);
    assert_int_equal(in(0x3fd), 0x61);
    assert_int_equal(in(0x3f8), 'a');
    assert_int_equal(in(0x3f8), 'b');
    assert_int_equal(in(0x3fd), 0x60);
    out(0x3f9, 0x03);
    assert_true(taken(0x34)); /* transmitter empty */
    assert_int_equal(in(0x3fa), 0xc2);
    assert_int_equal(in(0x3fa), 0xc1);
    out(0x3fb, 0x80);
    out(0x3f8, 1);
    out(0x3f9, 2);
    assert_int_equal(bus_port_read(0x3f8, 2), 0x201);
    out(0x3fb, 0x03);
    assert_int_equal(in(0x3f9), 3);
}

static void test_uart_much_input(void **state)
{
    char text[100];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[99] = '\0';
    out(0x3fc, 0x0b);
    out(0x3fa, 0x01);
    out(0x3f9, 0x01);
    fake_input(text);
    unsigned n = 0;
    while ((in(0x3fd) & 1) != 0) {
        assert_int_equal(in(0x3f8), 'x');
        n++;
    }
    assert_int_equal(n, 99);
}

static void test_power(void **state)
{
    (void)state;
    assert_int_equal(bus_port_read(POWER_PM1_CONTROL, 2), 1);
    bus_port_write(POWER_PM1_CONTROL, 2, 3 << 10 | 1 << 13); /* another sleep state */
    assert_int_equal(fake_ended, 0);
    bus_port_write(POWER_PM1_CONTROL, 2, POWER_S5_TYPE << 10 | 1 << 13);
    assert_int_equal(fake_ended, VM_END_POWEROFF + 1);
    fake_ended = 0;
    bus_port_write(0xcf8, 4, 0x80000600); /* a PCI address is no reset */
    assert_int_equal(fake_ended, 0);
    out(0xcf9, 0x02);
    out(0xcf9, 0x06);
    assert_int_equal(fake_ended, VM_END_REBOOT + 1);
    fake_ended = 0;
    out(0x64, 0xfe);
    assert_int_equal(fake_ended, VM_END_REBOOT + 1);
    fake_ended = 0;
    out(0x92, in(0x92) | 1);
    assert_int_equal(fake_ended, VM_END_REBOOT + 1);
    uint32_t a = bus_port_read(POWER_PM_TIMER, 4);
    fake_advance(1000000000);
    assert_in_range(bus_port_read(POWER_PM_TIMER, 4) - a, PM_TIMER_HZ - 1, PM_TIMER_HZ + 1);
}

/* The button's status bit raises the SCI while it is enabled, until it is cleared by a one. */
static void test_power_button(void **state)
{
    (void)state;
    route(ISA_IRQ_SCI, 0x8039); /* level-triggered */
    power_button_press();
    assert_int_equal(bus_port_read(POWER_PM1_EVENT, 2), 1 << 8);
    assert_false(taken(0x39));
    bus_port_write(POWER_PM1_EVENT + 2, 2, 1 << 8);
    assert_true(taken(0x39));
    assert_true(taken(0x39)); /* again: the status bit is still there */
    out(POWER_PM1_EVENT, 0xff);
    assert_int_equal(bus_port_read(POWER_PM1_EVENT, 2), 1 << 8);
    bus_port_write(POWER_PM1_EVENT, 4, 1 << 8 | 1 << 24);
    assert_int_equal(bus_port_read(POWER_PM1_EVENT, 4), 1 << 24);
    assert_true(taken(0x39)); /* sent before */
    assert_false(taken(0x39));
    power_button_press();
    power_reset();
    assert_int_equal(bus_port_read(POWER_PM1_EVENT, 4), 0);
}

static uint64_t echo_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    return off | (uint64_t)width << 8;
}
static void echo_write(void *ctx, uint64_t off, unsigned width, uint64_t v)
{
    *(uint64_t *)ctx = off | (uint64_t)width << 8 | v << 16;
}
static const struct bus_ops echo_ops = {echo_read, echo_write};

static void test_bus(void **state)
{
    uint64_t last = 0;

    (void)state;
    assert_int_equal(bus_port_add(0x1000, 4, &echo_ops, &last, "echo"), 0);
    assert_int_equal(bus_port_add(0x1003, 1, &echo_ops, &last, "echo"), SK_EEXIST);
    assert_int_equal(bus_port_add(0xfff, 2, &echo_ops, &last, "echo"), SK_EEXIST);
    assert_int_equal(bus_port_read(0x1002, 2), 0x202);
    assert_int_equal(bus_port_read(0x1003, 2), 0xff03); /* crosses the end: bytes; one of them is nobody's */
    assert_int_equal(bus_port_read(0x2000, 4), 0xffffffff);
    bus_port_write(0x1001, 2, 0xabcd);
    assert_int_equal(last, 0xabcd0201);
    bus_port_remove(0x1000);
    assert_int_equal(bus_port_read(0x1000, 1), 0xff);
    assert_int_equal(bus_mmio_add(~0ull - 10, 100, &echo_ops, &last, "wrap"), SK_EINVAL);
    assert_int_equal(bus_mmio_read(~0ull, 8), ~0ull);
}

static void test_console_switch(void **state)
{
    static struct console_port second;
    char c;

    (void)state;
    console_port_add(&second);
    fake_input("q");
    assert_int_equal(console_read(&second, &c, 1), 0); /* the UART is current */
    console_write(&second, "hi\n", 3);
    assert_int_equal(console_read(&second, &c, 1), 0); /* it has taken the byte already */
    fake_input("z");
    assert_int_equal(console_read(&second, &c, 1), 1);
    assert_int_equal(c, 'z');
    out(0x3f8, '>'); /* back to the UART */
    console_flush();
}

/* An incomplete line of a guest that never waits. */
static void test_console_flush(void **state)
{
    (void)state;
    fake_output_len = 0;
    out(0x3f8, '#');
    out(0x3f8, ' ');
    assert_int_equal(fake_output_len, 0);
    fake_advance(20000000);
    assert_int_equal(fake_output_len, 2);
    out(0x3f8, 'x');
    console_flush();
    fake_advance(20000000);
    assert_int_equal(fake_output_len, 3);
}

static void test_log_levels(void **state)
{
    (void)state;
    assert_int_equal(log_level_parse("trace"), 0);
    assert_int_equal(log_level_parse("irq=debug"), 0);
    assert_int_equal(log_level_parse("all=warn"), 0);
    assert_int_equal(log_level_parse("irq="), -1);
    assert_int_equal(log_level_parse("what=info"), -1);
    assert_int_equal(log_level_parse(""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pit_periodic, setup),    cmocka_unit_test_setup(test_pit_calibration, setup),
        cmocka_unit_test_setup(test_pit_fast, setup),        cmocka_unit_test_setup(test_rtc_time, setup),
        cmocka_unit_test_setup(test_rtc_interrupts, setup),  cmocka_unit_test_setup(test_uart, setup),
        cmocka_unit_test_setup(test_uart_much_input, setup), cmocka_unit_test_setup(test_power, setup),
        cmocka_unit_test_setup(test_power_button, setup),    cmocka_unit_test_setup(test_bus, setup),
        cmocka_unit_test_setup(test_console_switch, setup),  cmocka_unit_test_setup(test_console_flush, setup),
        cmocka_unit_test_setup(test_log_levels, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// The driver against a model of the device that is slow, full, absent or stuck.
#include "../src/options.h"
#include "../src/uart16550.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
    uint8_t scr, ier, lcr;
    bool absent, stuck;
    unsigned fifo; /* bytes in the transmitter */
    char sent[65536];
    size_t sent_len;
    const char *input;
    uint64_t now;
} dev;
static struct uart16550 u;

static uint8_t in(void *ctx, unsigned reg)
{
    (void)ctx;
    dev.now += 1000;
    if (dev.absent) {
        return 0xff;
    }
    switch (reg) {
    case 0:
        return *dev.input != '\0' ? (uint8_t)*dev.input++ : 0;
    case 2:
        return (*dev.input != '\0' && (dev.ier & 1)) || (dev.fifo == 0 && (dev.ier & 2)) ? 0xc4 : 0xc1;
    case 5:
        return (uint8_t)((*dev.input != '\0') | (dev.fifo == 0 ? 0x60 : 0));
    case 7:
        return dev.scr;
    default:
        return 0;
    }
}

static void out(void *ctx, unsigned reg, uint8_t v)
{
    (void)ctx;
    if (reg == 0 && (dev.lcr & 0x80) == 0) {
        assert_true(dev.fifo < 16); /* never more than fits */
        dev.fifo++;
        dev.sent[dev.sent_len++] = (char)v;
    } else if (reg == 1 && (dev.lcr & 0x80) == 0) {
        dev.ier = v;
    } else if (reg == 3) {
        dev.lcr = v;
    } else if (reg == 7) {
        dev.scr = v;
    }
}

/* The line is quick: the FIFO is empty when somebody looks at the time. */
static uint64_t now(void *ctx)
{
    (void)ctx;
    if (!dev.stuck) {
        dev.fifo = 0;
    }
    return dev.now += 100000;
}

static int setup(void **state)
{
    (void)state;
    memset(&dev, 0, sizeof(dev));
    dev.input = "";
    u = (struct uart16550){.in = in, .out = out, .now_ns = now};
    return 0;
}

static void test_output(void **state)
{
    char text[40];

    (void)state;
    assert_true(uart16550_init(&u, 115200));
    memset(text, 'x', sizeof(text));
    uart16550_write(&u, text, sizeof(text));
    assert_int_equal(dev.sent_len, 16);
    assert_int_equal(dev.ier, 3);
    dev.fifo = 0;
    assert_false(uart16550_interrupt(&u));
    assert_int_equal(dev.sent_len, 32);
    dev.fifo = 0;
    (void)uart16550_interrupt(&u);
    assert_int_equal(dev.sent_len, 40);
    assert_int_equal(dev.ier, 1);
}

static void test_much_output(void **state)
{
    char *text = malloc(20000);

    (void)state;
    assert_true(uart16550_init(&u, 9600));
    memset(text, 'y', 20000);
    uart16550_write(&u, text, 20000);
    for (int i = 0; i < 1000; i++) {
        dev.fifo = 0;
        (void)uart16550_interrupt(&u);
    }
    assert_int_equal(dev.sent_len, 20000);
    assert_int_equal(u.lost_out, 0);
    dev.stuck = true; /* now nothing leaves the FIFO any more: the writer is not held up for ever */
    uart16550_write(&u, text, 20000);
    assert_true(u.lost_out > 0);
    free(text);
}

static void test_input(void **state)
{
    char buf[8];

    (void)state;
    assert_true(uart16550_init(&u, 115200));
    assert_int_equal(uart16550_read(&u, buf, sizeof(buf)), 0);
    dev.input = "hello";
    assert_true(uart16550_interrupt(&u));
    assert_int_equal(uart16550_read(&u, buf, 3), 3);
    assert_memory_equal(buf, "hel", 3);
    assert_int_equal(uart16550_read(&u, buf, sizeof(buf)), 2);
}

static void test_absent(void **state)
{
    (void)state;
    dev.absent = true;
    assert_false(uart16550_init(&u, 115200));
}

static void test_options(void **state)
{
    char *good[] = {"uart", "--port=0x3e8", "-i4", "--baud", "9600", NULL}, error[160];
    char *bad[][3] = {{"uart", "--port=0xffff", NULL}, {"uart", "--irq=x", NULL}, {"uart", "--baud=7000", NULL},
                      {"uart", "--what", NULL},        {"uart", "stray", NULL},   {"uart", "--port", NULL}};
    struct options o;

    (void)state;
    assert_true(options_parse(&o, 5, good, error, sizeof(error)));
    assert_true(o.port == 0x3e8 && o.irq == 4 && o.baud == 9600);
    for (unsigned i = 0; i < 6; i++) {
        assert_false(options_parse(&o, 2, bad[i], error, sizeof(error)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_output, setup),  cmocka_unit_test_setup(test_much_output, setup),
        cmocka_unit_test_setup(test_input, setup),   cmocka_unit_test_setup(test_absent, setup),
        cmocka_unit_test_setup(test_options, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

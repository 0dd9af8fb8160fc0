// SPDX-License-Identifier: MIT
/* The serial console before a UART that is fast, slow or stuck. The UART is written here from [16550] section 8, with the
 * edge of its interrupt line: uart_line() tells rises only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu.h"

static uint8_t fake_in(uint16_t port);
static void fake_out(uint16_t port, uint8_t v);
#define inb fake_in
#define outb fake_out
#include "../../arch/x86_64/console.c"

#define FIFO 16
#define RATE_NS 86805 /* of a byte at 115200 baud */

static struct {
    uint64_t now_ns, empty_ns; /* when the FIFO will be empty */
    bool stuck;
    char sent[65536];
    unsigned sent_len, fifo;
    uint8_t ier;
    bool tx_pending, line;
    struct irq_target *target;
    unsigned lost, rises;
} uart;

/* --- the UART ------------------------------------------------------------------------------------------------- */

/* [16550] 8.6: THR empty interrupts when it becomes empty, and when the interrupt is enabled while it is. */
static void uart_line(void)
{
    bool now = uart.tx_pending && (uart.ier & 2);

    uart.rises += now && !uart.line;
    uart.line = now;
}

/* Time goes on; the line takes what is in the FIFO, unless it is stuck. */
static void uart_wait(uint64_t ns)
{
    uart.now_ns += ns;
    if (!uart.stuck && uart.fifo && uart.now_ns >= uart.empty_ns) {
        uart.fifo = 0;
        uart.tx_pending = true;
        uart_line();
    }
}

static uint8_t fake_in(uint16_t port)
{
    switch (port - 0x3f8) {
    case 5:
        uart_wait(1000);
        return uart.fifo == 0 ? 0x60 : 0;
    case 7:
        return 0x5a;
    default:
        return 0;
    }
}

static void fake_out(uint16_t port, uint8_t v)
{
    switch (port - 0x3f8) {
    case 0:
        assert_true(uart.fifo < FIFO); /* never overrun */
        uart.empty_ns = uart.fifo == 0 ? uart.now_ns + FIFO * RATE_NS : uart.empty_ns;
        uart.sent[uart.sent_len++] = (char)v;
        uart.fifo++;
        uart.tx_pending = false;
        break;
    case 1:
        uart.tx_pending |= (v & 2) && !(uart.ier & 2) && uart.fifo == 0;
        uart.ier = v;
        break;
    default:
        break;
    }
    uart_line();
}

/* --- what console.c needs ---------------------------------------------------------------------------------------- */

uint64_t clock_now_ns(void) { return uart.now_ns; }
void time_rearm(void) {}
void kdb_enter(const char *reason) { (void)reason; }

int irq_line_attach(uint32_t gsi, uint32_t flags, unsigned cpu, struct irq_target *t, bool *level)
{
    assert_int_equal(gsi, 4);
    (void)flags, (void)cpu;
    *level = false;
    uart.target = t;
    return SK_OK;
}

void kprintf(const char *fmt, ...)
{
    char text[200];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    uart.lost += strstr(text, "bytes of output lost") != NULL;
    console_write(text, (size_t)n);
}

/* --- tests --------------------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    memset(&uart, 0, sizeof(uart));
    memset(&console, 0, sizeof(console));
    uart.now_ns = 1;
    console_init();
    uart.sent_len = uart.fifo = 0; /* the divisor's bytes */
    console_input_init(false);
    return 0;
}

/* Interrupts until the UART is quiet. Each handling answers a rise of the line: none may be missing. */
static void serve(void)
{
    for (unsigned i = 0; i < 5000; i++) {
        unsigned rises = uart.rises;
        uart_wait(FIFO * RATE_NS);
        if (uart.rises != rises) {
            uart.target->fire(uart.target);
        }
    }
}

static void test_text_in_order(void **state)
{
    (void)state;
    console_write("kernel\n", 7);
    assert_true(console_queue("one\n", 4));
    assert_true(console_queue("two\r\n", 5));
    console_write("three\n", 6); /* pushes out what stands before it */
    assert_memory_equal(uart.sent, "kernel\r\none\r\ntwo\r\nthree\r\n", 25);
    assert_int_equal(uart.sent_len, 25);
}

static void test_queue_goes_by_interrupt(void **state)
{
    char text[1000], want[1000];

    (void)state;
    for (unsigned i = 0; i < sizeof(text); i++) {
        text[i] = want[i] = (char)('a' + i % 26);
    }
    uint64_t before = uart.now_ns;
    assert_true(console_queue(text, sizeof(text)));
    assert_true(uart.now_ns - before < RATE_NS); /* did not wait for the line */
    assert_in_range(uart.sent_len, 1, FIFO);
    serve();
    assert_int_equal(uart.sent_len, sizeof(text));
    assert_memory_equal(uart.sent, want, sizeof(text));
    assert_int_equal(uart.ier & 2, 0);
}

static void test_full_ring_takes_all_or_nothing(void **state)
{
    static char text[UTCB_BYTES];
    unsigned taken = 0;

    (void)state;
    memset(text, '\n', sizeof(text));
    while (console_queue(text, sizeof(text))) {
        assert_true(++taken < 10);
    }
    assert_int_equal(taken, OUT_SIZE / (2 * UTCB_BYTES));
    serve();
    assert_int_equal(uart.sent_len, taken * 2 * UTCB_BYTES);
    assert_true(console_queue(text, sizeof(text)));
    assert_int_equal(uart.lost, 0);
}

static void test_stuck_line_is_told(void **state)
{
    static char text[UTCB_BYTES];

    (void)state;
    memset(text, 'x', sizeof(text));
    uart.stuck = true;
    for (unsigned i = 0; i < 1000; i++) {
        uart_wait(FIFO * RATE_NS);
        (void)!console_queue(text, sizeof(text)); /* a program repeats what is refused */
    }
    assert_true(console.stalled);
    assert_in_range(uart.sent_len, 1, FIFO);
    uart.stuck = false;
    uart_wait(FIFO * RATE_NS);
    assert_true(console_queue("again\n", 6));
    serve();
    assert_int_equal(uart.lost, 1);
    assert_memory_equal(uart.sent + uart.sent_len - 7, "again\r\n", 7);
}

static void test_kernel_text_before_a_stuck_line(void **state)
{
    (void)state;
    uart.stuck = true;
    console_write("0123456789abcdef", 16);
    uint64_t before = uart.now_ns;
    console_write("lost\n", 5);
    assert_in_range(uart.now_ns - before, UART_WAIT_NS, 2 * UART_WAIT_NS);
    before = uart.now_ns;
    console_write("lost\n", 5); /* waits no more */
    assert_true(uart.now_ns - before < UART_WAIT_NS / 100);
    assert_int_equal(console.lost, 12);
}

static void test_without_an_interrupt_it_is_polled(void **state)
{
    char text[100];

    (void)state;
    console.interrupts = false;
    memset(text, 'y', sizeof(text));
    assert_true(console_queue(text, sizeof(text)));
    assert_int_equal(uart.sent_len, sizeof(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_text_in_order, setup),
        cmocka_unit_test_setup(test_queue_goes_by_interrupt, setup),
        cmocka_unit_test_setup(test_full_ring_takes_all_or_nothing, setup),
        cmocka_unit_test_setup(test_stuck_line_is_told, setup),
        cmocka_unit_test_setup(test_kernel_text_before_a_stuck_line, setup),
        cmocka_unit_test_setup(test_without_an_interrupt_it_is_polled, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
/* The serial console on COM1.
 *
 * Output goes through a ring. The kernel's own text (console_write(): early, debugger, panic) is polled out, and what
 * programs have queued before it. Programs' text (console_queue()) goes to the UART as far as that is ready; the rest
 * follows by interrupt, so that nobody waits for the line, neither here nor for the BKL.
 *
 * A UART that takes nothing for UART_WAIT_NS is taken for gone until it shows ready again, and then the number of bytes
 * lost is told. "\n" goes out as "\r\n" unless the "\r" is there already.
 *
 * Input goes into a ring; while that is full the receive interrupt is off and the bytes wait in the UART. With
 * -serial_esc, an Esc is held back until the next byte comes or ESC_ALONE_NS pass: with a byte behind it is the start of
 * a terminal's escape sequence and both are passed on, alone it opens the debugger.
 *
 * Document: [16550] National Semiconductor PC16550D data sheet (1995), section 8. */
#include "console.h"

#include "cpu.h"
#include "kdb.h"
#include "time.h"

#include <kernel/log.h>

#define COM1     0x3f8
#define COM1_IRQ 4
/* Registers, table II */
#define UART_RBR 0
#define UART_THR 0
#define UART_DLL 0
#define UART_DLM 1
#define UART_IER 1
#define UART_FCR 2
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define UART_SCR 7
#define UART_IER_RX     BIT(0)
#define UART_IER_TX     BIT(1)
#define UART_FCR_ENABLE FIELD(2, 0) /* on, both cleared; interrupt at 1 byte */
#define UART_LCR_8N1    FIELD(1, 0)
#define UART_LCR_DLAB   BIT(7)
#define UART_MCR_DTR    BIT(0)
#define UART_MCR_RTS    BIT(1)
#define UART_MCR_OUT2   BIT(3) /* connects the interrupt line on a PC */
#define UART_LSR_DR     BIT(0)
#define UART_LSR_THRE   BIT(5)
#define UART_FIFO       16

/* 16 bytes take 17 ms at 9600 baud, but an emulated line also waits for whoever reads it. */
#define UART_WAIT_NS    250000000ull
#define UART_WAIT_SPINS 250000 /* the same before the clock runs: an LSR read takes about a microsecond */
#define ESC_ALONE_NS    4000000ull
#define ESC             0x1b
#define RING_SIZE       1024
#define OUT_SIZE        16384
_Static_assert(OUT_SIZE >= 2 * UTCB_BYTES, "an empty ring takes any text of a program");

static struct {
    bool present, stalled, esc_mode, esc_held, input_stopped, interrupts;
    uint64_t lost, sent_ns; /* bytes of output while stalled; when the UART took some last */
    char last_out;
    uint32_t out_head, out_tail; /* free-running; BKL */
    uint64_t esc_deadline_ns;
    struct irq_target irq;
    struct irq_target *reader;
    uint32_t head, tail; /* free-running; BKL */
    char ring[RING_SIZE], out[OUT_SIZE];
} console = { .esc_deadline_ns = UINT64_MAX };

static uint8_t uart_read(unsigned reg) { return inb((uint16_t)(COM1 + reg)); }
static void uart_write(unsigned reg, uint64_t v) { outb((uint16_t)(COM1 + reg), (uint8_t)v); }

void console_init(void)
{
    uart_write(UART_SCR, 0x5a);
    console.present = uart_read(UART_SCR) == 0x5a && uart_read(UART_LSR) != 0xff;
    if (!console.present) {
        return;
    }
    uart_write(UART_IER, 0);
    uart_write(UART_LCR, UART_LCR_DLAB);
    uart_write(UART_DLL, 1); /* 115200 baud */
    uart_write(UART_DLM, 0);
    uart_write(UART_LCR, UART_LCR_8N1);
    uart_write(UART_FCR, UART_FCR_ENABLE);
    uart_write(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
}

static uint32_t out_room(void) { return OUT_SIZE - (console.out_tail - console.out_head); }

/* Switched off first: what is pending, or comes in between, makes the line rise again, and an edge of it cannot be missed. */
static void uart_set_interrupts(void)
{
    if (console.interrupts) {
        uart_write(UART_IER, 0);
        uart_write(UART_IER, (console.input_stopped ? 0 : UART_IER_RX) | (out_room() < OUT_SIZE ? UART_IER_TX : 0));
    }
}

static bool uart_ready(void)
{
    if (console.stalled && (uart_read(UART_LSR) & UART_LSR_THRE)) {
        uint64_t lost = console.lost;
        console.stalled = false;
        console.lost = 0;
        kprintf("\nkernel: the serial line was stuck: %lu bytes of output lost\n", lost);
    }
    return uart_read(UART_LSR) & UART_LSR_THRE;
}

static bool uart_wait_ready(void)
{
    uint64_t start = clock_now_ns(), now = start;
    /* spins count only while there is no clock */
    for (unsigned spins = 0; !uart_ready(); spins += now == start) {
        if (console.stalled || spins == UART_WAIT_SPINS || now - start >= UART_WAIT_NS) {
            return false;
        }
        cpu_relax();
        now = clock_now_ns();
    }
    return true;
}

static void out_lose(void)
{
    console.stalled = true;
    console.lost += console.out_tail - console.out_head;
    console.out_head = console.out_tail;
}

static void out_send(bool wait)
{
    while ((wait ? uart_wait_ready() : uart_ready()) && out_room() < OUT_SIZE) {
        for (unsigned room = UART_FIFO; room && out_room() < OUT_SIZE; room--) {
            uart_write(UART_THR, (uint8_t)console.out[console.out_head++ % OUT_SIZE]);
        }
        console.sent_ns = clock_now_ns();
    }
    if (wait && out_room() < OUT_SIZE) {
        out_lose();
    }
}

static void out_put(char c)
{
    if (c == '\n' && console.last_out != '\r') {
        console.out[console.out_tail++ % OUT_SIZE] = '\r';
    }
    console.out[console.out_tail++ % OUT_SIZE] = console.last_out = c;
}

void console_write(const char *text, size_t len)
{
    for (size_t i = 0; i < len && console.present; i++) {
        if (out_room() < 2) {
            out_send(true);
        }
        out_put(text[i]);
    }
    out_send(true);
}

bool console_queue(const char *text, size_t len)
{
    out_send(false);
    if (out_room() < 2 * len) {
        if (clock_now_ns() - console.sent_ns < UART_WAIT_NS) {
            return false;
        }
        out_lose();
    }
    console.lost += console.stalled ? len : 0;
    for (size_t i = 0; i < len && console.present && !console.stalled; i++) {
        out_put(text[i]);
    }
    out_send(!console.interrupts);
    if (out_room() < OUT_SIZE) {
        uart_set_interrupts();
    }
    return true;
}

static uint32_t ring_room(void) { return RING_SIZE - (console.tail - console.head); }
static void ring_put(char c) { console.ring[console.tail++ % RING_SIZE] = c; }

static void esc_release(void)
{
    if (console.esc_held) {
        console.esc_held = false;
        console.esc_deadline_ns = UINT64_MAX;
        ring_put(ESC);
    }
}

static void uart_fire(struct irq_target *t)
{
    (void)t;
    uint32_t before = console.tail;
    /* Each round takes ring space (an Esc, at the latest with the next byte): a UART stuck at "data ready" ends it. */
    while (ring_room() >= 2 && (uart_read(UART_LSR) & UART_LSR_DR)) {
        char c = (char)uart_read(UART_RBR);
        esc_release();
        if (c == ESC && console.esc_mode) {
            console.esc_held = true;
            continue;
        }
        ring_put(c);
    }
    console.input_stopped = ring_room() < 2;
    out_send(false);
    uart_set_interrupts();
    if (console.esc_held && console.esc_deadline_ns == UINT64_MAX) {
        console.esc_deadline_ns = clock_now_ns() + ESC_ALONE_NS;
        time_rearm();
    }
    if (console.tail != before && console.reader) {
        console.reader->fire(console.reader);
    }
}

uint64_t console_deadline_ns(void) { return console.esc_deadline_ns; }

void console_timeout(void)
{
    console.esc_held = false;
    console.esc_deadline_ns = UINT64_MAX;
    kdb_enter("Esc on the serial line");
}

void console_input_init(bool esc)
{
    bool level;
    if (!console.present) {
        return;
    }
    console.esc_mode = esc;
    console.irq.fire = uart_fire;
    if (irq_line_attach(COM1_IRQ, IRQ_FIRMWARE, 0, &console.irq, &level) == SK_OK) {
        console.interrupts = true;
        uart_set_interrupts();
    }
}

int console_poll(void)
{
    return console.present && (uart_read(UART_LSR) & UART_LSR_DR) ? uart_read(UART_RBR) : -1;
}

size_t console_read(char *buf, size_t max)
{
    size_t n = 0;
    while (n < max && console.head != console.tail) {
        buf[n++] = console.ring[console.head++ % RING_SIZE];
    }
    if (console.input_stopped && n) { /* what waits in the UART interrupts at once */
        console.input_stopped = false;
        uart_set_interrupts();
    }
    return n;
}

void console_set_target(struct irq_target *t)
{
    console.reader = t;
    if (t && console.head != console.tail) {
        t->fire(t);
    }
}

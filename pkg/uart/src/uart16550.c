// SPDX-License-Identifier: MIT
#include "uart16550.h"

#include <util/bits.h>

/* Registers and bits [PC16550D 8.0, table II] */
enum { REG_DATA, REG_IER, REG_FCR_IIR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };
#define IER_RX BIT(0)
#define IER_TX BIT(1)
#define IIR_NONE BIT(0)
#define FCR_ON 0x07u /* enable, clear both */
#define FCR_TRIGGER_8 0x80u
#define LCR_8N1 0x03u
#define LCR_DIVISOR 0x80u
#define MCR_ON 0x0bu /* DTR, RTS, OUT2: the interrupt's gate on a PC */
#define LSR_DATA BIT(0)
#define LSR_TX_EMPTY BIT(5)
#define LSR_ABSENT 0xffu

#define BITS_PER_BYTE 10u
#define ROUNDS_MAX 4096u /* of one interrupt: a device that always has a cause is not served for ever */

static uint32_t ring_count(const struct uart_ring *r)
{
    return r->head - r->tail;
}

static bool ring_put(struct uart_ring *r, uint8_t c)
{
    if (ring_count(r) == UART_RING) {
        return false;
    }
    r->data[r->head++ % UART_RING] = c;
    return true;
}

static uint8_t reg_read(struct uart16550 *u, unsigned reg)
{
    return u->in(u->ctx, reg);
}

static void reg_write(struct uart16550 *u, unsigned reg, uint8_t v)
{
    u->out(u->ctx, reg, v);
}

/* The transmitter's interrupt is on while there is something to send. */
static void tx_fill(struct uart16550 *u)
{
    if ((reg_read(u, REG_LSR) & LSR_TX_EMPTY) != 0) {
        u->dead = false;
        for (unsigned i = 0; i < UART_FIFO && ring_count(&u->tx) > 0; i++) {
            reg_write(u, REG_DATA, u->tx.data[u->tx.tail++ % UART_RING]);
        }
    }
    reg_write(u, REG_IER, (uint8_t)(IER_RX | (ring_count(&u->tx) > 0 ? IER_TX : 0)));
}

/* Waits for the transmitter: twice the time that its FIFO takes. */
static void tx_wait(struct uart16550 *u)
{
    uint64_t end = u->now_ns(u->ctx) + 2 * UART_FIFO * u->byte_ns;

    while (!u->dead && (reg_read(u, REG_LSR) & LSR_TX_EMPTY) == 0) {
        u->dead = u->now_ns(u->ctx) > end;
    }
    tx_fill(u);
}

void uart16550_write(struct uart16550 *u, const void *buf, size_t len)
{
    const uint8_t *p = buf;

    for (size_t i = 0; i < len; i++) {
        if (ring_put(&u->tx, p[i])) {
            continue;
        }
        tx_wait(u);
        u->lost_out += !ring_put(&u->tx, p[i]);
    }
    tx_fill(u);
}

size_t uart16550_read(struct uart16550 *u, void *buf, size_t max)
{
    uint8_t *p = buf;
    size_t n = 0;

    while (n < max && ring_count(&u->rx) > 0) {
        p[n++] = u->rx.data[u->rx.tail++ % UART_RING];
    }
    return n;
}

static bool rx_drain(struct uart16550 *u)
{
    bool got = false;

    for (unsigned i = 0; i < ROUNDS_MAX && (reg_read(u, REG_LSR) & LSR_DATA) != 0; i++) {
        u->lost_in += !ring_put(&u->rx, reg_read(u, REG_DATA));
        got = true;
    }
    return got;
}

bool uart16550_interrupt(struct uart16550 *u)
{
    bool got = false;

    for (unsigned i = 0; i < ROUNDS_MAX && (reg_read(u, REG_FCR_IIR) & IIR_NONE) == 0; i++) {
        got |= rx_drain(u);
        tx_fill(u);
        (void)reg_read(u, REG_MSR);
    }
    return got;
}

static bool present(struct uart16550 *u)
{
    static const uint8_t pattern[] = {0x55, 0xaa, 0x00};

    for (unsigned i = 0; i < sizeof(pattern); i++) {
        reg_write(u, REG_SCR, pattern[i]);
        if (reg_read(u, REG_SCR) != pattern[i]) {
            return false;
        }
    }
    return reg_read(u, REG_LSR) != LSR_ABSENT;
}

bool uart16550_init(struct uart16550 *u, unsigned baud)
{
    uint16_t divisor = (uint16_t)(UART_CLOCK_HZ / baud);

    u->byte_ns = BITS_PER_BYTE * 1000000000ull / baud;
    if (!present(u)) {
        return false;
    }
    reg_write(u, REG_IER, 0);
    reg_write(u, REG_LCR, LCR_DIVISOR);
    reg_write(u, REG_DATA, (uint8_t)divisor);
    reg_write(u, REG_IER, (uint8_t)(divisor >> 8));
    reg_write(u, REG_LCR, LCR_8N1);
    reg_write(u, REG_FCR_IIR, FCR_ON | FCR_TRIGGER_8);
    reg_write(u, REG_MCR, MCR_ON);
    reg_write(u, REG_IER, IER_RX);
    (void)uart16550_interrupt(u); /* an edge that came before somebody listened would be the last one */
    return true;
}

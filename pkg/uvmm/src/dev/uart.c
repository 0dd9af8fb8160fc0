// SPDX-License-Identifier: MIT
/* 16550A UART as COM1 (0x3f8, ISA interrupt 4) [PC16550D data sheet]. Transmission takes no time; received characters
 * wait in the console until the receiver has room, so nothing is lost. Interrupt causes in order: line status (never),
 * data, transmitter empty. */
#include "uart.h"
#include "../bus.h"
#include "../console.h"
#include "../device.h"
#include "isa.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <util/bits.h>

#define UART_PORT 0x3f8
#define FIFO_SIZE 16u

enum uart_reg { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

#define IER_DATA BIT(0)
#define IER_THRE BIT(1)
#define IIR_NONE 0x01u
#define IIR_THRE 0x02u
#define IIR_DATA 0x04u
#define IIR_TIMEOUT 0x0cu
#define IIR_FIFOS 0xc0u
#define FCR_ENABLE BIT(0)
#define FCR_CLEAR_RX BIT(1)
#define LCR_DLAB BIT(7)
#define MCR_LOOP BIT(4)
#define MCR_OUT2 BIT(3)
#define LSR_DATA BIT(0)
#define LSR_EMPTY (BIT(5) | BIT(6))
#define MSR_CTS_DSR_DCD 0xb0u

static struct uart {
    uint8_t ier, lcr, mcr, scr, fcr;
    uint16_t divisor;
    uint8_t fifo[FIFO_SIZE];
    unsigned head, count;
    bool thre_pending;
} uart;

static void uart_input(void *ctx);
static struct console_port port = {.input_ready = uart_input};

static unsigned fifo_depth(void)
{
    return (uart.fcr & FCR_ENABLE) != 0 ? FIFO_SIZE : 1;
}

static void fifo_put(uint8_t c)
{
    if (uart.count < fifo_depth()) {
        uart.fifo[(uart.head + uart.count++) % FIFO_SIZE] = c;
    }
}

static unsigned uart_cause(void)
{
    static const uint8_t trigger[4] = {1, 4, 8, 14};

    if ((uart.ier & IER_DATA) != 0 && uart.count > 0) {
        bool below = (uart.fcr & FCR_ENABLE) != 0 && uart.count < trigger[uart.fcr >> 6];
        return below ? IIR_TIMEOUT : IIR_DATA;
    }
    if ((uart.ier & IER_THRE) != 0 && uart.thre_pending) {
        return IIR_THRE;
    }
    return IIR_NONE;
}

/* OUT2 connects the interrupt to the bus on a PC. */
static void uart_irq_update(void)
{
    bool on = uart_cause() != IIR_NONE && (uart.mcr & MCR_OUT2) != 0 && (uart.mcr & MCR_LOOP) == 0;

    isa_irq_set(ISA_IRQ_COM1, on);
}

static void uart_fill(void)
{
    uint8_t buf[FIFO_SIZE];
    size_t n = console_read(&port, buf, fifo_depth() - uart.count);

    for (size_t i = 0; i < n; i++) {
        fifo_put(buf[i]);
    }
}

static void uart_input(void *ctx)
{
    (void)ctx;
    /* Without a reader (no interrupt asked for, nothing read) input stays in the console, up to the receiver's depth.
     */
    if (uart.count < fifo_depth()) {
        uart_fill();
    }
    uart_irq_update();
}

static uint8_t data_read(void)
{
    uint8_t c = 0;

    if (uart.count > 0) {
        c = uart.fifo[uart.head];
        uart.head = (uart.head + 1) % FIFO_SIZE;
        uart.count--;
    }
    if (uart.count == 0 && (uart.mcr & MCR_LOOP) == 0) {
        uart_fill();
    }
    return c;
}

static void data_write(uint8_t c)
{
    if ((uart.mcr & MCR_LOOP) != 0) {
        fifo_put(c);
    } else {
        console_write(&port, &c, 1);
    }
    uart.thre_pending = true;
}

/* Modem status; in loop mode the modem control outputs come back [PC16550D 8.6]. */
static uint8_t msr_read(void)
{
    if ((uart.mcr & MCR_LOOP) == 0) {
        return MSR_CTS_DSR_DCD;
    }
    return (uint8_t)((uart.mcr & 1) << 5 | (uart.mcr & 2) << 3 | (uart.mcr & 0xc) << 4);
}

static uint8_t iir_read(void)
{
    unsigned cause = uart_cause();

    if (cause == IIR_THRE) {
        uart.thre_pending = false;
    }
    return (uint8_t)(cause | ((uart.fcr & FCR_ENABLE) != 0 ? IIR_FIFOS : 0));
}

static uint8_t reg_read(unsigned reg)
{
    bool dlab = (uart.lcr & LCR_DLAB) != 0;

    switch (reg) {
    case REG_DATA: return dlab ? (uint8_t)uart.divisor : data_read();
    case REG_IER: return dlab ? (uint8_t)(uart.divisor >> 8) : uart.ier;
    case REG_IIR_FCR: return iir_read();
    case REG_LCR: return uart.lcr;
    case REG_MCR: return uart.mcr;
    case REG_LSR: return (uint8_t)(LSR_EMPTY | (uart.count > 0 ? LSR_DATA : 0));
    case REG_MSR: return msr_read();
    default: return uart.scr;
    }
}

static void fcr_write(uint8_t v)
{
    if ((v & FCR_CLEAR_RX) != 0 || ((v ^ uart.fcr) & FCR_ENABLE) != 0) {
        uart.count = 0;
    }
    uart.fcr = (v & FCR_ENABLE) != 0 ? v & 0xc9 : 0;
}

static void ier_write(uint8_t v)
{
    if ((v & IER_THRE) != 0 && (uart.ier & IER_THRE) == 0) {
        uart.thre_pending = true; /* the transmitter is empty: enabling its interrupt raises it */
    }
    uart.ier = v & 0xf;
}

static void reg_write(unsigned reg, uint8_t v)
{
    bool dlab = (uart.lcr & LCR_DLAB) != 0;

    switch (reg) {
    case REG_DATA:
        if (dlab) {
            uart.divisor = (uint16_t)((uart.divisor & 0xff00) | v);
        } else {
            data_write(v);
        }
        break;
    case REG_IER:
        if (dlab) {
            uart.divisor = (uint16_t)((uart.divisor & 0xff) | v << 8);
        } else {
            ier_write(v);
        }
        break;
    case REG_IIR_FCR: fcr_write(v); break;
    case REG_LCR: uart.lcr = v; break;
    case REG_MCR: uart.mcr = v & 0x1f; break;
    case REG_SCR: uart.scr = v; break;
    default: break; /* status registers are read-only */
    }
}

static uint64_t port_read(void *ctx, uint64_t off, unsigned width)
{
    uint64_t v = 0;

    (void)ctx;
    for (unsigned i = 0; i < width; i++) {
        v |= (uint64_t)reg_read((unsigned)off + i) << (8 * i);
    }
    uart_irq_update();
    return v;
}

static void port_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)ctx;
    for (unsigned i = 0; i < width; i++) {
        reg_write((unsigned)off + i, (uint8_t)(value >> (8 * i)));
    }
    uart_irq_update();
}

static const struct bus_ops uart_ops = {port_read, port_write};

void uart_reset(void)
{
    memset(&uart, 0, sizeof(uart));
    uart.divisor = 12;
}

int uart_claim(const char *name)
{
    uart_reset();
    return bus_port_claim(UART_PORT, 8, &uart_ops, NULL, name);
}

static int uart_probe(const void *fdt, int node, const char *name)
{
    (void)fdt;
    (void)node;
    int err = uart_claim(name);
    if (err == 0) {
        console_port_add(&port);
    }
    return err;
}

const struct device_type uart_type = {.compatible = "ns16550a", .probe = uart_probe, .reset = uart_reset};

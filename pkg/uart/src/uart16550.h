// SPDX-License-Identifier: MIT
/* A 16550A serial port [PC16550D data sheet], driven through two functions: no capabilities here, so it runs on the
 * host as well. Output waits in a ring that the transmitter's interrupt empties; when the ring is full, the caller's
 * bytes wait for the transmitter, up to what it needs for them and some more, then they are dropped. Input waits in a
 * ring; what does not fit is dropped and counted. The interrupt is edge-triggered on a PC: uart16550_interrupt() serves
 * until no cause is left. Single-threaded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART_RING 8192u /* power of two */
#define UART_FIFO 16u
#define UART_PORTS 8u
#define UART_CLOCK_HZ 115200u

struct uart_ring {
    uint8_t data[UART_RING];
    uint32_t head, tail; /* put, take */
};

struct uart16550 {
    uint8_t (*in)(void *ctx, unsigned reg);
    void (*out)(void *ctx, unsigned reg, uint8_t value);
    uint64_t (*now_ns)(void *ctx);
    void *ctx;
    struct uart_ring tx, rx;
    uint64_t byte_ns; /* how long a character takes on the line */
    uint64_t lost_in, lost_out;
    bool dead; /* the transmitter has not become empty in time: not waited for again until it does */
};

/* 8N1 at `baud` (a divisor of 115200), FIFOs on, interrupts on. False: there is no such port (or not this device). */
bool uart16550_init(struct uart16550 *u, unsigned baud);
void uart16550_write(struct uart16550 *u, const void *buf, size_t len);
size_t uart16550_read(struct uart16550 *u, void *buf, size_t max);
/* Everything that the device wants. True: input has come. */
bool uart16550_interrupt(struct uart16550 *u);

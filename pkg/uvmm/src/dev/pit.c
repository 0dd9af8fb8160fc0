// SPDX-License-Identifier: MIT
/* 8254: counters are computed from the clock when they are looked at; only channel 0's interrupts need a timer.
 * Modes 0 to 5, binary and BCD, latch and read-back commands. Gate inputs of channels 0 and 1 are tied high. */
#include "pit.h"
#include "../bus.h"
#include "../timer.h"
#include "isa.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NS_PER_S 1000000000ull
#define PERIOD_MIN_NS 50000ull /* a faster channel 0 would keep the VMM busy with nothing else */

enum access { ACCESS_LATCH = 0, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };

struct channel {
    uint8_t mode, access;
    bool bcd, gate, loaded;
    bool read_high, write_high; /* second byte of ACCESS_BOTH is next */
    bool count_latched, status_latched;
    uint8_t latch_status, write_low;
    uint16_t latch_count;
    uint32_t reload;   /* 1..65536 (10000 in BCD) */
    uint64_t start_ns; /* counting began */
};

static struct channel chan[3];
static struct vtimer timer0;
static uint8_t port61;

static uint64_t ticks_since(uint64_t start_ns)
{
    uint64_t ns = clock_now_ns() - start_ns;

    return ns / NS_PER_S * PIT_HZ + ns % NS_PER_S * PIT_HZ / NS_PER_S;
}

static uint64_t ticks_to_ns(uint64_t ticks)
{
    return (ticks * NS_PER_S + PIT_HZ - 1) / PIT_HZ;
}

static bool chan_periodic(const struct channel *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* The counter's value now. */
static uint32_t chan_count(const struct channel *c)
{
    uint64_t t = c->loaded ? ticks_since(c->start_ns) : 0;

    switch (c->mode) {
    case 2: return c->reload - (uint32_t)(t % c->reload);
    case 3: /* counts down by two, twice a period */ return c->reload - (uint32_t)(2 * t % c->reload);
    default: /* runs on below zero */ return (uint32_t)(c->reload - t) & 0xffff;
    }
}

static bool chan_out(const struct channel *c)
{
    uint64_t t = c->loaded ? ticks_since(c->start_ns) : 0;

    switch (c->mode) {
    case 0:
    case 1: return c->loaded ? t >= c->reload : c->mode == 1;
    case 2: return t % c->reload != c->reload - 1;
    case 3: return t % c->reload < (c->reload + 1) / 2;
    default: return !c->loaded || t != c->reload;
    }
}

static uint16_t to_bcd(uint32_t v)
{
    v %= 10000;
    return (uint16_t)(v / 1000 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10);
}

static uint32_t from_bcd(uint32_t v)
{
    return (v >> 12 & 15) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
}

static void timer0_arm(void);

static void timer0_fire(void *ctx)
{
    (void)ctx;
    if (chan_periodic(&chan[0])) {
        timer0_arm();
    }
    isa_irq_pulse(ISA_IRQ_PIT);
}

/* Next rise of channel 0's output after now. */
static void timer0_arm(void)
{
    const struct channel *c = &chan[0];
    uint64_t now = clock_now_ns(), n = 1;

    if (!c->loaded) {
        vtimer_cancel(&timer0);
        return;
    }
    if (chan_periodic(c)) {
        n = ticks_since(c->start_ns) / c->reload + 1;
    }
    uint64_t at = c->start_ns + ticks_to_ns(n * c->reload);
    vtimer_set(&timer0, at < now + PERIOD_MIN_NS && chan_periodic(c) ? now + PERIOD_MIN_NS : at, timer0_fire, NULL);
}

static void chan_start(unsigned i)
{
    chan[i].start_ns = clock_now_ns();
    chan[i].loaded = true;
    if (i == 0) {
        timer0_arm();
    }
}

static void chan_load(unsigned i, uint32_t raw)
{
    struct channel *c = &chan[i];
    uint32_t v = c->bcd ? from_bcd(raw) : raw;

    c->reload = v != 0 ? v : (c->bcd ? 10000 : 0x10000);
    /* Modes 1 and 5 wait for the gate's edge. */
    if (c->mode != 1 && c->mode != 5 && c->gate) {
        chan_start(i);
    }
}

static void chan_latch_count(struct channel *c)
{
    if (!c->count_latched) {
        uint32_t v = chan_count(c);
        c->latch_count = c->bcd ? to_bcd(v) : (uint16_t)v;
        c->count_latched = true;
    }
}

static void chan_latch_status(struct channel *c)
{
    if (!c->status_latched) {
        c->latch_status =
            (uint8_t)((unsigned)chan_out(c) << 7 | (unsigned)!c->loaded << 6 | c->access << 4 | c->mode << 1 | c->bcd);
        c->status_latched = true;
    }
}

static void read_back(uint8_t v)
{
    for (unsigned i = 0; i < 3; i++) {
        if ((v >> (i + 1) & 1) == 0) {
            continue;
        }
        if ((v & 0x20) == 0) {
            chan_latch_count(&chan[i]);
        }
        if ((v & 0x10) == 0) {
            chan_latch_status(&chan[i]);
        }
    }
}

static void control_write(uint8_t v)
{
    unsigned i = v >> 6;

    if (i == 3) {
        read_back(v);
        return;
    }
    struct channel *c = &chan[i];
    if ((v >> 4 & 3) == ACCESS_LATCH) {
        chan_latch_count(c);
        return;
    }
    bool gate = c->gate;
    memset(c, 0, sizeof(*c));
    c->gate = gate;
    c->access = v >> 4 & 3;
    c->mode = (v >> 1 & 7) > 5 ? (v >> 1 & 3) : (v >> 1 & 7);
    c->bcd = (v & 1) != 0;
    c->reload = 0x10000;
    if (i == 0) {
        vtimer_cancel(&timer0);
    }
}

static void chan_write(unsigned i, uint8_t v)
{
    struct channel *c = &chan[i];

    switch (c->access) {
    case ACCESS_LOW: chan_load(i, v); return;
    case ACCESS_HIGH: chan_load(i, (uint32_t)v << 8); return;
    default:
        if (!c->write_high) {
            c->write_low = v;
        } else {
            chan_load(i, (uint32_t)v << 8 | c->write_low);
        }
        c->write_high = !c->write_high;
        return;
    }
}

static uint8_t chan_read(struct channel *c)
{
    if (c->status_latched) {
        c->status_latched = false;
        return c->latch_status;
    }
    uint32_t now = chan_count(c);
    uint16_t v = c->count_latched ? c->latch_count : (c->bcd ? to_bcd(now) : (uint16_t)now);
    bool high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high);

    if (c->access == ACCESS_BOTH) {
        c->read_high = !c->read_high;
    }
    if (c->access != ACCESS_BOTH || high) {
        c->count_latched = false;
    }
    return (uint8_t)(high ? v >> 8 : v);
}

static uint64_t port_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    (void)width;
    return off < 3 ? chan_read(&chan[off]) : 0xff;
}

static void port_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)ctx;
    (void)width;
    if (off < 3) {
        chan_write((unsigned)off, (uint8_t)value);
    } else {
        control_write((uint8_t)value);
    }
}

/* Port 0x61 [ICH: NMI status and control]: 0 gate of channel 2, 1 speaker, 4 refresh toggle, 5 output of channel 2. */
static uint64_t port61_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    (void)off;
    (void)width;
    uint64_t refresh = clock_now_ns() / 15000 & 1;
    return port61 | refresh << 4 | (uint64_t)chan_out(&chan[2]) << 5;
}

static void port61_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    bool gate = (value & 1) != 0, was = chan[2].gate;

    (void)ctx;
    (void)off;
    (void)width;
    port61 = value & 3;
    chan[2].gate = gate;
    if (gate && !was && chan[2].reload != 0) {
        chan_start(2); /* a rising gate starts (modes 0, 4: goes on with) the count */
    }
}

static const struct bus_ops pit_ops = {port_read, port_write};
static const struct bus_ops port61_ops = {port61_read, port61_write};

void pit_reset(void)
{
    vtimer_cancel(&timer0);
    memset(chan, 0, sizeof(chan));
    for (unsigned i = 0; i < 3; i++) {
        chan[i].gate = i != 2;
        chan[i].reload = 0x10000;
        chan[i].access = ACCESS_BOTH;
    }
    port61 = 0;
}

int pit_init(void)
{
    int err;

    pit_reset();
    err = bus_port_add(0x40, 4, &pit_ops, NULL, "pit");
    return err == 0 ? bus_port_add(0x61, 1, &port61_ops, NULL, "port61") : err;
}

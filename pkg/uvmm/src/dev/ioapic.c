// SPDX-License-Identifier: MIT
// IO-APIC [82093AA]: index/data registers, 24 redirection entries, remote IRR for level-triggered inputs.
#include "ioapic.h"
#include "../bus.h"
#include "lapic.h"

#include <util/bits.h>

/* Redirection entry [82093AA 3.2.4] */
#define RTE_VECTOR FIELD(7, 0)
#define RTE_MODE FIELD(10, 8)
#define RTE_LOGICAL BIT(11)
#define RTE_PENDING BIT(12)
#define RTE_REMOTE_IRR BIT(14)
#define RTE_LEVEL BIT(15)
#define RTE_MASKED BIT(16)
#define RTE_DEST FIELD(63, 56)
#define RTE_READ_ONLY (RTE_PENDING | RTE_REMOTE_IRR)
#define RTE_WRITABLE (FIELD(11, 0) | BIT(13) | RTE_LEVEL | RTE_MASKED | RTE_DEST)

#define OFF_SELECT 0x00
#define OFF_WINDOW 0x10
#define OFF_EOI 0x40

static uint64_t rte[IOAPIC_PINS];
static uint32_t lines; /* level of each input */
static uint8_t selected, id;

static void pin_send(unsigned pin)
{
    uint64_t e = rte[pin];

    if ((e & RTE_LEVEL) != 0) {
        rte[pin] |= RTE_REMOTE_IRR;
    }
    lapic_send(&(struct lapic_message){
        .dest = lapic_dest8((uint32_t)field_get(RTE_DEST, e)),
        .logical = (e & RTE_LOGICAL) != 0,
        .mode = (enum lapic_delivery)field_get(RTE_MODE, e),
        .vector = (uint8_t)field_get(RTE_VECTOR, e),
        .level = (e & RTE_LEVEL) != 0,
    });
}

/* Level-triggered inputs send when active, unmasked and not yet acknowledged. */
static void pin_check_level(unsigned pin)
{
    if ((lines >> pin & 1) != 0 && (rte[pin] & (RTE_LEVEL | RTE_MASKED | RTE_REMOTE_IRR)) == RTE_LEVEL) {
        pin_send(pin);
    }
}

void ioapic_set_pin(unsigned pin, bool level)
{
    if (pin >= IOAPIC_PINS) {
        return;
    }
    bool was = (lines >> pin & 1) != 0;

    lines = (lines & ~(1u << pin)) | (uint32_t)level << pin;
    if ((rte[pin] & RTE_LEVEL) != 0) {
        pin_check_level(pin);
    } else if (level && !was && (rte[pin] & RTE_MASKED) == 0) {
        pin_send(pin);
    }
}

void ioapic_eoi(uint8_t vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        if ((rte[pin] & (RTE_LEVEL | RTE_REMOTE_IRR)) == (RTE_LEVEL | RTE_REMOTE_IRR) &&
            field_get(RTE_VECTOR, rte[pin]) == vector) {
            rte[pin] &= ~RTE_REMOTE_IRR;
            pin_check_level(pin);
        }
    }
}

bool ioapic_takes_extint(void)
{
    return (rte[0] & RTE_MASKED) == 0 && field_get(RTE_MODE, rte[0]) == LAPIC_EXTINT;
}

static void rte_write(unsigned pin, uint64_t v)
{
    rte[pin] = (v & RTE_WRITABLE) | (rte[pin] & RTE_READ_ONLY);
    if ((v & RTE_LEVEL) == 0) {
        rte[pin] &= ~RTE_REMOTE_IRR;
    }
    pin_check_level(pin);
}

static uint32_t window_read(void)
{
    unsigned i = selected - 0x10u;

    switch (selected) {
    case 0:
        return (uint32_t)id << 24;
    case 1:
        return 0x20 | (IOAPIC_PINS - 1) << 16;
    case 2:
        return (uint32_t)id << 24;
    default:
        return i < 2 * IOAPIC_PINS ? (uint32_t)(rte[i / 2] >> (32 * (i & 1))) : 0;
    }
}

static void window_write(uint32_t v)
{
    unsigned i = selected - 0x10u;

    if (selected == 0) {
        id = v >> 24 & 15;
    } else if (i < 2 * IOAPIC_PINS) {
        uint64_t old = rte[i / 2];
        rte_write(i / 2, (i & 1) != 0 ? (uint32_t)old | (uint64_t)v << 32 : (old & ~0xffffffffull) | v);
    }
}

static uint64_t mmio_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    (void)width;
    switch (off) {
    case OFF_SELECT:
        return selected;
    case OFF_WINDOW:
        return window_read();
    default:
        return 0;
    }
}

static void mmio_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)ctx;
    (void)width;
    if (off == OFF_SELECT) {
        selected = (uint8_t)value;
    } else if (off == OFF_WINDOW) {
        window_write((uint32_t)value);
    } else if (off == OFF_EOI) {
        ioapic_eoi((uint8_t)value);
    }
}

static const struct bus_ops ioapic_ops = {mmio_read, mmio_write};

void ioapic_reset(void)
{
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        rte[i] = RTE_MASKED;
    }
    lines = 0;
    selected = 0;
    id = IOAPIC_ID;
}

int ioapic_init(void)
{
    ioapic_reset();
    return bus_mmio_add(IOAPIC_BASE, 0x1000, &ioapic_ops, NULL, "ioapic");
}

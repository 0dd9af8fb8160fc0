// SPDX-License-Identifier: MIT
/* Two 8259A [data sheet: ICW1-4, OCW1-3, fully nested mode, automatic and specific EOI, rotation, special mask, poll].
 * Edges are latched in IRR when a line rises, as the chip does; a level-triggered input follows its line. */
#include "pic.h"
#include "../bus.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pic {
    uint8_t irr, isr, imr, lines;
    uint8_t elcr, elcr_mask;
    uint8_t vector_base;
    uint8_t lowest;   /* input of lowest priority; 7 unless rotated */
    uint8_t icw_step; /* next initialisation word expected: 0 none, 2, 3, 4 */
    bool icw4, auto_eoi, rotate_auto, read_isr, poll, special_mask, single;
};

static struct pic pics[2];

static uint8_t pic_requests(const struct pic *p)
{
    return (uint8_t)(p->irr | (p->lines & p->elcr)) & (uint8_t)~p->imr;
}

/* Highest priority input in a set, -1 if empty. */
static int pic_highest(const struct pic *p, uint8_t set)
{
    for (unsigned i = 1; i <= 8; i++) {
        unsigned n = (p->lowest + i) & 7;
        if ((set >> n & 1) != 0) {
            return (int)n;
        }
    }
    return -1;
}

static unsigned pic_rank(const struct pic *p, int n)
{
    return (unsigned)(n - p->lowest - 1) & 7;
}

/* Input that the chip would signal now, -1 if none. */
static int pic_output(const struct pic *p)
{
    uint8_t masked = p->special_mask ? p->imr : 0;
    int req = pic_highest(p, pic_requests(p));
    int in_service = pic_highest(p, p->isr & (uint8_t)~masked);

    if (req < 0 || (in_service >= 0 && pic_rank(p, in_service) <= pic_rank(p, req))) {
        return -1;
    }
    return req;
}

static void pic_line(struct pic *p, unsigned n, bool level)
{
    uint8_t bit = (uint8_t)(1u << n);

    if (level && (p->lines & bit) == 0) {
        p->irr |= bit;
    }
    /* An edge that goes away before the acknowledge stays latched here: the source is a pulse. */
    p->lines = level ? p->lines | bit : p->lines & (uint8_t)~bit;
    if (!level && (p->elcr & bit) != 0) {
        p->irr &= (uint8_t)~bit;
    }
}

static void pic_cascade(void)
{
    bool out = pic_output(&pics[1]) >= 0;

    if (!out) {
        pics[0].irr &= (uint8_t) ~(1u << PIC_CASCADE);
    }
    pic_line(&pics[0], PIC_CASCADE, out);
}

void pic_set_line(unsigned irq, bool level)
{
    if (irq >= 16 || irq == PIC_CASCADE) {
        return;
    }
    pic_line(&pics[irq / 8], irq % 8, level);
    pic_cascade();
}

bool pic_asserted(void)
{
    return pic_output(&pics[0]) >= 0;
}

static unsigned pic_take(struct pic *p)
{
    int n = pic_output(p);

    if (n < 0) {
        return p->vector_base + 7u; /* spurious */
    }
    p->irr &= (uint8_t) ~(1u << n);
    if (p->auto_eoi) {
        p->lowest = p->rotate_auto ? (uint8_t)n : p->lowest;
    } else {
        p->isr |= (uint8_t)(1u << n);
    }
    return p->vector_base + (unsigned)n;
}

unsigned pic_acknowledge(void)
{
    int n = pic_output(&pics[0]);
    unsigned vector = pic_take(&pics[0]);

    if (n == (int)PIC_CASCADE) {
        vector = pic_take(&pics[1]);
        pic_cascade();
    }
    return vector;
}

static void pic_icw1(struct pic *p, uint8_t v)
{
    uint8_t elcr = p->elcr, mask = p->elcr_mask, lines = p->lines;

    memset(p, 0, sizeof(*p));
    p->elcr = elcr;
    p->elcr_mask = mask;
    p->lines = lines;
    p->lowest = 7;
    p->icw_step = 2;
    p->icw4 = (v & 1) != 0;
    p->single = (v & 2) != 0;
}

static void pic_icw(struct pic *p, uint8_t v)
{
    switch (p->icw_step) {
    case 2:
        p->vector_base = v & 0xf8;
        p->icw_step = p->single ? (p->icw4 ? 4 : 0) : 3;
        return;
    case 3:
        p->icw_step = p->icw4 ? 4 : 0;
        return;
    default:
        p->auto_eoi = (v & 2) != 0;
        p->icw_step = 0;
        return;
    }
}

static void pic_eoi(struct pic *p, uint8_t v)
{
    bool rotate = (v & 0x80) != 0, specific = (v & 0x40) != 0;
    int n = specific ? v & 7 : pic_highest(p, p->isr);

    if (n >= 0) {
        p->isr &= (uint8_t) ~(1u << n);
        p->lowest = rotate ? (uint8_t)n : p->lowest;
    }
}

static void pic_ocw2(struct pic *p, uint8_t v)
{
    switch (v >> 5) {
    case 0:
        p->rotate_auto = false;
        return;
    case 4:
        p->rotate_auto = true;
        return;
    case 6:
        p->lowest = v & 7;
        return;
    case 1:
    case 3:
    case 5:
    case 7:
        pic_eoi(p, v);
        return;
    default:
        return; /* no operation */
    }
}

static void pic_ocw3(struct pic *p, uint8_t v)
{
    p->poll = (v & 4) != 0;
    if ((v & 2) != 0) {
        p->read_isr = (v & 1) != 0;
    }
    if ((v & 0x40) != 0) {
        p->special_mask = (v & 0x20) != 0;
    }
}

static void port_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    struct pic *p = ctx;
    uint8_t v = (uint8_t)value;

    (void)width;
    if (off == 0 && (v & 0x10) != 0) {
        pic_icw1(p, v);
    } else if (off == 0 && (v & 0x08) != 0) {
        pic_ocw3(p, v);
    } else if (off == 0) {
        pic_ocw2(p, v);
    } else if (p->icw_step != 0) {
        pic_icw(p, v);
    } else {
        p->imr = v;
    }
    pic_cascade();
}

static uint64_t port_read(void *ctx, uint64_t off, unsigned width)
{
    struct pic *p = ctx;

    (void)width;
    if (p->poll) {
        p->poll = false;
        int n = pic_output(p);
        if (n >= 0) {
            pic_take(p);
            pic_cascade();
        }
        return n < 0 ? 0 : 0x80u | (unsigned)n;
    }
    if (off != 0) {
        return p->imr;
    }
    return p->read_isr ? p->isr : (uint8_t)(p->irr | (p->lines & p->elcr));
}

static uint64_t elcr_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    (void)width;
    return pics[off].elcr;
}

static void elcr_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)ctx;
    if (width == 1) {
        pics[off].elcr = (uint8_t)value & pics[off].elcr_mask;
        pic_cascade();
    } else {
        elcr_write(ctx, 0, 1, value);
        elcr_write(ctx, 1, 1, value >> 8);
    }
}

static const struct bus_ops pic_ops = {port_read, port_write};
static const struct bus_ops elcr_ops = {elcr_read, elcr_write};

void pic_reset(void)
{
    memset(pics, 0, sizeof(pics));
    for (unsigned i = 0; i < 2; i++) {
        pics[i].lowest = 7;
        pics[i].imr = 0xff; /* until the guest initialises it */
        pics[i].vector_base = i == 0 ? 0x20 : 0x28;
    }
    /* IRQ 0, 1, 2, 8 and 13 are always edge-triggered. */
    pics[0].elcr_mask = 0xf8;
    pics[1].elcr_mask = 0xde;
    pics[1].elcr = 0xc0; /* firmware has routed PCI's pins to IRQ 14 and 15 */
}

int pic_init(void)
{
    int err;

    pic_reset();
    err = bus_port_add(0x20, 2, &pic_ops, &pics[0], "pic0");
    err = err == 0 ? bus_port_add(0xa0, 2, &pic_ops, &pics[1], "pic1") : err;
    return err == 0 ? bus_port_add(0x4d0, 2, &elcr_ops, NULL, "elcr") : err;
}

// SPDX-License-Identifier: MIT
/* A guest that does anything: accesses to configuration space, BARs (wherever it has put them) and ports, garbage in
 * memory and rings, input and events in between. Input: a sequence of 8-byte steps. */
#include "../../src/device.h"
#include "../../src/virtio/virtio.h"
#include "fakes.h"
#include <proto/blk.h>
#include <sk/env.h>
#include <string.h>
#include <util/bits.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct step {
    uint8_t op, where;
    uint16_t off;
    uint32_t value;
};

static int64_t words(unsigned n)
{
    return (int64_t)TAG(0, n, 0);
}

/* A block server that accepts everything. */
static int64_t server(uint64_t tag, uint64_t deadline)
{
    uint64_t *mr = sk_utcb()->mr;

    (void)deadline;
    switch (TAG_LABEL(tag)) {
    case BLK_GET_FEATURES:
        mr[0] = ~0ull;
        return words(1);
    case BLK_GET_STATUS:
    case BLK_GET_QUEUE_NUM:
        mr[0] = TAG_LABEL(tag) == BLK_GET_STATUS ? 0 : 2;
        mr[1] = 256;
        return words(2);
    case BLK_GET_CONFIG: {
        uint64_t bytes = mr[1];

        memset(&mr[1], 1, bytes + 8);
        mr[0] = bytes;
        return words((unsigned)(2 + align_up(bytes, 8) / 8));
    }
    default:
        return words(0);
    }
}

/* Random registers are rarely a working driver: this step makes one. */
static void driver_step(unsigned slot, uint32_t value)
{
    struct driver d;

    driver_find(&d, slot);
    if (!d.common || (value & 1)) {
        driver_features(&d, 1ull << 32 | (value & 2 ? 1ull << 29 | 1ull << 28 : 0));
    }
    for (unsigned q = 0; q < 2; q++) {
        driver_queue(&d, q, 8, 0x1000 + 0x3000 * q, 0x2000 + 0x3000 * q, 0x3000 + 0x3000 * q);
    }
    if (value & 4) {
        driver_msix(&d, 3);
    }
    driver_ok(&d);
}

static void range_step(const struct step *s, unsigned width)
{
    if (!fake.ranges) {
        return;
    }
    const struct fake_range *r = &fake.range[s->where % fake.ranges];
    uint64_t at = r->first + s->off % r->size;

    if (r->mmio) {
        s->op & 8 ? bus_mmio_write(at, width, s->value * 0x100000001ull) : (void)bus_mmio_read(at, width);
    } else if (at + width <= 0x10000) {
        s->op & 8 ? fake_out((uint16_t)at, width, s->value) : (void)bus_port_read((uint16_t)at, width);
    }
}

static void step(const struct step *s)
{
    static const unsigned widths[] = {1, 2, 4, 8};
    unsigned width = widths[s->where >> 6], slot = s->where % 4;

    switch (s->op % 8) {
    case 0:
        cfg_write(slot, s->off % 256, min(width, 4 - s->off % 4u), s->value);
        break;
    case 1:
        (void)cfg_read(slot, s->off % 256, min(width, 4 - s->off % 4u));
        break;
    case 2:
    case 3:
        range_step(s, width);
        break;
    case 4: // rings and buffers: small indices and addresses make something of them
        memcpy(fake.ram + 0x1000 + (s->off % 0x7000), &s->value, 4);
        break;
    case 5:
        driver_step(slot, s->value);
        break;
    case 6:
        fake.raised[s->off % FAKE_SIGNALS] = true;
        fake_events();
        break;
    case 7:
        s->value & 1 ? fake_input("input") : pci_host_reset();
        break;
    }
}

/* The console exists once per program: the machine is made once, and reset for every input. */
static void machine_make(void)
{
    fake_init();
    fake.node_cap = FAKE_GATE;
    fake.server = server;
    if (pci_host_create() || virtio_console_type.probe(NULL, 0, "console") || virtio_blk_type.probe(NULL, 0, "disk") ||
        virtio_blk_mmio_type.probe("", 0, "disk2") || virtio_rng_mmio_type.probe("", 0, "rng")) {
        __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;

    if (!made) {
        machine_make();
        made = true;
    }
    pci_host_reset();
    virtio_mmio_reset();
    memset(fake.ram, 0, FAKE_RAM);
    fake.out_len = fake.in_len = 0;
    for (; size >= sizeof(struct step); data += sizeof(struct step), size -= sizeof(struct step)) {
        struct step s;

        memcpy(&s, data, sizeof(s));
        step(&s);
    }
    return 0;
}

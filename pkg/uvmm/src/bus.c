// SPDX-License-Identifier: MIT
/* Range tables of the two buses. Lookups remember the last hit: guests poll one register. An access that only partly
 * lies in a range is split into bytes, so that a device never sees an offset behind its end. */
#include "bus.h"
#include "bus_priv.h"
#include "log.h"

#include <abi/types.h>
#include <stddef.h>
#include <util/bits.h>

#define BUS_RANGES_MAX 64

struct bus {
    struct bus_range range[BUS_RANGES_MAX];
    unsigned count;
    unsigned last;
};

static struct bus ports, mmio;
/* Byte-wide registers inside another device's range: byte accesses go here first. */
static struct bus bytes;

static struct bus_range *bus_find(struct bus *b, uint64_t addr)
{
    if (b->last < b->count && addr - b->range[b->last].first < b->range[b->last].size) {
        return &b->range[b->last];
    }
    for (unsigned i = 0; i < b->count; i++) {
        if (addr - b->range[i].first < b->range[i].size) {
            b->last = i;
            return &b->range[i];
        }
    }
    return NULL;
}

static int bus_add(struct bus *b, const struct bus_range *r)
{
    if (r->size == 0 || r->first + (r->size - 1) < r->first) {
        return SK_EINVAL;
    }
    for (unsigned i = 0; i < b->count; i++) {
        if (r->first - b->range[i].first < b->range[i].size || b->range[i].first - r->first < r->size) {
            return SK_EEXIST;
        }
    }
    if (b->count == BUS_RANGES_MAX) {
        return SK_ENOMEM;
    }
    b->range[b->count++] = *r;
    return 0;
}

static void bus_remove(struct bus *b, uint64_t first)
{
    for (unsigned i = 0; i < b->count; i++) {
        if (b->range[i].first == first) {
            b->range[i] = b->range[--b->count];
            return;
        }
    }
}

static uint64_t width_mask(unsigned width)
{
    return width >= 8 ? ~0ull : (1ull << (8 * width)) - 1;
}

static uint64_t bus_read(struct bus *b, uint64_t addr, unsigned width)
{
    struct bus_range *r = bus_find(b, addr);
    uint64_t v = 0;

    if (r != NULL && range_ok(addr - r->first, width, r->size)) {
        return r->ops->read(r->ctx, addr - r->first, width) & width_mask(width);
    }
    if (width == 1) {
        return 0xff;
    }
    for (unsigned i = 0; i < width; i++) {
        v |= bus_read(b, addr + i, 1) << (8 * i);
    }
    return v;
}

static void bus_write(struct bus *b, uint64_t addr, unsigned width, uint64_t value)
{
    struct bus_range *r = bus_find(b, addr);

    if (r != NULL && range_ok(addr - r->first, width, r->size)) {
        r->ops->write(r->ctx, addr - r->first, width, value & width_mask(width));
    } else if (width > 1) {
        for (unsigned i = 0; i < width; i++) {
            bus_write(b, addr + i, 1, value >> (8 * i));
        }
    }
}

int bus_port_add(uint16_t first, unsigned size, const struct bus_ops *ops, void *ctx, const char *name)
{
    return bus_add(&ports, &(struct bus_range){first, size, ops, ctx, name});
}

int bus_port_claim(uint16_t first, unsigned size, const struct bus_ops *ops, void *ctx, const char *node)
{
    int err = bus_port_add(first, size, ops, ctx, node);

    for (unsigned i = 0; err == SK_EEXIST && i < ports.count; i++) {
        const struct bus_range *r = &ports.range[i];
        if (first < r->first + r->size && r->first < (uint64_t)first + size) {
            log_error(LOG_DEV, "device tree node %s: its ports 0x%x-0x%x are those of %s: remove one of the two nodes",
                      node, first, first + size - 1, r->name);
            return err;
        }
    }
    if (err != 0) {
        log_error(LOG_DEV, "device tree node %s: there are too many devices; remove some nodes", node);
    }
    return err;
}

int bus_mmio_add(uint64_t first, uint64_t size, const struct bus_ops *ops, void *ctx, const char *name)
{
    return bus_add(&mmio, &(struct bus_range){first, size, ops, ctx, name});
}

int bus_port_byte_add(uint16_t port, const struct bus_ops *ops, void *ctx, const char *name)
{
    return bus_add(&bytes, &(struct bus_range){port, 1, ops, ctx, name});
}

void bus_port_remove(uint16_t first)
{
    bus_remove(&ports, first);
}

void bus_mmio_remove(uint64_t first)
{
    bus_remove(&mmio, first);
}

void bus_reset_tables(void)
{
    ports.count = mmio.count = bytes.count = 0;
}

const struct bus_range *bus_ranges(bool memory, unsigned *count)
{
    const struct bus *b = memory ? &mmio : &ports;

    *count = b->count;
    return b->range;
}

uint32_t bus_port_read(uint16_t port, unsigned width)
{
    struct bus *b = width == 1 && bus_find(&bytes, port) != NULL ? &bytes : &ports;

    return (uint32_t)bus_read(b, port, width);
}

void bus_port_write(uint16_t port, unsigned width, uint32_t value)
{
    struct bus *b = width == 1 && bus_find(&bytes, port) != NULL ? &bytes : &ports;

    bus_write(b, port, width, value);
}

uint64_t bus_mmio_read(uint64_t gpa, unsigned width)
{
    return bus_read(&mmio, gpa, width);
}

void bus_mmio_write(uint64_t gpa, unsigned width, uint64_t value)
{
    bus_write(&mmio, gpa, width, value);
}

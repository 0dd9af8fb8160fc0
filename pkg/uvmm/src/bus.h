// SPDX-License-Identifier: MIT
/* The guest's two buses: I/O ports and memory-mapped registers. A device claims ranges; the exit handler looks the
 * access up. Accesses outside every range read all ones and ignore writes, as a PC does. One thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bus_ops {
    /* off: offset into the range; width: 1, 2, 4 (ports) or 1..8 (memory). An access never crosses the end of the
     * range. */
    uint64_t (*read)(void *ctx, uint64_t off, unsigned width);
    void (*write)(void *ctx, uint64_t off, unsigned width, uint64_t value);
};

struct bus_range {
    uint64_t first, size;
    const struct bus_ops *ops;
    void *ctx;
    const char *name;
};

/* Claims [first, first+size). 0, SK_EEXIST (overlap), SK_ENOMEM. name must stay valid. */
int bus_port_add(uint16_t first, unsigned size, const struct bus_ops *ops, void *ctx, const char *name);
int bus_mmio_add(uint64_t first, uint64_t size, const struct bus_ops *ops, void *ctx, const char *name);
/* For a device tree's node: claims ports, and says in one line whose they are if that fails. Errors as above. */
int bus_port_claim(uint16_t first, unsigned size, const struct bus_ops *ops, void *ctx, const char *node);
/* Releases the range that begins at first; no effect if there is none (BARs move). */
void bus_port_remove(uint16_t first);
void bus_mmio_remove(uint64_t first);

/* All ranges of a bus (not the byte-wide registers inside others), for people. */
const struct bus_range *bus_ranges(bool mmio, unsigned *count);

uint32_t bus_port_read(uint16_t port, unsigned width);
void bus_port_write(uint16_t port, unsigned width, uint32_t value);
uint64_t bus_mmio_read(uint64_t gpa, unsigned width);
void bus_mmio_write(uint64_t gpa, unsigned width, uint64_t value);

// SPDX-License-Identifier: MIT
// A PCI machine for host tests: see machine.h. It also collects io's messages.
#include "machine.h"
#include "../src/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct machine_function machine_function[MACHINE_FUNCTIONS];
unsigned machine_count;
uint32_t machine_memory[16384];
uint64_t machine_mapped;
unsigned machine_waited_ms;
char machine_log[16384];
enum io_level io_verbosity = IO_INFO;

void io_log(enum io_level level, const char *fmt, ...)
{
    static const char *const prefix[] = {"error: ", "warning: ", "", ""};
    size_t used = strlen(machine_log);
    va_list ap;

    if (used > sizeof machine_log - 1200) {
        return;
    }
    used += (size_t)sprintf(machine_log + used, "%s", prefix[level]);
    va_start(ap, fmt);
    int n = vsnprintf(machine_log + used, 1024, fmt, ap);
    va_end(ap);
    used += n < 1024 ? (size_t)n : 1023;
    strcpy(machine_log + used, "\n");
}

static struct machine_function *find(struct pci_addr a)
{
    for (unsigned i = 0; i < machine_count; i++) {
        if (pci_sbdf(machine_function[i].addr) == pci_sbdf(a)) {
            return &machine_function[i];
        }
    }
    return NULL;
}

static uint32_t fake_read(void *ctx, struct pci_addr a, unsigned reg, unsigned width)
{
    const struct machine_function *f = find(a);

    (void)ctx;
    if (reg % width != 0 || reg + width > 256) {
        abort();
    }
    return f == NULL ? 0xffffffffu >> (32 - 8 * width) : machine_get(f, reg, width);
}

static void fake_write(void *ctx, struct pci_addr a, unsigned reg, unsigned width, uint32_t value)
{
    struct machine_function *f = find(a);

    (void)ctx;
    if (reg % width != 0 || reg + width > 256 || f == NULL) {
        abort();
    }
    for (unsigned i = 0; i < width; i++) {
        uint8_t w = f->writable[reg + i], v = (uint8_t)(value >> (8 * i));
        f->cfg[reg + i] = (uint8_t)((f->cfg[reg + i] & ~w) | (v & w));
    }
    if (reg == 0x48 && (value & 0x8000) != 0) { /* device control of machine_nvme: reset */
        f->resets++;
        machine_set(f, 4, 2, 0);
        memset(f->cfg + 0x10, 0, 24);
        f->cfg[0x10] = 4;
        f->cfg[0x3c] = 0;
    }
}

static unsigned fake_size(void *ctx, struct pci_addr a)
{
    (void)ctx;
    (void)a;
    return 256;
}

static void *fake_map(void *ctx, uint64_t phys, size_t size)
{
    (void)ctx;
    machine_mapped = phys;
    return size <= sizeof machine_memory ? machine_memory : NULL;
}

static void fake_wait(void *ctx, unsigned ms)
{
    (void)ctx;
    machine_waited_ms += ms;
}

const struct pci_hw machine_hw = {fake_read, fake_write, fake_size, fake_map, fake_wait, NULL};

void machine_reset(void)
{
    memset(machine_function, 0, sizeof machine_function);
    memset(machine_memory, 0, sizeof machine_memory);
    machine_count = machine_waited_ms = 0;
    machine_log[0] = 0;
}

void machine_set(struct machine_function *f, unsigned reg, unsigned width, uint32_t value)
{
    memcpy(f->cfg + reg, &value, width);
}

uint32_t machine_get(const struct machine_function *f, unsigned reg, unsigned width)
{
    uint32_t v = 0;

    memcpy(&v, f->cfg + reg, width);
    return v;
}

struct machine_function *machine_add(uint8_t bus, uint8_t dev, uint8_t fn, uint32_t id, uint32_t class_rev)
{
    struct machine_function *f = &machine_function[machine_count++];

    f->addr = (struct pci_addr){0, bus, (uint8_t)(dev << 3 | fn)};
    machine_set(f, 0, 4, id);
    machine_set(f, 8, 4, class_rev);
    memset(f->writable + 4, 0xff, 2);
    memset(f->writable + 0x0c, 0xff, 2);
    f->writable[0x3c] = 0xff;
    return f;
}

void machine_bridge(struct machine_function *f, uint8_t secondary)
{
    f->cfg[0x0e] = 1;
    f->cfg[0x19] = secondary;
}

void machine_bar(struct machine_function *f, unsigned bar, uint64_t base, uint64_t size, unsigned flags)
{
    uint64_t mask = ~(size - 1);
    unsigned reg = 0x10 + 4 * bar;

    machine_set(f, reg, 4, (uint32_t)base | flags);
    memcpy(f->writable + reg, &(uint32_t){(uint32_t)mask & ~0xfu}, 4);
    if (flags & 4) {
        machine_set(f, reg + 4, 4, (uint32_t)(base >> 32));
        memcpy(f->writable + reg + 4, &(uint32_t){(uint32_t)(mask >> 32)}, 4);
    }
}

void machine_cap(struct machine_function *f, unsigned pos, unsigned id, unsigned next)
{
    f->cfg[6] |= 0x10;
    f->cfg[pos] = (uint8_t)id;
    f->cfg[pos + 1] = (uint8_t)next;
    if (f->cfg[0x34] == 0) {
        f->cfg[0x34] = (uint8_t)pos;
    }
}

struct machine_function *machine_nvme(uint8_t dev)
{
    struct machine_function *f = machine_add(0, dev, 0, 0x00101b36, 0x01080202);

    machine_set(f, 4, 2, 0x0107);
    machine_set(f, 0x2c, 4, 0x11001af4);
    machine_set(f, 0x3c, 2, 0x010b);
    machine_bar(f, 0, 0xfebf0000, 0x4000, 4);
    machine_cap(f, 0x40, 0x10, 0x80);
    machine_set(f, 0x44, 4, 1u << 28);
    memset(f->writable + 0x48, 0xff, 2);
    machine_cap(f, 0x80, 0x11, 0);
    machine_set(f, 0x82, 2, 64);
    f->writable[0x83] = 0xc0;
    machine_set(f, 0x84, 4, 0x2000);
    machine_set(f, 0x88, 4, 0x3000);
    return f;
}

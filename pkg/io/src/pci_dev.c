// SPDX-License-Identifier: MIT
// One PCI function: capabilities, BARs, what a client may write, reset. See pci.h.
#include "log.h"
#include "pci_priv.h"

#include <string.h>

#define CAPS_MAX 48 /* (256 - 64) / 4: more capabilities do not fit */

static void find_capabilities(const struct pci *pci, struct pci_dev *dev)
{
    unsigned pos = 0;

    if (cfg_read(pci, dev->addr, PCI_STATUS, 2) & PCI_STATUS_CAPS) {
        pos = cfg_read(pci, dev->addr, PCI_CAPS, 1) & 0xfc;
    }
    /* A circular list ends by the count; the first capability of each kind is used. */
    for (unsigned n = 0; pos >= 0x40 && n < CAPS_MAX; n++) {
        uint32_t cap = cfg_read(pci, dev->addr, pos, 2);
        uint16_t *where = (cap & 0xff) == PCI_CAP_MSI       ? &dev->msi_cap
                          : (cap & 0xff) == PCI_CAP_MSIX    ? &dev->msix_cap
                          : (cap & 0xff) == PCI_CAP_EXPRESS ? &dev->pcie_cap
                                                            : NULL;
        if (where != NULL && *where == 0 && pos <= 0x100 - 0x14) {
            *where = (uint16_t)pos;
        }
        pos = (cap >> 8) & 0xfc;
    }
}

/* Writes all ones, reads the writable bits, restores. Decoding must be off. [PCI-3.0 6.2.5.1] */
static uint32_t probe_bar(const struct pci *pci, struct pci_dev *dev, unsigned reg)
{
    uint32_t old = cfg_read(pci, dev->addr, reg, 4);

    cfg_write(pci, dev->addr, reg, 4, 0xffffffff);
    uint32_t mask = cfg_read(pci, dev->addr, reg, 4);
    cfg_write(pci, dev->addr, reg, 4, old);
    return mask;
}

static uint64_t bar_size(const struct pci *pci, struct pci_dev *dev, unsigned i)
{
    const struct pci_bar *bar = &dev->bar[i];
    uint64_t mask = probe_bar(pci, dev, PCI_BAR0 + 4 * i) & (bar->is_io ? PCI_BAR_IO_BASE : PCI_BAR_MEM_BASE);

    if (bar->is_64) {
        mask |= (uint64_t)probe_bar(pci, dev, PCI_BAR0 + 4 * (i + 1)) << 32;
    } else if (mask != 0) {
        mask |= ~0ull << (bar->is_io ? 16 : 32); /* I/O BARs may lack the upper half */
    }
    return ~mask + 1; /* 0 when no bit is writable */
}

static void size_bars(const struct pci *pci, struct pci_dev *dev)
{
    uint32_t command = cfg_read(pci, dev->addr, PCI_COMMAND, 2);
    char name[PCI_NAME_LEN];

    pci_addr_name(dev->addr, name);
    cfg_command(pci, dev->addr, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    for (unsigned i = 0; i < PCI_BARS; i++) {
        struct pci_bar *bar = &dev->bar[i];
        uint64_t size = bar_size(pci, dev, i);

        if (size != 0 && (!is_pow2(size) || bar->base % size != 0 || size > 1ull << 52)) {
            io_log(IO_WARN, "pci: %s: BAR %u is not usable: size 0x%llx at 0x%llx", name, i, (unsigned long long)size,
                   (unsigned long long)bar->base);
            size = 0;
        } else if (size != 0 && bar->base == 0 && !bar->is_io) {
            io_log(IO_WARN, "pci: %s: firmware has given BAR %u (%llu KiB) no address; the device cannot be used", name,
                   i, (unsigned long long)size / 1024);
        }
        bar->size = size;
        i += bar->is_64;
    }
    cfg_write(pci, dev->addr, PCI_COMMAND, 2, command);
}

/* Is [off, off + len) in a memory BAR that has an address? */
static bool in_memory_bar(const struct pci_dev *dev, unsigned bar, uint32_t off, uint32_t len)
{
    return bar < PCI_BARS && !dev->bar[bar].is_io && dev->bar[bar].base != 0 && range_ok(off, len, dev->bar[bar].size);
}

static void read_msix(const struct pci *pci, struct pci_dev *dev)
{
    uint32_t table = cfg_read(pci, dev->addr, dev->msix_cap + MSIX_TABLE, 4);
    uint32_t pba = cfg_read(pci, dev->addr, dev->msix_cap + MSIX_PBA, 4);
    unsigned count =
        (unsigned)field_get(MSIX_CONTROL_SIZE_0B, cfg_read(pci, dev->addr, dev->msix_cap + MSIX_CONTROL, 2)) + 1;
    struct pci_msix m = {.count = (uint16_t)count,
                         .table_bar = (uint8_t)(table & MSIX_BIR),
                         .table_off = (uint32_t)(table & MSIX_OFFSET),
                         .pba_bar = (uint8_t)(pba & MSIX_BIR),
                         .pba_off = (uint32_t)(pba & MSIX_OFFSET)};
    char name[PCI_NAME_LEN];

    if (in_memory_bar(dev, m.table_bar, m.table_off, MSIX_ENTRY_SIZE * count) &&
        in_memory_bar(dev, m.pba_bar, m.pba_off, (count + 63) / 64 * 8)) {
        dev->msix = m;
    } else {
        io_log(IO_WARN, "pci: %s: the MSI-X table is outside the device's memory; MSI-X is not used",
               pci_addr_name(dev->addr, name));
        dev->msix_cap = 0;
    }
}

void pci_prepare(struct pci *pci, struct pci_dev *dev)
{
    if (dev->prepared) {
        return;
    }
    dev->prepared = true;
    find_capabilities(pci, dev);
    /* A device that firmware left as bus master must not use decoding windows that move. */
    cfg_command(pci, dev->addr, 0, PCI_COMMAND_MASTER);
    size_bars(pci, dev);
    if (dev->msix_cap != 0) {
        read_msix(pci, dev);
    }
    dev->has_flr =
        dev->pcie_cap != 0 && (cfg_read(pci, dev->addr, dev->pcie_cap + PCIE_DEVCAP, 4) & PCIE_DEVCAP_FLR) != 0;
    pci_quiesce(pci, dev);
}

/* All BARs have addresses, so that decoding memory is harmless to others. */
static bool memory_assigned(const struct pci_dev *dev)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        if (dev->bar[i].size != 0 && !dev->bar[i].is_io && dev->bar[i].base == 0) {
            return false;
        }
    }
    return true;
}

static bool access_ok(const struct pci *pci, const struct pci_dev *dev, uint64_t reg, uint64_t width)
{
    return (width == 1 || width == 2 || width == 4) && reg % width == 0 &&
           range_ok(reg, width, pci->hw->cfg_size(pci->hw->ctx, dev->addr));
}

int64_t pci_client_read(struct pci *pci, struct pci_dev *dev, uint64_t reg, uint64_t width, uint32_t *value)
{
    if (!access_ok(pci, dev, reg, width)) {
        return SK_ERANGE;
    }
    *value = cfg_read(pci, dev->addr, (unsigned)reg, (unsigned)width);
    return SK_OK;
}

static int64_t write_command(struct pci *pci, struct pci_dev *dev, uint32_t mask, uint32_t value)
{
    mask &= PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF;
    if ((mask & value & PCI_COMMAND_MEMORY) && !memory_assigned(dev)) {
        return SK_EPERM;
    }
    if (mask & value & PCI_COMMAND_MASTER) {
        for (struct pci_dev *up = dev->parent; up != NULL; up = up->parent) {
            cfg_command(pci, up->addr, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
        }
    }
    cfg_command(pci, dev->addr, mask & value, mask & ~value);
    return SK_OK;
}

int64_t pci_client_write(struct pci *pci, struct pci_dev *dev, uint64_t reg, uint64_t width, uint32_t value)
{
    if (!access_ok(pci, dev, reg, width)) {
        return SK_ERANGE;
    }
    if (reg < PCI_COMMAND || reg >= PCI_COMMAND + 4) {
        return SK_EPERM;
    }
    /* Both registers as one word, and the bytes that are written. */
    unsigned shift = 8 * (unsigned)(reg - PCI_COMMAND);
    uint32_t mask = (uint32_t)((1ull << (8 * width)) - 1) << shift, word = (value << shift) & mask;
    int64_t err = write_command(pci, dev, mask & 0xffff, word & 0xffff);
    if (err < 0) {
        return err;
    }
    if ((word >> 16) & PCI_STATUS_W1C) {
        cfg_write(pci, dev->addr, PCI_STATUS, 2, (word >> 16) & PCI_STATUS_W1C);
    }
    return SK_OK;
}

/* Cuts the pages of [off, off + len) out of the last parts; returns the new number of parts. Calls come in rising
 * order of off. */
static unsigned cut_pages(struct pci_part *parts, unsigned n, uint64_t off, uint64_t len)
{
    uint64_t first = align_down(off, PAGE_SIZE), end = align_up(off + len, PAGE_SIZE);
    struct pci_part last = parts[n - 1];
    uint64_t last_end = last.off + last.size;

    if (end <= last.off || first >= last_end) {
        return n;
    }
    n--;
    if (first > last.off) {
        parts[n++] = (struct pci_part){last.off, first - last.off};
    }
    if (end < last_end) {
        parts[n++] = (struct pci_part){end, last_end - end};
    }
    return n;
}

/* Does another BAR lie in the pages of this one? BARs are aligned to their size, so its base tells. */
static bool pages_shared(const struct pci *pci, const struct pci_bar *self, uint64_t size)
{
    for (unsigned d = 0; d < pci->count; d++) {
        for (unsigned i = 0; i < PCI_BARS; i++) {
            const struct pci_bar *bar = &pci->dev[d].bar[i];
            if (bar != self && !bar->is_io && bar->base != 0 && bar->base >= self->base &&
                bar->base - self->base < size) {
                return true;
            }
        }
    }
    return false;
}

int64_t pci_bar_parts(const struct pci *pci, const struct pci_dev *dev, unsigned bar,
                      struct pci_part parts[PCI_PARTS_MAX])
{
    const struct pci_msix *m = &dev->msix;
    const struct pci_bar *b = &dev->bar[bar < PCI_BARS ? bar : 0];

    if (bar >= PCI_BARS || b->size == 0 || b->is_io || b->base == 0) {
        return SK_ENOENT;
    }
    uint64_t size = align_up(b->size, PAGE_SIZE);
    if (b->base % PAGE_SIZE != 0 || pages_shared(pci, b, size)) {
        return SK_EPERM;
    }
    unsigned n = 1;
    parts[0] = (struct pci_part){0, size};
    struct pci_part cut[2] = {{m->table_off, m->table_bar == bar ? MSIX_ENTRY_SIZE * m->count : 0},
                              {m->pba_off, m->pba_bar == bar ? (m->count + 63u) / 64 * 8 : 0}};
    unsigned lower = cut[1].off < cut[0].off;
    for (unsigned i = 0; i < 2 && n > 0; i++) {
        const struct pci_part *c = &cut[i ^ lower];
        n = c->size != 0 ? cut_pages(parts, n, c->off, c->size) : n;
    }
    return n;
}

/* Saves the header's writable registers, resets, restores. [PCIe-4.0 6.6.2] */
int64_t pci_reset(struct pci *pci, struct pci_dev *dev)
{
    uint32_t saved[16], command = cfg_read(pci, dev->addr, PCI_COMMAND, 2);

    if (!dev->has_flr) {
        return SK_ENODEV;
    }
    pci_quiesce(pci, dev);
    for (unsigned i = 0; i < ARRAY_SIZE(saved); i++) {
        saved[i] = cfg_read(pci, dev->addr, 4 * i, 4);
    }
    for (unsigned ms = 0; ms < PCIE_FLR_WAIT_MS; ms += 10) {
        if (!(cfg_read(pci, dev->addr, dev->pcie_cap + PCIE_DEVSTA, 2) & PCIE_DEVSTA_PENDING)) {
            break;
        }
        pci->hw->wait_ms(pci->hw->ctx, 10);
    }
    uint32_t devctl = cfg_read(pci, dev->addr, dev->pcie_cap + PCIE_DEVCTL, 2);
    cfg_write(pci, dev->addr, dev->pcie_cap + PCIE_DEVCTL, 2, devctl | PCIE_DEVCTL_FLR);
    pci->hw->wait_ms(pci->hw->ctx, PCIE_FLR_WAIT_MS);
    for (unsigned reg = 0x0c; reg < 0x40; reg += 4) {
        cfg_write(pci, dev->addr, reg, 4, saved[reg / 4]);
    }
    cfg_write(pci, dev->addr, dev->pcie_cap + PCIE_DEVCTL, 2, devctl);
    cfg_write(pci, dev->addr, PCI_COMMAND, 2, (command & ~(uint32_t)PCI_COMMAND_MASTER) | PCI_COMMAND_INTX_OFF);
    return SK_OK;
}

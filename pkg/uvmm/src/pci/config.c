// SPDX-License-Identifier: MIT
/* Configuration space of one device: bytes with write masks, the capability list, and BARs that follow what the guest
 * programs. Reads and writes of the guest come through pci_cfg_read/write, in any width and alignment. */

#include "pci.h"
#include "regs.h"
#include <assert.h>
#include <string.h>

uint32_t pci_cfg_get(const struct pci_dev *d, unsigned off, unsigned width)
{
    uint32_t v = 0;

    assert(range_ok(off, width, PCI_CFG_SIZE) && width <= 4);
    memcpy(&v, &d->cfg[off], width);
    return v;
}

void pci_cfg_set(struct pci_dev *d, unsigned off, unsigned width, uint32_t value)
{
    assert(range_ok(off, width, PCI_CFG_SIZE) && width <= 4);
    memcpy(&d->cfg[off], &value, width);
}

static void wmask_set(struct pci_dev *d, unsigned off, unsigned width, uint32_t mask)
{
    memcpy(&d->wmask[off], &mask, width);
}

void pci_dev_init(struct pci_dev *d, const char *name, const struct pci_ids *ids)
{
    memset(d, 0, sizeof(*d));
    d->name = name;
    d->cfg_free = PCI_HEADER_END;
    d->cap_last = PCI_CAP_POINTER;
    pci_cfg_set(d, PCI_VENDOR_ID, 2, ids->vendor);
    pci_cfg_set(d, PCI_DEVICE_ID, 2, ids->device);
    pci_cfg_set(d, PCI_REVISION, 1, ids->revision);
    pci_cfg_set(d, PCI_CLASS, 2, ids->class_code & 0xffff);
    pci_cfg_set(d, PCI_CLASS + 2, 1, ids->class_code >> 16);
    pci_cfg_set(d, PCI_SUBSYSTEM_VENDOR, 2, ids->subsystem_vendor);
    pci_cfg_set(d, PCI_SUBSYSTEM_ID, 2, ids->subsystem);
    wmask_set(d, PCI_COMMAND, 2,
              (uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
                         PCI_COMMAND_SERR | PCI_COMMAND_NO_INTX));
    wmask_set(d, PCI_CACHE_LINE, 1, 0xff);
    wmask_set(d, PCI_INTERRUPT_LINE, 1, 0xff);
}

void pci_bar_init(struct pci_dev *d, unsigned n, enum pci_bar_kind kind, uint32_t size, const struct bus_ops *ops,
                  void *ctx)
{
    assert(n < PCI_BARS && is_pow2(size) && size >= 16);
    d->bar[n] = (struct pci_bar){.kind = kind, .size = size, .ops = ops, .ctx = ctx};
    pci_cfg_set(d, PCI_BAR(n), 4, kind == PCI_BAR_IO ? (uint32_t)PCI_BAR_IS_IO : 0);
    wmask_set(d, PCI_BAR(n), 4, ~(size - 1));
}

unsigned pci_cap_add(struct pci_dev *d, uint8_t id, unsigned len)
{
    unsigned off = d->cfg_free;

    if (!range_ok(off, len, PCI_CFG_SIZE - 4)) { // the last dword stays free, so that cfg_free fits a byte
        return 0;
    }
    d->cfg[off] = id;
    d->cfg[d->cap_last] = (uint8_t)off;
    d->cap_last = (uint8_t)(off + 1);
    d->cfg_free = (uint8_t)align_up(off + len, 4);
    pci_cfg_set(d, PCI_STATUS, 2, pci_cfg_get(d, PCI_STATUS, 2) | (uint32_t)PCI_STATUS_CAPS);
    return off;
}

static void bar_unmap(struct pci_dev *d, unsigned n)
{
    struct pci_bar *b = &d->bar[n];

    if (!b->mapped) {
        return;
    }
    b->mapped = false;
    if (d->bar_moved) {
        d->bar_moved(d, n, false, b->base);
    }
    if (b->kind == PCI_BAR_IO) {
        bus_port_remove((uint16_t)b->base);
    } else {
        bus_mmio_remove(b->base);
    }
}

static void bar_map(struct pci_dev *d, unsigned n, uint32_t base)
{
    struct pci_bar *b = &d->bar[n];
    int err = b->kind == PCI_BAR_IO ? bus_port_add((uint16_t)base, b->size, b->ops, b->ctx, d->name)
                                    : bus_mmio_add(base, b->size, b->ops, b->ctx, d->name);

    if (err) { // the guest put it onto something else: it decodes nothing, as pci_bars_sync explains
        return;
    }
    b->mapped = true;
    b->base = base;
    if (d->bar_moved) {
        d->bar_moved(d, n, true, base);
    }
}

/* Where the guest wants the BAR; false: nowhere (decoding off, address 0, or beyond the ports). */
static bool bar_wanted(const struct pci_dev *d, unsigned n, uint32_t *base)
{
    const struct pci_bar *b = &d->bar[n];
    uint32_t command = pci_cfg_get(d, PCI_COMMAND, 2);

    if (b->kind == PCI_BAR_NONE) {
        return false;
    }
    *base = pci_cfg_get(d, PCI_BAR(n), 4) & ~(b->size - 1);
    if (b->kind == PCI_BAR_IO) {
        return (command & PCI_COMMAND_IO) && *base != 0 && range_ok(*base, b->size, PCI_IO_END);
    }
    return (command & PCI_COMMAND_MEMORY) && *base != 0;
}

void pci_bars_release(struct pci_dev *d)
{
    for (unsigned n = 0; n < PCI_BARS; n++) {
        bar_unmap(d, n);
    }
}

void pci_bars_sync(struct pci_dev *d)
{
    for (unsigned n = 0; n < PCI_BARS; n++) {
        uint32_t base = 0;
        bool want = bar_wanted(d, n, &base);

        if (d->bar[n].mapped && (!want || base != d->bar[n].base)) {
            bar_unmap(d, n);
        }
        if (want && !d->bar[n].mapped) {
            bar_map(d, n, base);
        }
    }
}

uint32_t pci_cfg_read(struct pci_dev *d, unsigned off, unsigned width)
{
    if (d->cfg_read) {
        d->cfg_read(d, off, width);
    }
    return pci_cfg_get(d, off, width);
}

static bool touches(unsigned off, unsigned width, unsigned first, unsigned size)
{
    return off < first + size && first < off + width;
}

void pci_cfg_write(struct pci_dev *d, unsigned off, unsigned width, uint32_t value)
{
    assert(range_ok(off, width, PCI_CFG_SIZE) && width <= 4);
    for (unsigned i = 0; i < width; i++) {
        uint8_t mask = d->wmask[off + i];
        d->cfg[off + i] = (uint8_t)((d->cfg[off + i] & ~mask) | ((value >> (8 * i)) & mask));
    }
    if (touches(off, width, PCI_COMMAND, 2)) {
        pci_intx_update(d);
    }
    if (touches(off, width, PCI_COMMAND, 2) || touches(off, width, PCI_BAR(0), 4 * PCI_BARS)) {
        pci_bars_sync(d);
        // What this BAR left may be what another one was waiting for.
        for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
            if (pci_host_dev(slot)) {
                pci_bars_sync(pci_host_dev(slot));
            }
        }
    }
    if (d->msix.vectors && touches(off, width, d->msix.cap + PCI_MSIX_CONTROL, 2)) {
        pci_msix_control_changed(d);
    }
    if (d->cfg_written) {
        d->cfg_written(d, off, width);
    }
}

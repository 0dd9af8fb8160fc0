// SPDX-License-Identifier: MIT
/* The host bridge: configuration mechanism #1 [PCI-3.0 3.2.2.3.2], the slots of bus 0, the firmware's assignment of
 * BARs, and the interrupt lines that devices share.
 *
 *   0xcf8  address register, 32-bit accesses only: 31 enable, 23:16 bus, 15:11 device, 10:8 function, 7:2 register
 *   0xcfc..0xcff  data window, any width */

#include "../device.h"
#include "../irq.h"
#include "../log.h"
#include "pci.h"
#include "regs.h"
#include <sk/env.h>
#include <string.h>

#define PORT_CONFIG 0xcf8u
#define CONFIG_ENABLE BIT(31)
#define CONFIG_BUS FIELD(23, 16)
#define CONFIG_DEVICE FIELD(15, 11)
#define CONFIG_FUNCTION FIELD(10, 8)
#define CONFIG_REGISTER FIELD(7, 2)
#define CONFIG_RESERVED FIELD(30, 24) /* registers beyond 255 with some chipsets: nothing is there */
#define CONFIG_READABLE (CONFIG_ENABLE | FIELD(23, 2))
#define OFF_DATA 4u

static struct {
    bool present;
    uint32_t address;            /* 0xcf8 */
    uint32_t mmio_next, io_next; /* first unassigned */
    struct pci_dev *slot[PCI_SLOTS];
    struct pci_dev bridge;
} host;

struct pci_dev *pci_host_dev(unsigned slot)
{
    return slot < PCI_SLOTS ? host.slot[slot] : NULL;
}

/* The device that the address register selects, or NULL. */
static struct pci_dev *selected(void)
{
    if ((host.address & (CONFIG_ENABLE | CONFIG_RESERVED)) != CONFIG_ENABLE || field_get(CONFIG_BUS, host.address) ||
        field_get(CONFIG_FUNCTION, host.address)) {
        return NULL;
    }
    return host.slot[field_get(CONFIG_DEVICE, host.address)];
}

static uint64_t port_read(void *ctx, uint64_t off, unsigned width)
{
    struct pci_dev *d = selected();

    (void)ctx;
    if (off == 0 && width == 4) {
        return host.address & CONFIG_READABLE;
    }
    if (off < OFF_DATA || !d) {
        return ~0ull;
    }
    return pci_cfg_read(d, (unsigned)((host.address & CONFIG_REGISTER) + (off - OFF_DATA)), width);
}

static void port_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    struct pci_dev *d = selected();

    (void)ctx;
    if (off == 0 && width == 4) {
        host.address = (uint32_t)value;
    } else if (off >= OFF_DATA && d) {
        pci_cfg_write(d, (unsigned)((host.address & CONFIG_REGISTER) + (off - OFF_DATA)), width, (uint32_t)value);
    }
}

static const struct bus_ops port_ops = {port_read, port_write};

static bool pin_asserted(const struct pci_dev *d)
{
    return d->intx && !pci_msix_enabled(d) && !(pci_cfg_get(d, PCI_COMMAND, 2) & PCI_COMMAND_NO_INTX);
}

void pci_intx_update(struct pci_dev *d)
{
    bool level = false;

    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        if (PCI_GSI(slot) == PCI_GSI(d->slot) && host.slot[slot]) {
            level |= pin_asserted(host.slot[slot]);
        }
    }
    irq_set_line(PCI_GSI(d->slot), level);
}

void pci_intx_set(struct pci_dev *d, bool level)
{
    uint32_t status = pci_cfg_get(d, PCI_STATUS, 2) & (uint32_t)~PCI_STATUS_INTERRUPT;

    if (d->intx == level) {
        return;
    }
    d->intx = level;
    pci_cfg_set(d, PCI_STATUS, 2, status | (level ? (uint32_t)PCI_STATUS_INTERRUPT : 0));
    pci_intx_update(d);
}

/* The next size-aligned range of the window; 0 if it is full. */
static uint32_t window_take(uint32_t *next, uint32_t end, uint32_t size)
{
    uint64_t base = align_up(*next, size);

    if (!range_ok(base, size, end)) {
        return 0;
    }
    *next = (uint32_t)(base + size);
    return (uint32_t)base;
}

static int bars_assign(struct pci_dev *d)
{
    uint32_t command = 0;

    for (unsigned n = 0; n < PCI_BARS; n++) {
        struct pci_bar *b = &d->bar[n];
        bool io = b->kind == PCI_BAR_IO;

        if (b->kind == PCI_BAR_NONE) {
            continue;
        }
        uint32_t base = io ? window_take(&host.io_next, PCI_IO_END, b->size)
                           : window_take(&host.mmio_next, PCI_MMIO_END, (uint32_t)max((uint64_t)b->size, PAGE_SIZE));
        if (!base) {
            return SK_ENOMEM;
        }
        pci_cfg_set(d, PCI_BAR(n), 4, base | (io ? (uint32_t)PCI_BAR_IS_IO : 0));
        command |= (uint32_t)(io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY);
    }
    pci_cfg_set(d, PCI_COMMAND, 2, command);
    return SK_OK;
}

static int host_insert(struct pci_dev *d, unsigned slot)
{
    int err = bars_assign(d);

    if (err) {
        return err;
    }
    d->slot = slot;
    host.slot[slot] = d;
    if (d->cfg[PCI_INTERRUPT_PIN]) {
        pci_cfg_set(d, PCI_INTERRUPT_LINE, 1, PCI_PIC_IRQ(slot));
    }
    memcpy(d->boot, d->cfg, sizeof(d->boot));
    pci_bars_sync(d);
    return SK_OK;
}

int pci_dev_add(struct pci_dev *d)
{
    if (!host.present) {
        return SK_ENODEV;
    }
    for (unsigned slot = 1; slot < PCI_SLOTS; slot++) {
        if (!host.slot[slot]) {
            return host_insert(d, slot);
        }
    }
    return SK_ESLOTS;
}

int pci_host_create(void)
{
    // A host bridge of no particular make: the vendor that virtual machines use for theirs, class 0600.
    static const struct pci_ids ids = {0x1b36, 0x0008, 0x1af4, 0x1100, 0x060000, 0};

    memset(&host, 0, sizeof(host));
    host.mmio_next = PCI_MMIO_FIRST;
    host.io_next = PCI_IO_FIRST;
    int err = bus_port_add(PORT_CONFIG, 8, &port_ops, NULL, "pci-config");
    if (err) {
        return err;
    }
    host.present = true;
    pci_dev_init(&host.bridge, "pci-host", &ids);
    return host_insert(&host.bridge, 0);
}

void pci_host_reset(void)
{
    host.address = 0;
    // First everything off the bus, so that the boot addresses are free whatever the guest had moved there.
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        struct pci_dev *d = host.slot[slot];

        if (d) {
            pci_bars_release(d);
            if (d->reset) {
                d->reset(d);
            }
            pci_intx_set(d, false);
            memcpy(d->cfg, d->boot, sizeof(d->cfg));
            pci_msix_reset(d);
        }
    }
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        if (host.slot[slot]) {
            pci_bars_sync(host.slot[slot]);
        }
    }
}

static int host_probe(const void *fdt, int node, const char *name)
{
    (void)fdt, (void)node;
    if (host.present) {
        log_error(LOG_PCI, "device tree node %s: there can be only one PCI host bridge: remove one of the two nodes",
                  name);
        return SK_EEXIST;
    }
    int err = pci_host_create();
    if (err) {
        log_error(LOG_PCI,
                  "device tree node %s: cannot claim ports 0xcf8-0xcff (%s): remove the node whose device has them",
                  name, sk_errname(err));
    }
    return err;
}

const struct device_type pci_host_type = {
    .compatible = "skerry,pci-host",
    .probe = host_probe,
    .reset = pci_host_reset,
};

// SPDX-License-Identifier: MIT
/* Virtio over PCI [virtio-1.2 4.1]: identification, capabilities, BARs and the window through configuration space. The
 * layout of the BARs is in virtio.h. */

#include "../log.h"
#include "../pci/regs.h"
#include "regs.h"
#include "virtio.h"
#include <assert.h>
#include <libfdt.h>
#include <string.h>
#include <util/bits.h>

#define BAR_REGS 0u
#define BAR_NOTIFY 1u
#define REGS_PAGE 0x1000u
#define REGS_COMMON 0x0000u
#define REGS_ISR 0x1000u
#define REGS_DEVICE 0x2000u
#define REGS_MSIX 0x3000u
#define REGS_PBA 0x3800u
#define REGS_SIZE 0x4000u
#define NOTIFY_MULTIPLIER 4u

/* VIRTIO_PCI_CAP_PCI_CFG: pci_cfg_data stands behind the capability. */
#define WINDOW_DATA ((unsigned)sizeof(struct virtio_pci_cap))
#define WINDOW_SIZE (WINDOW_DATA + 4)

uint64_t virtio_config_read(const struct virtio_dev *d, unsigned off, unsigned width)
{
    uint64_t v = 0;

    if (width <= sizeof(v) && range_ok(off, width, d->config_size)) {
        memcpy(&v, d->config + off, width);
    }
    return v;
}

void virtio_config_write(struct virtio_dev *d, unsigned off, unsigned width, uint64_t value)
{
    if (d->ops->config_write && width <= 4 && range_ok(off, width, d->config_size)) {
        d->ops->config_write(d, off, width, (uint32_t)value);
    }
}

static uint64_t regs_read(void *ctx, uint64_t off, unsigned width)
{
    struct virtio_dev *d = ctx;
    unsigned reg = (unsigned)off % REGS_PAGE;

    switch (off - reg) {
    case REGS_COMMON:
        return virtio_common_read(d, reg, width);
    case REGS_ISR:
        return reg == 0 ? virtio_isr_read(d) : 0;
    case REGS_DEVICE:
        return virtio_config_read(d, reg, width);
    default:
        return off >= REGS_PBA ? pci_msix_pba_read(&d->pci, off - REGS_PBA, width)
                               : pci_msix_table_read(&d->pci, off - REGS_MSIX, width);
    }
}

/* The ISR and the PBA are read-only. */
static void regs_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    struct virtio_dev *d = ctx;
    unsigned reg = (unsigned)off % REGS_PAGE;

    if (off < REGS_ISR) {
        virtio_common_write(d, reg, width, value);
    } else if (off >= REGS_DEVICE && off < REGS_MSIX) {
        virtio_config_write(d, reg, width, value);
    } else if (off >= REGS_MSIX && off < REGS_PBA) {
        pci_msix_table_write(&d->pci, off - REGS_MSIX, width, value);
    }
}

static const struct bus_ops regs_ops = {regs_read, regs_write};

static uint64_t notify_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx, (void)off, (void)width;
    return 0;
}

/* The register says which queue; the value repeats it. A single byte is no notification, as with the kernel's
 * doorbells. */
static void notify_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)value;
    if (width >= 2 && off % NOTIFY_MULTIPLIER == 0) {
        virtio_notify(ctx, (unsigned)(off / NOTIFY_MULTIPLIER));
    }
}

static const struct bus_ops notify_ops = {notify_read, notify_write};

static void bar_moved(struct pci_dev *p, unsigned n, bool mapped, uint32_t base)
{
    if (n == BAR_NOTIFY) {
        virtio_doorbells_move(container_of(p, struct virtio_dev, pci), mapped ? (uint16_t)base : 0);
    }
}

/* What the PCI_CFG capability describes at the moment [4.1.4.9]. */
struct window {
    const struct bus_ops *ops;
    uint32_t off;
    unsigned width;
};

/* False: the access [off, off + width) leaves the window's data alone, or the guest described nothing valid. */
static bool window_decode(struct virtio_dev *d, unsigned off, unsigned width, struct window *w)
{
    unsigned data = d->cfg_cap + WINDOW_DATA;
    struct virtio_pci_cap c;

    if (off >= data + 4 || off + width <= data) {
        return false;
    }
    memcpy(&c, &d->pci.cfg[d->cfg_cap], sizeof(c));
    if (c.bar >= PCI_BARS || d->pci.bar[c.bar].kind == PCI_BAR_NONE) {
        return false;
    }
    *w = (struct window){d->pci.bar[c.bar].ops, c.offset, c.length};
    return (c.length == 1 || c.length == 2 || c.length == 4) && c.offset % c.length == 0 &&
           range_ok(c.offset, c.length, d->pci.bar[c.bar].size);
}

static void window_read(struct pci_dev *p, unsigned off, unsigned width)
{
    struct virtio_dev *d = container_of(p, struct virtio_dev, pci);
    struct window w;

    if (window_decode(d, off, width, &w)) {
        pci_cfg_set(p, d->cfg_cap + WINDOW_DATA, w.width, (uint32_t)w.ops->read(d, w.off, w.width));
    }
}

static void window_written(struct pci_dev *p, unsigned off, unsigned width)
{
    struct virtio_dev *d = container_of(p, struct virtio_dev, pci);
    struct window w;

    if (window_decode(d, off, width, &w)) {
        w.ops->write(d, w.off, w.width, pci_cfg_get(p, d->cfg_cap + WINDOW_DATA, w.width));
    }
}

static void dev_reset(struct pci_dev *p)
{
    virtio_reset(container_of(p, struct virtio_dev, pci));
}

/* All capabilities of a device take 3 * 16 + 2 * 20 + 12 bytes: they always fit. */
static unsigned cap_add(struct virtio_dev *d, enum virtio_pci_cfg_type type, uint8_t bar, uint32_t off, uint32_t len,
                        unsigned extra)
{
    unsigned size = (unsigned)sizeof(struct virtio_pci_cap) + extra;
    unsigned at = pci_cap_add(&d->pci, PCI_CAP_ID_VENDOR, size);

    assert(at);
    d->pci.cfg[at + CAP_OFF(cap_len)] = (uint8_t)size;
    d->pci.cfg[at + CAP_OFF(cfg_type)] = (uint8_t)type;
    d->pci.cfg[at + CAP_OFF(bar)] = bar;
    pci_cfg_set(&d->pci, at + CAP_OFF(offset), 4, off);
    pci_cfg_set(&d->pci, at + CAP_OFF(length), 4, len);
    return at;
}

static void window_init(struct virtio_dev *d)
{
    d->cfg_cap = cap_add(d, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0, 4);
    d->pci.wmask[d->cfg_cap + CAP_OFF(bar)] = 0xff;
    memset(&d->pci.wmask[d->cfg_cap + CAP_OFF(offset)], 0xff, WINDOW_SIZE - CAP_OFF(offset));
    d->pci.cfg_read = window_read;
    d->pci.cfg_written = window_written;
}

static int capabilities_init(struct virtio_dev *d, uint32_t notify_bytes)
{
    cap_add(d, VIRTIO_PCI_CAP_COMMON_CFG, BAR_REGS, REGS_COMMON, sizeof(struct virtio_pci_common_cfg), 0);
    unsigned notify = cap_add(d, VIRTIO_PCI_CAP_NOTIFY_CFG, BAR_NOTIFY, 0, notify_bytes, 4);
    pci_cfg_set(&d->pci, notify + (unsigned)sizeof(struct virtio_pci_cap), 4, NOTIFY_MULTIPLIER);
    cap_add(d, VIRTIO_PCI_CAP_ISR_CFG, BAR_REGS, REGS_ISR, 1, 0);
    if (d->config_size) {
        cap_add(d, VIRTIO_PCI_CAP_DEVICE_CFG, BAR_REGS, REGS_DEVICE, d->config_size, 0);
    }
    window_init(d);
    return pci_msix_init(&d->pci, BAR_REGS, REGS_MSIX, REGS_PBA, d->queue_count + 1u);
}

static uint32_t pow2_at_least(uint32_t v, uint32_t lowest)
{
    while (lowest < v) {
        lowest *= 2;
    }
    return lowest;
}

int virtio_bus_check(const char *name)
{
    if (pci_host_dev(0)) {
        return SK_OK;
    }
    log_error(LOG_VIRTIO,
              "device tree node %s: there is no PCI bus for it: put a node with compatible = \"skerry,pci-host\" "
              "before it",
              name);
    return SK_ENOENT;
}

bool virtio_node_mmio(const void *fdt, int node)
{
    const char *c = fdt ? fdt_getprop(fdt, node, "compatible", NULL) : NULL;
    size_t len = c ? strlen(c) : 0;

    return len > 5 && strcmp(c + len - 5, "-mmio") == 0;
}

static int pci_attach(struct virtio_dev *d, unsigned queues)
{
    uint32_t notify_bytes = NOTIFY_MULTIPLIER * queues;

    d->pci.cfg[PCI_INTERRUPT_PIN] = 1;
    d->pci.bar_moved = bar_moved;
    d->pci.reset = dev_reset;
    pci_bar_init(&d->pci, BAR_REGS, PCI_BAR_MEM32, REGS_SIZE, &regs_ops, d);
    pci_bar_init(&d->pci, BAR_NOTIFY, PCI_BAR_IO, pow2_at_least(notify_bytes, 16), &notify_ops, d);
    int err = capabilities_init(d, notify_bytes);
    return err ? err : pci_dev_add(&d->pci);
}

int virtio_dev_add(struct virtio_dev *d, const struct virtio_info *info)
{
    const struct pci_ids ids = {VIRTIO_PCI_VENDOR, (uint16_t)(VIRTIO_PCI_DEVICE_BASE + info->id),
                                VIRTIO_PCI_VENDOR, (uint16_t)(0x40 + info->id),
                                info->class_code,  VIRTIO_PCI_REVISION};

    assert(info->queue_count <= VIRTIO_QUEUES_MAX && info->config_size <= VIRTIO_CONFIG_MAX);
    memset(d, 0, sizeof(*d));
    pci_dev_init(&d->pci, info->name, &ids);
    d->ops = info->ops;
    d->id = info->id;
    d->mmio = info->mmio;
    d->offered = info->features | VIRTIO_F_VERSION_1;
    d->queue_count = (uint16_t)info->queue_count;
    d->config_vector = VIRTIO_NO_VECTOR;
    d->config_size = info->config_size;
    if (info->config_size) {
        memcpy(d->config, info->config, info->config_size);
    }
    for (unsigned q = 0; q < info->queue_count; q++) {
        d->queue[q] =
            (struct virtio_queue){.size_max = info->queue_size, .size = info->queue_size, .vector = VIRTIO_NO_VECTOR};
    }
    int err = d->mmio ? virtio_mmio_add(d) : pci_attach(d, info->queue_count);
    if (!err) {
        virtio_dev_list(d);
    }
    return err;
}

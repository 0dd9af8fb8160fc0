// SPDX-License-Identifier: MIT
// Commands that show memory, the memory map, and devices with their queues.
#include "../bus.h"
#include "../cpu/paging.h"
#include "../gmem.h"
#include "../vcpu.h"
#include "../virtio/virtio.h"
#include "monitor_priv.h"

#include <abi/types.h>
#include <inttypes.h>
#include <stdio.h>
#include <util/bits.h>

#define DUMP_DEFAULT 128u
#define DUMP_MAX 4096u
#define LINE 16u

/* One line: address, 16 bytes or "..", text. Bytes that are no RAM or not mapped cannot be read. */
static void line_print(struct shell *sh, uint64_t address, const uint8_t *bytes, uint32_t there, unsigned count)
{
    char hex[3 * LINE + 1], text[LINE + 1];

    for (unsigned i = 0; i < count; i++) {
        bool ok = (there >> i & 1) != 0;
        snprintf(hex + 3 * i, 4, ok ? " %02x" : " ..", bytes[i]);
        text[i] = ok && bytes[i] >= ' ' && bytes[i] < 0x7f ? (char)bytes[i] : '.';
    }
    text[count] = '\0';
    shell_printf(sh, "%016" PRIx64 "%-*s  %s\n", address, (int)(3 * LINE), hex, text);
}

/* p: page tables, NULL: physical. Byte by byte: a line may lie on two pages. */
static uint32_t line_read(const struct paging *p, uint64_t address, uint8_t *bytes, unsigned count)
{
    uint32_t there = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t gpa = address + i;
        bytes[i] = 0;
        if ((p == NULL || paging_translate(p, address + i, &gpa) == 0) && ram_read(gpa, &bytes[i], 1) == 0) {
            there |= 1u << i;
        }
    }
    return there;
}

static void dump(struct shell *sh, const struct paging *p, uint64_t address, uint64_t bytes)
{
    uint32_t any = 0;

    if (bytes > DUMP_MAX) {
        shell_printf(sh, "%u bytes at once are the most\n", DUMP_MAX);
        bytes = DUMP_MAX;
    }
    bytes = min(bytes - 1, UINT64_MAX - address) + 1; /* no further than the last address */
    for (uint64_t off = 0; off < bytes; off += LINE) {
        uint8_t line[LINE];
        unsigned count = (unsigned)min(bytes - off, (uint64_t)LINE);
        uint32_t there = line_read(p, address + off, line, count);
        line_print(sh, address + off, line, there, count);
        any |= there;
    }
    if (any == 0) {
        shell_printf(sh, "none of these bytes is %s; %s\n", p == NULL ? "RAM" : "mapped to RAM",
                     p == NULL ? "\"map\" shows what is where" : "\"translate\" shows where an address leads");
    }
}

/* How many bytes to show: the second argument. */
static bool dump_bytes(struct shell *sh, unsigned argc, char *const *argv, uint64_t *bytes)
{
    *bytes = DUMP_DEFAULT;
    if (argc > 2 && !monitor_number(sh, argv[2], bytes)) {
        return false;
    }
    if (*bytes == 0) {
        shell_printf(sh, "0 bytes are none: 1 to %u can be shown\n", DUMP_MAX);
    }
    return *bytes != 0;
}

/* The vcpu's page tables; false after a line. */
static bool tables(struct shell *sh, const char *vcpu, struct paging *p)
{
    struct vcpu *v = monitor_vcpu(sh, vcpu);

    if (v == NULL || !monitor_state_get(v, VCPU_GROUP_BASE)) {
        return false;
    }
    *p = (struct paging){v->state->cr0, v->state->cr3, v->state->cr4, v->state->efer};
    return true;
}

void cmd_memory(struct shell *sh, unsigned argc, char *const *argv)
{
    uint64_t address, bytes;
    struct paging p;

    if (monitor_number(sh, argv[1], &address) && dump_bytes(sh, argc, argv, &bytes) &&
        tables(sh, argc > 3 ? argv[3] : NULL, &p)) {
        dump(sh, &p, address, bytes);
    }
}

void cmd_physical(struct shell *sh, unsigned argc, char *const *argv)
{
    uint64_t address, bytes;

    if (monitor_number(sh, argv[1], &address) && dump_bytes(sh, argc, argv, &bytes)) {
        dump(sh, NULL, address, bytes);
    }
}

void cmd_translate(struct shell *sh, unsigned argc, char *const *argv)
{
    uint64_t address, gpa;
    struct paging p;

    if (!monitor_number(sh, argv[1], &address) || !tables(sh, argc > 2 ? argv[2] : NULL, &p)) {
        return;
    }
    if (paging_translate(&p, address, &gpa) != 0) {
        shell_printf(sh, "0x%" PRIx64 " is not mapped\n", address);
    } else {
        shell_printf(sh, "0x%" PRIx64 " -> 0x%" PRIx64 " (%s)\n", address, gpa,
                     ram_ptr(gpa, 1) != NULL ? "RAM" : "no RAM");
    }
}

static void ranges_print(struct shell *sh, bool mmio)
{
    unsigned n;
    const struct bus_range *r = bus_ranges(mmio, &n);

    for (unsigned i = 0; i < n; i++) {
        shell_printf(sh, "%s %0*" PRIx64 "-%0*" PRIx64 "  %s\n", mmio ? "memory" : "ports ", mmio ? 10 : 4, r[i].first,
                     mmio ? 10 : 4, r[i].first + r[i].size - 1, r[i].name);
    }
}

void cmd_map(struct shell *sh, unsigned argc, char *const *argv)
{
    unsigned n;
    const struct ram_region *r = ram_regions(&n);

    (void)argc, (void)argv;
    for (unsigned i = 0; i < n; i++) {
        shell_printf(sh, "memory %010" PRIx64 "-%010" PRIx64 "  RAM, %" PRIu64 " MiB\n", r[i].gpa,
                     r[i].gpa + r[i].size - 1, r[i].size >> 20);
    }
    ranges_print(sh, true);
    ranges_print(sh, false);
}

/* What is between driver and device, from the indices in the rings [virtio-1.2 2.7.6, 2.7.8]. */
static void queue_print(struct shell *sh, const struct virtio_dev *d, unsigned q)
{
    const struct virtio_queue *vq = &d->queue[q];
    uint16_t avail = 0, used = 0;

    if (!vq->started) {
        shell_printf(sh, "    queue %u: not in use (up to %u)\n", q, vq->size_max);
    } else if ((d->accepted & VIRTIO_F_RING_PACKED) != 0) {
        shell_printf(sh, "    queue %u: size %u, packed, at %" PRIx64 "\n", q, vq->size, vq->desc);
    } else if (ram_read(vq->driver + 2, &avail, 2) != 0 || ram_read(vq->device + 2, &used, 2) != 0) {
        shell_printf(sh, "    queue %u: size %u, not in RAM\n", q, vq->size);
    } else {
        shell_printf(sh, "    queue %u: size %u, made available %u, used %u, in flight %u%s\n", q, vq->size, avail,
                     used, (uint16_t)(avail - used), vq->doorbell_port != 0 ? ", doorbell" : "");
    }
}

static void virtio_print(struct shell *sh, const struct virtio_dev *d)
{
    shell_printf(sh, "  %s: virtio status %02x, features %016" PRIx64 " of %016" PRIx64 "%s\n", d->pci.name, d->status,
                 d->accepted, d->offered, d->resetting ? ", resetting" : "");
    for (unsigned q = 0; q < d->queue_count; q++) {
        queue_print(sh, d, q);
    }
}

void cmd_devices(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)argc, (void)argv;
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        const struct pci_dev *d = pci_host_dev(slot);
        if (d != NULL) {
            shell_printf(sh, "PCI 00:%02x.0 %04x:%04x %s%s\n", slot, pci_cfg_get(d, 0, 2), pci_cfg_get(d, 2, 2),
                         d->name,
                         pci_msix_enabled(d) ? ", MSI-X"
                         : d->intx           ? ", INTx asserted"
                                             : "");
        }
    }
    for (const struct virtio_dev *d = virtio_dev_next(NULL); d != NULL; d = virtio_dev_next(d)) {
        virtio_print(sh, d);
    }
}

// SPDX-License-Identifier: MIT
/* Finding functions. Buses are a work list with one bit per bus number, so that bridges whose bus numbers form a loop
 * end the search instead of continuing it, and depth costs no stack. */
#include "log.h"
#include "pci_priv.h"

#include <stdio.h>
#include <string.h>

struct scan {
    struct pci *pci;
    uint16_t segment;
    uint8_t todo[256];
    unsigned todo_count;
    bool seen[256];
    struct pci_dev *bridge[256]; /* that leads to the bus */
};

const char *pci_addr_name(struct pci_addr a, char *buf)
{
    unsigned dev = a.devfn >> 3, fn = a.devfn & 7;

    if (a.segment != 0) {
        snprintf(buf, PCI_NAME_LEN, "%04x:%02x:%02x.%x", a.segment, a.bus, dev, fn);
    } else {
        snprintf(buf, PCI_NAME_LEN, "%02x:%02x.%x", a.bus, dev, fn);
    }
    return buf;
}

static void add_bus(struct scan *s, uint8_t bus, struct pci_dev *bridge)
{
    char name[PCI_NAME_LEN];

    if (bridge != NULL && bus == 0) {
        io_log(IO_INFO, "pci: bridge %s: firmware has not given it a bus", pci_addr_name(bridge->addr, name));
    } else if (s->seen[bus]) {
        io_log(IO_WARN, "pci: bridge %s: bus %02x has been found before; what is behind the bridge is not used",
               bridge != NULL ? pci_addr_name(bridge->addr, name) : "root", bus);
    } else {
        s->seen[bus] = true;
        s->bridge[bus] = bridge;
        s->todo[s->todo_count++] = bus;
    }
}

/* Bases are needed to tell whether pages are shared; sizes come with pci_prepare. */
static void read_bar_bases(const struct pci *pci, struct pci_dev *dev)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint32_t low = cfg_read(pci, dev->addr, PCI_BAR0 + 4 * i, 4);
        struct pci_bar *bar = &dev->bar[i];

        bar->is_io = low & PCI_BAR_IO;
        bar->base = low & (bar->is_io ? PCI_BAR_IO_BASE : PCI_BAR_MEM_BASE);
        bar->is_64 = !bar->is_io && field_get(PCI_BAR_TYPE, low) == PCI_BAR_TYPE_64 && i + 1 < PCI_BARS;
        if (bar->is_64) {
            bar->base |= (uint64_t)cfg_read(pci, dev->addr, PCI_BAR0 + 4 * (i + 1), 4) << 32;
            i++;
        }
    }
}

static void read_header(const struct pci *pci, struct pci_dev *dev)
{
    uint32_t class_rev = cfg_read(pci, dev->addr, PCI_REVISION, 4);
    uint32_t irq = cfg_read(pci, dev->addr, PCI_INTERRUPT_LINE, 2);

    dev->revision = (uint8_t)class_rev;
    dev->class_code = class_rev >> 8;
    dev->intx_line = (uint8_t)irq;
    dev->intx_pin = (irq >> 8) <= 4 ? (uint8_t)(irq >> 8) : 0;
    if (!dev->is_bridge) {
        uint32_t sub = cfg_read(pci, dev->addr, PCI_SUBSYSTEM_VENDOR, 4);
        dev->subsystem_vendor = (uint16_t)sub;
        dev->subsystem = (uint16_t)(sub >> 16);
        read_bar_bases(pci, dev);
    }
}

static void report(const struct pci_dev *dev)
{
    char name[PCI_NAME_LEN], irq[32] = "no interrupt pin";

    if (dev->intx_pin != 0) {
        snprintf(irq, sizeof irq, "INT%c line %u", 'A' + dev->intx_pin - 1, dev->intx_line);
    }
    io_log(IO_INFO, "pci: %s: %04x:%04x class %06x rev %02x%s, %s", pci_addr_name(dev->addr, name), dev->vendor,
           dev->device, dev->class_code, dev->revision, dev->is_bridge ? ", bridge" : "", irq);
}

/* Return: the function's header type register; 0 if there is no function. */
static unsigned add_function(struct scan *s, struct pci_addr a)
{
    struct pci *pci = s->pci;
    uint32_t id = cfg_read(pci, a, PCI_VENDOR, 4);

    if ((id & 0xffff) == 0xffff || id == 0) {
        return 0;
    }
    unsigned header = cfg_read(pci, a, PCI_HEADER_TYPE, 1);
    unsigned layout = (unsigned)field_get(PCI_HEADER_LAYOUT, header);
    if (pci->count == PCI_DEVS_MAX) {
        pci->overflow = true;
        return header;
    }
    if (layout > 1) {
        return header; /* CardBus bridges and what is no header at all */
    }
    struct pci_dev *dev = &pci->dev[pci->count++];
    *dev = (struct pci_dev){.addr = a, .vendor = (uint16_t)id, .device = (uint16_t)(id >> 16)};
    dev->is_bridge = layout == 1;
    dev->parent = s->bridge[a.bus];
    read_header(pci, dev);
    report(dev);
    if (dev->is_bridge) {
        add_bus(s, (uint8_t)cfg_read(pci, a, PCI_BRIDGE_SECONDARY, 1), dev);
    }
    return header;
}

static void scan_bus(struct scan *s, uint8_t bus)
{
    for (unsigned dev = 0; dev < 32; dev++) {
        struct pci_addr a = {s->segment, bus, (uint8_t)(dev << 3)};
        unsigned header = add_function(s, a);

        for (unsigned fn = 1; fn < 8 && (header & PCI_HEADER_MULTI) != 0; fn++) {
            a.devfn = (uint8_t)(dev << 3 | fn);
            (void)add_function(s, a);
        }
    }
}

void pci_scan(struct pci *pci, uint16_t segment, uint8_t root_bus)
{
    struct scan s = {.pci = pci, .segment = segment};

    add_bus(&s, root_bus, NULL);
    for (unsigned i = 0; i < s.todo_count; i++) {
        scan_bus(&s, s.todo[i]);
    }
    if (pci->overflow) {
        io_log(IO_WARN, "pci: there are more than %u functions; the rest is not used", PCI_DEVS_MAX);
    }
}

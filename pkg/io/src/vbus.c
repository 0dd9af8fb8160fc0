// SPDX-License-Identifier: MIT
// Virtual buses: see vbus.h.
#include "vbus.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vbus *vbus_find(struct vbus_set *set, const char *name)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (strcmp(set->bus[i].name, name) == 0) {
            return &set->bus[i];
        }
    }
    return NULL;
}

struct vbus *vbus_add(struct vbus_set *set, const char *name, const char *file, unsigned num_msis, char *err,
                      size_t err_size)
{
    const struct vbus *old = vbus_find(set, name);

    if (old != NULL) {
        snprintf(err, err_size, "vbus '%s' is already defined by %s; rename one of them", name, old->file);
    } else if (strlen(name) >= VBUS_NAME_MAX || name[0] == 0) {
        snprintf(err, err_size, "vbus '%.64s': a name has 1 to %d characters", name, VBUS_NAME_MAX - 1);
    } else if (set->count == VBUS_MAX) {
        snprintf(err, err_size, "vbus '%s': there are %d virtual buses already, which is the limit", name, VBUS_MAX);
    } else {
        struct vbus *bus = &set->bus[set->count++];
        *bus = (struct vbus){.num_msis = num_msis};
        snprintf(bus->name, sizeof bus->name, "%s", name);
        snprintf(bus->file, sizeof bus->file, "%s", file);
        return bus;
    }
    return NULL;
}

bool vbus_add_device(struct vbus_set *set, struct vbus *bus, struct pci_dev *dev, const char *name, char *err,
                     size_t err_size)
{
    char addr[PCI_NAME_LEN];

    pci_addr_name(dev->addr, addr);
    if (dev->owner == bus->name) {
        io_log(IO_DEBUG, "vbus '%s': device %s is matched more than once", bus->name, addr);
        return true;
    }
    if (dev->owner != NULL) {
        snprintf(err, err_size, "vbus '%s': device %s is on vbus '%s' already; a device can be on one vbus only",
                 bus->name, addr, dev->owner);
        return false;
    }
    struct vbus_slot *grown = realloc(bus->slot, (bus->count + 1) * sizeof *grown);
    if (grown == NULL) {
        snprintf(err, err_size, "vbus '%s': out of memory", bus->name);
        return false;
    }
    bus->slot = grown;
    bus->slot[bus->count] = (struct vbus_slot){.dev = dev};
    snprintf(bus->slot[bus->count++].name, VBUS_NAME_MAX, "%s", name);
    dev->owner = bus->name;
    pci_prepare(set->pci, dev);
    io_log(IO_INFO, "vbus '%s': device %u is '%s': %s %04x:%04x class %06x, MSI-X %u, MSI %u", bus->name,
           bus->count - 1, name, addr, dev->vendor, dev->device, dev->class_code, dev->msix.count, pci_msi_count(dev));
    return true;
}

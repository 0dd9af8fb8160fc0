// SPDX-License-Identifier: MIT
/* Virtual buses: named lists of devices with a number of MSIs, as the configuration defines them (config.c), and served
 * each to one client (server.c). A device is on one bus only. */
#pragma once

#include "pci.h"

#define VBUS_MAX 16
#define VBUS_MSIS_MAX 1024
#define VBUS_NAME_MAX 32 /* with the NUL; names of capabilities, see SK_NAME_MAX */

struct vbus_slot {
    struct pci_dev *dev;
    char name[VBUS_NAME_MAX];
};

struct vbus {
    char name[VBUS_NAME_MAX];
    char file[64]; /* that defined it, "" for a bus without definition */
    unsigned num_msis;
    unsigned count;
    struct vbus_slot *slot;
};

struct vbus_set {
    struct pci *pci;
    unsigned count;
    struct vbus bus[VBUS_MAX];
};

struct vbus *vbus_find(struct vbus_set *set, const char *name);
/* Adds a bus without devices. NULL, with the reason in err: too many buses, or the name is too long or taken. */
struct vbus *vbus_add(struct vbus_set *set, const char *name, const char *file, unsigned num_msis, char *err,
                      size_t err_size);
/* Puts a device on a bus and prepares it. A device that is on this bus already is left where it is. False, with the
 * reason in err: another bus has the device, or memory is short. */
bool vbus_add_device(struct vbus_set *set, struct vbus *bus, struct pci_dev *dev, const char *name, char *err,
                     size_t err_size);

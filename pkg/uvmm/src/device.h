// SPDX-License-Identifier: MIT
/* Device models are made from nodes of the device tree, in the tree's order, by their "compatible" string. A model's
 * file defines one struct device_type and lists it in device.c's table. */
#pragma once

#include <abi/types.h>
#include <stdbool.h>
#include <stddef.h>

#define DEVICE_CAP "skerry,cap" /* the property that names a node's capability */

struct device_type {
    const char *compatible;
    bool needs_cap; /* each node has DEVICE_CAP, and its own */
    /* Creates the device for a node. 0; SK_ENODEV: stays disabled (its capability is not there, or what is behind it);
     * other errors, after one line that names the node, end the VM's start. fdt stays valid. */
    int (*probe)(const void *fdt, int node, const char *name);
    /* Back to the power-on state; servers are told. May be NULL. */
    void (*reset)(void);
};

/* The capability that a node's string property `prop` names, from the program's environment; CAP_NULL if absent. */
cap_t device_node_cap(const void *fdt, int node, const char *prop);

/* End of the VM, by the guest's wish or its fault. Does not return into the guest; `why` is part of the line that is
 * printed. */
enum vm_end { VM_END_POWEROFF, VM_END_REBOOT, VM_END_CRASH };
void vm_end(enum vm_end how, const char *why);

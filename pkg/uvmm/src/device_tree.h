// SPDX-License-Identifier: MIT
// The machine's description.
#pragma once

#include <stddef.h>

/* Checks a flattened device tree of `size` bytes. NULL, or what is wrong with it. Pure. */
const char *device_tree_check(const void *fdt, size_t size);
/* Processors that the checked tree describes: the enabled nodes of device_type "cpu" under /cpus; 1 without any. */
unsigned device_tree_cpus(const void *fdt);
/* Makes the devices of the checked tree in its order. 0, or an error after one line. */
int devices_probe(const void *fdt);
/* The VM has ended: every device goes back to its power-on state, so that servers let go of the guest's memory. */
void devices_reset(void);

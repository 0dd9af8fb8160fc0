// SPDX-License-Identifier: MIT
/* The machine's description: a base tree, and any number of trees on top of it. One that has overlay fragments (a
 * subnode of the root with an __overlay__ in it) is applied as such; the nodes of any other are merged into the base,
 * node by node: properties replace those of the same name, nodes that are new are added. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DEVICE_TREES_MAX 16u
#define DEVICE_NODES_MAX 256u /* of the root */

struct device_tree {
    const void *fdt;
    unsigned base_nodes; /* of the root in the base tree */
};

/* Checks a flattened device tree of `size` bytes. NULL, or what is wrong with it. Pure. */
const char *device_tree_check(const void *fdt, size_t size);
/* Whether a node of the checked tree has no status, or one that is okay [DT-0.4 2.3.4]. Pure. */
bool device_tree_enabled(const void *fdt, int node);
/* Processors that the checked tree describes: the enabled nodes of device_type "cpu" under /cpus; 1 without any. */
unsigned device_tree_cpus(const void *fdt);
/* Whether the checked tree has overlay fragments, and needs a tree before it. Pure. */
bool device_tree_is_overlay(const void *fdt);
/* Applies or merges `more` (checked; an overlay is used up by it) onto `fdt`, which has room. NULL, or what is wrong;
 * `fdt` is not usable then. Pure. */
const char *device_tree_add(void *fdt, void *more);
/* The root's nodes in the order in which devices are made: the base's, then those on top as they came (libfdt puts new
 * nodes in front). Their count, DEVICE_NODES_MAX at most. Pure. */
unsigned device_tree_order(const struct device_tree *t, int node[DEVICE_NODES_MAX]);
/* How many nodes the root has. Pure. */
unsigned device_tree_nodes(const void *fdt);
/* Loads the trees from rom/ and puts them together, for the program's life. 0, or -1 after one line. */
int device_tree_load(const char *const *names, unsigned count, struct device_tree *t);
/* Makes the devices of the checked tree in its order. 0, or an error after one line. */
int devices_probe(const struct device_tree *t);
/* Every device goes back to its power-on state, so that servers let go of the guest's memory. */
void devices_reset(void);

// SPDX-License-Identifier: MIT
// Device trees from rom/: the first is the base, the others go on top in their order.
#include "device_tree.h"
#include "file.h"
#include "log.h"

#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

/* Maps and checks one file. */
static int tree_map(const char *name, struct boot_file *f)
{
    if (file_map(name, "device tree", "-d", f) != 0) {
        return -1;
    }
    const char *err = device_tree_check(f->data, f->size);
    if (err != NULL) {
        log_error(LOG_BOOT, "device tree %s is corrupt: %s; rebuild it with dtc, or use virt-pc.dtb", name, err);
        return -1;
    }
    return 0;
}

/* What a tree may add: an overlay's nodes, the paths of its labels and its strings. */
static size_t room_for(const struct boot_file *f)
{
    return 2 * (size_t)fdt_totalsize(f->data) + 4096;
}

static int tree_add(void *fdt, const struct boot_file *f)
{
    size_t size = fdt_totalsize(f->data);
    void *copy = malloc(size);

    if (copy == NULL) {
        log_error(LOG_BOOT, "no memory for device tree %s (%zu bytes)", f->name, size);
        return -1;
    }
    memcpy(copy, f->data, size);
    const char *err = device_tree_add(fdt, copy);
    free(copy);
    if (err != NULL) {
        log_error(LOG_BOOT, "device tree %s does not go onto those before it: %s", f->name, err);
        return -1;
    }
    return 0;
}

static void *merge(const struct boot_file *f, unsigned count)
{
    size_t room = 0;

    if (device_tree_is_overlay(f[0].data)) {
        log_error(LOG_BOOT,
                  "device tree %s is an overlay, it cannot be the first: name the tree that it changes before it",
                  f[0].name);
        return NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        room += room_for(&f[i]);
    }
    void *fdt = malloc(room);
    int err = fdt == NULL ? -FDT_ERR_NOSPACE : fdt_open_into(f[0].data, fdt, (int)room);
    if (err != 0) {
        log_error(LOG_BOOT, "device tree %s: %s", f[0].name, fdt_strerror(err));
        return NULL;
    }
    for (unsigned i = 1; i < count; i++) {
        if (tree_add(fdt, &f[i]) != 0) {
            return NULL;
        }
    }
    (void)fdt_pack(fdt);
    if (device_tree_nodes(fdt) > DEVICE_NODES_MAX) {
        log_error(LOG_BOOT, "the device tree has more than %u nodes: leave out those that the VM does not need",
                  DEVICE_NODES_MAX);
        return NULL;
    }
    const char *wrong = device_tree_check(fdt, fdt_totalsize(fdt));
    if (wrong != NULL) {
        log_error(LOG_BOOT, "the device trees after %s make no good tree together: %s", f[0].name, wrong);
        return NULL;
    }
    return fdt;
}

int device_tree_load(const char *const *names, unsigned count, struct device_tree *t)
{
    struct boot_file f[DEVICE_TREES_MAX] = {0};
    unsigned n = 0;

    *t = (struct device_tree){0};
    while (n < count && n < DEVICE_TREES_MAX && tree_map(names[n], &f[n]) == 0) {
        n++;
    }
    if (n == count) {
        t->base_nodes = device_tree_nodes(f[0].data);
        t->fdt = merge(f, count);
    }
    for (unsigned i = 0; i < DEVICE_TREES_MAX; i++) {
        file_unmap(&f[i]);
    }
    return t->fdt != NULL ? 0 : -1;
}

// SPDX-License-Identifier: MIT
/* Validation of device trees before anything reads them: libfdt's full check, and what uvmm itself relies on. Overlays
 * and merging. */
#include "device_tree.h"

#include <libfdt.h>
#include <limits.h>
#include <string.h>
#include <util/bits.h>

/* Strings that the walk compares must be terminated. */
static const char *check_node(const void *fdt, int node)
{
    static const char *const strings[] = {"compatible", "status", "device_type"};

    for (unsigned i = 0; i < ARRAY_SIZE(strings); i++) {
        int len;
        const char *s = fdt_getprop(fdt, node, strings[i], &len);
        if (s != NULL && (len < 1 || s[len - 1] != '\0')) {
            return "a property that should be a string is not terminated";
        }
    }
    return NULL;
}

static const char *check_children(const void *fdt, int parent)
{
    int node;

    fdt_for_each_subnode(node, fdt, parent)
    {
        const char *err = check_node(fdt, node);
        if (err != NULL) {
            return err;
        }
    }
    return NULL;
}

const char *device_tree_check(const void *fdt, size_t size)
{
    const char *err;

    if (size < sizeof(struct fdt_header) || size > INT_MAX || fdt_magic(fdt) != FDT_MAGIC) {
        return "it is not a device tree blob";
    }
    if (fdt_totalsize(fdt) > size) {
        return "it is truncated";
    }
    /* libfdt's check of older formats reads through a null pointer (found by fuzzing); dtc writes 17. */
    if (fdt_version(fdt) < 17 || fdt_last_comp_version(fdt) > 17) {
        return "its format version is not 17";
    }
    int e = fdt_check_full(fdt, size);
    if (e != 0) {
        return fdt_strerror(e);
    }
    err = check_children(fdt, 0);
    int cpus = fdt_path_offset(fdt, "/cpus");
    return err == NULL && cpus >= 0 ? check_children(fdt, cpus) : err;
}

bool device_tree_enabled(const void *fdt, int node)
{
    const char *status = fdt_getprop(fdt, node, "status", NULL);

    return status == NULL || strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0;
}

static bool is_cpu(const void *fdt, int node)
{
    const char *type = fdt_getprop(fdt, node, "device_type", NULL);

    return type != NULL && strcmp(type, "cpu") == 0;
}

unsigned device_tree_cpus(const void *fdt)
{
    int node, cpus = fdt_path_offset(fdt, "/cpus");
    unsigned n = 0;

    if (cpus >= 0) {
        fdt_for_each_subnode(node, fdt, cpus)
        {
            n += is_cpu(fdt, node) && device_tree_enabled(fdt, node);
        }
    }
    return n > 0 ? n : 1;
}

bool device_tree_is_overlay(const void *fdt)
{
    int node;

    fdt_for_each_subnode(node, fdt, 0)
    {
        if (fdt_subnode_offset(fdt, node, "__overlay__") >= 0) {
            return true;
        }
    }
    return false;
}

static int merge_properties(void *fdt, int at, const void *more, int node)
{
    int prop;

    fdt_for_each_property_offset(prop, more, node)
    {
        const char *name;
        int len;
        const void *value = fdt_getprop_by_offset(more, prop, &name, &len);
        int err = value != NULL ? fdt_setprop(fdt, at, name, value, len) : len;
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

/* libfdt has checked that no tree is deeper than it can walk; ours are bounded for the sake of the stack. */
#define DEPTH_MAX 16u

static int merge_node(void *fdt, int at, const void *more, int node, unsigned depth)
{
    int sub, err = merge_properties(fdt, at, more, node);

    if (err < 0 || depth == DEPTH_MAX) {
        return err < 0 ? err : -FDT_ERR_BADSTRUCTURE;
    }
    fdt_for_each_subnode(sub, more, node)
    {
        const char *name = fdt_get_name(more, sub, NULL);
        int to = name == NULL ? -FDT_ERR_BADSTRUCTURE : fdt_subnode_offset(fdt, at, name);
        if (to == -FDT_ERR_NOTFOUND) {
            to = fdt_add_subnode(fdt, at, name);
        }
        err = to < 0 ? to : merge_node(fdt, to, more, sub, depth + 1);
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

const char *device_tree_add(void *fdt, void *more)
{
    bool overlay = device_tree_is_overlay(more);
    int err = overlay ? fdt_overlay_apply(fdt, more) : merge_node(fdt, 0, more, 0, 0);

    if (err == -FDT_ERR_NOTFOUND && overlay) {
        return "it refers to a node or label that the trees before it do not have: correct its targets (dtc -@ keeps "
               "the labels of a base tree)";
    }
    if (overlay && err < 0) {
        return "its overlay fragments are wrong: each needs a target that is one phandle, or a target-path; let dtc "
               "make "
               "them from \"&label { ... };\"";
    }
    if (err == -FDT_ERR_BADSTRUCTURE) {
        return "its nodes are nested deeper than 16: nothing that uvmm looks at is";
    }
    return err < 0 ? fdt_strerror(err) : NULL;
}

unsigned device_tree_nodes(const void *fdt)
{
    unsigned n = 0;
    int node;

    fdt_for_each_subnode(node, fdt, 0)
    {
        n++;
    }
    return n;
}

unsigned device_tree_order(const struct device_tree *t, int node[DEVICE_NODES_MAX])
{
    unsigned count = device_tree_nodes(t->fdt), added, i = 0;
    int at;

    if (count > DEVICE_NODES_MAX || count < t->base_nodes) {
        return 0;
    }
    added = count - t->base_nodes;
    fdt_for_each_subnode(at, t->fdt, 0)
    {
        node[i < added ? count - 1 - i : i - added] = at;
        i++;
    }
    return count;
}

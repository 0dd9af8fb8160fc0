// SPDX-License-Identifier: MIT
// Validation of the device tree before anything reads it: libfdt's full check, and what uvmm itself relies on.
#include "device_tree.h"

#include <libfdt.h>
#include <limits.h>
#include <stdbool.h>
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

static bool property_is(const void *fdt, int node, const char *name, const char *value)
{
    const char *s = fdt_getprop(fdt, node, name, NULL);

    return s != NULL && strcmp(s, value) == 0;
}

unsigned device_tree_cpus(const void *fdt)
{
    int node, cpus = fdt_path_offset(fdt, "/cpus");
    unsigned n = 0;

    if (cpus >= 0) {
        fdt_for_each_subnode(node, fdt, cpus)
        {
            n += property_is(fdt, node, "device_type", "cpu") && !property_is(fdt, node, "status", "disabled");
        }
    }
    return n > 0 ? n : 1;
}

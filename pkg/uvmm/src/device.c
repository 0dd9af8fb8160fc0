// SPDX-License-Identifier: MIT
// From the device tree to devices: the table of models, and the walk over the root's children.
#include "device.h"
#include "dev/power.h"
#include "dev/rtc.h"
#include "dev/uart.h"
#include "device_tree.h"
#include "log.h"
#include "pci/pci.h"
#include "virtio/virtio.h"

#include <libfdt.h>
#include <sk/env.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* There is no network device yet: a node whose capability is there is an error, not silently nothing. */
static int net_probe(const void *fdt, int node, const char *name)
{
    if (device_node_cap(fdt, node, DEVICE_CAP) == CAP_NULL) {
        return SK_ENODEV;
    }
    log_error(LOG_BOOT, "device tree node %s: network devices are not supported; start the VM without this capability",
              name);
    return SK_ENOSYS;
}
static const struct device_type net_type = {.compatible = "skerry,virtio-net", .probe = net_probe, .needs_cap = true};

static const struct device_type *const types[] = {
    &pci_host_type,
    &virtio_console_type,
    &virtio_console_mmio_type,
    &virtio_blk_type,
    &virtio_blk_mmio_type,
    &virtio_rng_type,
    &virtio_rng_mmio_type,
    &net_type,
    &uart_type,
    &rtc_type,
};
#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))
static bool made[TYPE_COUNT]; /* at least one device of the type exists */

/* Index of the model for a node, TYPE_COUNT if there is none. */
static unsigned type_find(const void *fdt, int node)
{
    unsigned i = 0;

    while (i < TYPE_COUNT && fdt_node_check_compatible(fdt, node, types[i]->compatible) != 0) {
        i++;
    }
    return i;
}

static void present_note(const struct device_type *t)
{
    if (t == &uart_type) {
        power_present_set(POWER_HAS_COM1);
    } else if (t == &rtc_type) {
        power_present_set(POWER_HAS_RTC);
    }
}

/* Nodes that describe no device [DT-0.4 ch. 3], and dtc's own. */
static bool node_is_standard(const char *name)
{
    static const char *const known[] = {"chosen",          "aliases",     "cpus",       "memory",
                                        "reserved-memory", "__symbols__", "__fixups__", "__local_fixups__"};

    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t len = strlen(known[i]);
        if (strncmp(name, known[i], len) == 0 && (name[len] == '\0' || name[len] == '@')) {
            return true;
        }
    }
    return false;
}

static void unknown_report(const void *fdt, int node, const char *name)
{
    const char *compatible = fdt_getprop(fdt, node, "compatible", NULL);
    char known[280] = "";
    size_t n = 0;

    if (node_is_standard(name)) {
        return;
    }
    for (unsigned i = 0; i < TYPE_COUNT && n < sizeof(known); i++) {
        n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", i > 0 ? ", " : "", types[i]->compatible);
    }
    log_warn(LOG_DEV, "device tree node %s (compatible: %.64s) is left out: uvmm knows %s", name,
             compatible != NULL ? compatible : "none", known);
}

/* The name in a property, NULL if there is none. */
static const char *cap_name(const void *fdt, int node, const char *prop)
{
    int len;
    const char *s = fdt_getprop(fdt, node, prop, &len);

    /* A property is bytes: only a terminated string is a name. */
    return s == NULL || len <= 1 || len > SK_NAME_MAX || s[len - 1] != '\0' ? NULL : s;
}

cap_t device_node_cap(const void *fdt, int node, const char *prop)
{
    const char *name = cap_name(fdt, node, prop);

    return name == NULL ? CAP_NULL : sk_env_get(name);
}

/* The enabled node before this one that has the same capability, or -1. */
static int cap_user(const void *fdt, int node)
{
    const char *mine = cap_name(fdt, node, DEVICE_CAP);
    int other;

    fdt_for_each_subnode(other, fdt, 0)
    {
        if (other == node) {
            break;
        }
        const char *its = cap_name(fdt, other, DEVICE_CAP);
        if (its != NULL && device_tree_enabled(fdt, other) && type_find(fdt, other) < TYPE_COUNT &&
            strcmp(its, mine) == 0) {
            return other;
        }
    }
    return -1;
}

static int cap_check(const void *fdt, int node, const char *name)
{
    const char *mine = cap_name(fdt, node, DEVICE_CAP);

    if (mine == NULL) {
        log_error(LOG_BOOT,
                  "device tree node %s: " DEVICE_CAP " must name its capability (a string of 1 to %d characters)", name,
                  SK_NAME_MAX - 1);
        return SK_EINVAL;
    }
    int other = cap_user(fdt, node);
    if (other >= 0) {
        log_error(LOG_BOOT, "device tree node %s: node %s has the capability '%s' already: name another one", name,
                  fdt_get_name(fdt, other, NULL), mine);
        return SK_EEXIST;
    }
    return 0;
}

static int node_probe(const void *fdt, int node)
{
    const char *name = fdt_get_name(fdt, node, NULL);
    unsigned index = type_find(fdt, node);

    if (!device_tree_enabled(fdt, node)) {
        return 0;
    }
    if (index == TYPE_COUNT) {
        unknown_report(fdt, node, name);
        return 0;
    }
    const struct device_type *t = types[index];
    int err = t->needs_cap ? cap_check(fdt, node, name) : 0;
    err = err == 0 ? t->probe(fdt, node, name) : err;
    if (err == SK_ENODEV) {
        log_info(LOG_DEV, "device tree node %s is disabled: what its capability stands for is not there", name);
        return 0;
    }
    if (err != 0) {
        return err;
    }
    log_info(LOG_DEV, "device %s (%s)", name, t->compatible);
    made[index] = true;
    present_note(t);
    return 0;
}

static bool console_made(void)
{
    for (unsigned i = 0; i < TYPE_COUNT; i++) {
        if (made[i] &&
            (types[i] == &uart_type || types[i] == &virtio_console_type || types[i] == &virtio_console_mmio_type)) {
            return true;
        }
    }
    return false;
}

int devices_probe(const struct device_tree *t)
{
    int node[DEVICE_NODES_MAX], err = 0;
    unsigned count = device_tree_order(t, node);

    for (unsigned i = 0; i < count && err == 0; i++) {
        err = node_probe(t->fdt, node[i]);
    }
    if (err == 0 && !console_made()) {
        log_warn(LOG_DEV, "the device tree has no console, so nothing that the guest says is seen: add a node with "
                          "compatible = \"ns16550a\" or \"skerry,virtio-console\"");
    }
    return err;
}

void devices_reset(void)
{
    for (unsigned i = 0; i < TYPE_COUNT; i++) {
        if (made[i] && types[i]->reset != NULL) {
            types[i]->reset();
        }
    }
}

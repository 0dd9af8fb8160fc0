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
#include <string.h>

/* There is no network device yet: a node whose capability is there is an error, not silently nothing. */
static int net_probe(const void *fdt, int node, const char *name)
{
    if (device_node_cap(fdt, node, "skerry,cap") == CAP_NULL) {
        return SK_ENODEV;
    }
    log_error(LOG_BOOT, "device tree node %s: network devices are not supported; start the VM without this capability",
              name);
    return SK_ENOSYS;
}
static const struct device_type net_type = {.compatible = "skerry,virtio-net", .probe = net_probe};

static const struct device_type *const types[] = {
    &pci_host_type, &virtio_console_type, &virtio_blk_type, &net_type, &uart_type, &rtc_type,
};
#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))
static bool made[TYPE_COUNT]; /* at least one device of the type exists */

cap_t device_node_cap(const void *fdt, int node, const char *prop)
{
    int len;
    const char *name = fdt_getprop(fdt, node, prop, &len);

    /* A property is bytes: only a terminated string is a name. */
    if (name == NULL || len <= 1 || len > SK_NAME_MAX || name[len - 1] != '\0') {
        return CAP_NULL;
    }
    return sk_env_get(name);
}

static bool node_enabled(const void *fdt, int node)
{
    const char *status = fdt_getprop(fdt, node, "status", NULL);

    return status == NULL || strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0;
}

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

static int node_probe(const void *fdt, int node)
{
    const char *name = fdt_get_name(fdt, node, NULL);
    unsigned index = type_find(fdt, node);
    const struct device_type *t = index < TYPE_COUNT ? types[index] : NULL;
    int err;

    if (!node_enabled(fdt, node)) {
        return 0;
    }
    if (t == NULL) {
        if (fdt_getprop(fdt, node, "compatible", NULL) != NULL) {
            log_info(LOG_DEV, "device tree node %s: no model for it, left out", name);
        }
        return 0;
    }
    err = t->probe(fdt, node, name);
    if (err == SK_ENODEV) {
        log_info(LOG_DEV, "device tree node %s: its capability is not there, disabled", name);
        return 0;
    }
    if (err != 0) {
        log_error(LOG_BOOT, "device tree node %s: cannot make the device: %s", name, sk_strerror(err));
        return err;
    }
    log_info(LOG_DEV, "device %s (%s)", name, t->compatible);
    made[index] = true;
    present_note(t);
    return 0;
}

int devices_probe(const void *fdt)
{
    int node, err;

    fdt_for_each_subnode(node, fdt, 0)
    {
        err = node_probe(fdt, node);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

void devices_reset(void)
{
    for (unsigned i = 0; i < TYPE_COUNT; i++) {
        if (made[i] && types[i]->reset != NULL) {
            types[i]->reset();
        }
    }
}

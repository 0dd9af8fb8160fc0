// SPDX-License-Identifier: MIT
// Arguments of dynamic clients: see factory.h.
#include "factory.h"

#include <stdio.h>
#include <string.h>
#include <virtio/gmem.h>

static const char *behind(const char *text, const char *key)
{
    size_t len = strlen(key);

    return strncmp(text, key, len) == 0 ? text + len : NULL;
}

const char *factory_arg(struct client_options *o, const char *text)
{
    const char *device = behind(text, "device="), *ds_max = behind(text, "ds-max=");
    char name[16];
    const char *value = strchr(text, '=');
    bool known = false;

    if (value && (size_t)(value - text) < sizeof(name)) {
        (void)snprintf(name, sizeof(name), "%.*s", (int)(value - text), text);
        const char *why = options_limit(&o->limit, name, value + 1, &known);

        if (known) {
            return why;
        }
    }
    if (strcmp(text, "read-only") == 0) {
        o->readonly = true;
        return NULL;
    }
    if (strcmp(text, "packed") == 0) {
        o->packed = true;
        return NULL;
    }
    if (device) {
        if (o->device || *device == 0) {
            return "exactly one device is needed";
        }
        o->device = device;
        return NULL;
    }
    if (!ds_max) {
        return "known are device=DISK, ds-max=N, read-only, packed, max-iops=N, max-mbps=N and burst=MS";
    }
    return limit_parse(ds_max, GMEM_MAX_REGIONS, &o->ds_max) ? NULL : "ds-max is a number from 1 to 16";
}
_Static_assert(GMEM_MAX_REGIONS == 16, "the message above says so");

// SPDX-License-Identifier: MIT
// rom/: the boot modules by their base names [proto/rom.h]. One stateless session for everybody.
#include "moe.h"

#include <proto/rom.h>
#include <string.h>

#define NAME_MAX_BYTES 256

static struct server_source source;

static uint32_t count(void)
{
    return boot->module_count < BOOT_MAX_MODULES ? boot->module_count : BOOT_MAX_MODULES;
}

const char *rom_name(unsigned i)
{
    const char *path = boot->strings + boot->module[i].name;
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

const struct boot_module *rom_find(const char *name)
{
    for (uint32_t i = 0; i < count(); i++) {
        if (strcmp(rom_name(i), name) == 0) {
            return &boot->module[i];
        }
    }
    return NULL;
}

static int64_t do_open(struct msg *request, struct msg *reply)
{
    char name[NAME_MAX_BYTES];

    msg_get_str(request, name, sizeof(name));
    int64_t err = msg_end(request);
    if (err < 0) {
        return err;
    }
    const struct boot_module *m = rom_find(name);
    if (!m) {
        return SK_ENOENT;
    }
    msg_begin(reply, SK_OK);
    msg_put(reply, m->size);
    msg_put_cap(reply, m->cap, RIGHT_R);
    return SK_OK;
}

static int64_t do_entry(struct msg *request, struct msg *reply)
{
    uint64_t i = msg_get(request);
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    if (i >= count()) {
        return SK_ENOENT;
    }
    msg_begin(reply, SK_OK);
    msg_put(reply, boot->module[i].size);
    msg_put_str(reply, rom_name((unsigned)i));
    return SK_OK;
}

static int64_t handle(void *ctx, struct msg *request, struct msg *reply)
{
    (void)ctx;
    switch (request->op) {
    case PROTO_ID:
        return PROTO_ROM;
    case ROM_OPEN:
        return do_open(request, reply);
    case ROM_ENTRY:
        return do_entry(request, reply);
    default:
        return SK_ENOSYS;
    }
}

void rom_init(void)
{
    int64_t err = server_gate(&source, CAP_NULL, handle, NULL, NULL, 0);

    if (err < 0) {
        moe_log("cannot serve rom/: error %ld", err);
    }
}

cap_t rom_gate(void)
{
    return source.cap;
}

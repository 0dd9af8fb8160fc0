// SPDX-License-Identifier: MIT
/* The C side of the vbus language (io.lua): matching devices and defining buses. Functions return nil and a reason on
 * failure; io.lua turns that into an error at the file's line. Devices are indices into the machine's list. */
#include "config.h"
#include "log.h"
#include "match.h"

#include <stdio.h>
#include <string.h>

extern const char io_config_lua[], io_config_lua_end[];

static struct config *self(lua_State *l)
{
    return lua_touserdata(l, lua_upvalueindex(1));
}

static int fail(lua_State *l, const char *reason)
{
    lua_pushnil(l);
    lua_pushstring(l, reason);
    return 2;
}

/* match(expression): { index, ... } */
static int config_match(lua_State *l)
{
    const struct pci *pci = self(l)->set->pci;
    struct pci_match m;
    char err[384];
    lua_Integer n = 0;

    if (!pci_match_parse(luaL_checkstring(l, 1), &m, err, sizeof err)) {
        return fail(l, err);
    }
    lua_newtable(l);
    for (unsigned i = 0; i < pci->count; i++) {
        if (pci_match_test(&m, &pci->dev[i])) {
            lua_pushinteger(l, i);
            lua_rawseti(l, -2, ++n);
        }
    }
    return 1;
}

/* devices(): "00:01.1 8086:7010 class 010180, ..." */
static int config_devices(lua_State *l)
{
    const struct pci *pci = self(l)->set->pci;
    char name[PCI_NAME_LEN], text[64];
    luaL_Buffer b;
    bool first = true;

    luaL_buffinit(l, &b);
    for (unsigned i = 0; i < pci->count; i++) {
        const struct pci_dev *d = &pci->dev[i];
        if (!d->is_bridge) {
            snprintf(text, sizeof text, "%s%s %04x:%04x class %06x", first ? "" : ", ", pci_addr_name(d->addr, name),
                     d->vendor, d->device, d->class_code);
            luaL_addstring(&b, text);
            first = false;
        }
    }
    luaL_pushresult(&b);
    return 1;
}

/* add(bus name, number of MSIs) */
static int config_add(lua_State *l)
{
    struct config *c = self(l);
    char err[256];

    if (vbus_add(c->set, luaL_checkstring(l, 1), c->file, (unsigned)luaL_checkinteger(l, 2), err, sizeof err) == NULL) {
        return fail(l, err);
    }
    lua_pushboolean(l, 1);
    return 1;
}

/* add_device(bus name, device, name) */
static int config_add_device(lua_State *l)
{
    struct config *c = self(l);
    struct vbus *bus = vbus_find(c->set, luaL_checkstring(l, 1));
    lua_Integer i = luaL_checkinteger(l, 2);
    char err[256];

    luaL_argcheck(l, bus != NULL, 1, "no such vbus");
    luaL_argcheck(l, i >= 0 && i < c->set->pci->count, 2, "no such device");
    if (!vbus_add_device(c->set, bus, &c->set->pci->dev[i], luaL_checkstring(l, 3), err, sizeof err)) {
        return fail(l, err);
    }
    lua_pushboolean(l, 1);
    return 1;
}

static int config_warn(lua_State *l)
{
    io_log(IO_WARN, "%s", luaL_checkstring(l, 1));
    return 0;
}

static int config_info(lua_State *l)
{
    io_log(IO_INFO, "%s", luaL_checkstring(l, 1));
    return 0;
}

static int push_functions(lua_State *l)
{
    static const luaL_Reg functions[] = {
        {"match", config_match}, {"devices", config_devices}, {"add", config_add}, {"add_device", config_add_device},
        {"warn", config_warn},   {"info", config_info},       {NULL, NULL},
    };

    luaL_newlibtable(l, functions);
    lua_pushvalue(l, 1);
    luaL_setfuncs(l, functions, 1);
    return 1;
}

bool config_open(struct config *c, struct vbus_set *set, struct luax_error *err)
{
    *c = (struct config){.set = set, .file = "", .lua = luax_new()};
    if (c->lua == NULL) {
        snprintf(err->line, sizeof err->line, "cannot set up Lua: out of memory");
        return false;
    }
    lua_pushcfunction(c->lua, push_functions);
    lua_pushlightuserdata(c->lua, c);
    size_t len = (size_t)(io_config_lua_end - io_config_lua);
    if (luax_call(c->lua, 1, 1, err) && luax_run_chunk(c->lua, "Io", io_config_lua, len, 1, 0, err)) {
        return true;
    }
    config_close(c);
    return false;
}

/* Remembers name; false if it was there. */
static bool begin_file(struct config *c, const char *name)
{
    for (unsigned i = 0; i < c->file_count; i++) {
        if (strcmp(c->files[i], name) == 0) {
            io_log(IO_INFO, "%s is given again; nothing to do", name);
            return false;
        }
    }
    if (c->file_count < CONFIG_FILES_MAX) {
        c->files[c->file_count++] = name;
    }
    c->file = name;
    return true;
}

bool config_read(struct config *c, const char *path, struct luax_error *err)
{
    return !begin_file(c, path) || luax_run_file(c->lua, path, err);
}

bool config_read_text(struct config *c, const char *name, const char *text, size_t len, struct luax_error *err)
{
    return !begin_file(c, name) || luax_run_chunk(c->lua, name, text, len, 0, 0, err);
}

void config_close(struct config *c)
{
    lua_close(c->lua);
    c->lua = NULL;
}

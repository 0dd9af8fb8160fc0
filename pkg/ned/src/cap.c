// SPDX-License-Identifier: MIT
// Capabilities as Lua userdata: dropped by the garbage collector, by `local x <close>`, or by :drop().
#include "ned.h"

static const char cap_type[] = "L4.Cap";

static int cap_gc(lua_State *l)
{
    struct ned_cap *c = luaL_checkudata(l, 1, cap_type);

    if (c->cap != CAP_NULL) {
        os_cap_drop(c->cap);
        c->cap = CAP_NULL;
    }
    return 0;
}

static int cap_tostring(lua_State *l)
{
    const struct ned_cap *c = luaL_checkudata(l, 1, cap_type);

    lua_pushfstring(l, "capability %d", (int)c->cap);
    return 1;
}

void ned_cap_register(lua_State *l)
{
    luaL_newmetatable(l, cap_type);
    lua_pushcfunction(l, cap_gc);
    lua_setfield(l, -2, "__gc");
    lua_pushcfunction(l, cap_gc);
    lua_setfield(l, -2, "__close");
    lua_pushcfunction(l, cap_tostring);
    lua_setfield(l, -2, "__tostring");
    lua_newtable(l); /* methods: filled by L4.lua */
    lua_setfield(l, -2, "__index");
    lua_pop(l, 1);
}

struct ned_cap *ned_cap_push(lua_State *l, cap_t cap, uint32_t pass)
{
    struct ned_cap *c = lua_newuserdatauv(l, sizeof *c, 0);

    c->cap = cap;
    c->pass = pass;
    luaL_setmetatable(l, cap_type);
    return c;
}

struct ned_cap *ned_cap_check(lua_State *l, int arg)
{
    struct ned_cap *c = luaL_checkudata(l, arg, cap_type);

    luaL_argcheck(l, c->cap != CAP_NULL, arg, "the capability has been dropped");
    return c;
}

int ned_fail(lua_State *l, int64_t err)
{
    lua_pushnil(l);
    lua_pushstring(l, os_strerror(err));
    lua_pushinteger(l, err);
    return 3;
}

int ned_cap_result(lua_State *l, int64_t result, uint32_t pass)
{
    if (result < 0) {
        return ned_fail(l, result);
    }
    ned_cap_push(l, (cap_t)result, pass);
    return 1;
}

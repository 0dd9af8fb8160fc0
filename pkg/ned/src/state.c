// SPDX-License-Identifier: MIT
// A Lua state as scripts see it: standard libraries and `require "L4"`.
#include "ned.h"

#include <stdio.h>

static int setup(lua_State *l)
{
    ned_cap_register(l);
    ned_os_push(l);
    return 1;
}

lua_State *ned_state_new(unsigned verbose, struct luax_error *err)
{
    lua_State *l = luax_new();

    if (l == NULL) {
        snprintf(err->line, sizeof err->line, "cannot set up Lua: out of memory");
        err->trace[0] = 0;
        return NULL;
    }
    lua_pushcfunction(l, setup);
    if (luax_call(l, 0, 1, err)) {
        lua_pushinteger(l, verbose);
        if (luax_run_chunk(l, "L4", ned_l4_lua, (size_t)(ned_l4_lua_end - ned_l4_lua), 2, 0, err)) {
            return l;
        }
    }
    lua_close(l);
    return NULL;
}

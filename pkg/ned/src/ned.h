// SPDX-License-Identifier: MIT
/* ned's parts in C: capabilities as Lua userdata, the primitive functions under the built-in L4 package (L4.lua), and
 * handlers for programs that end.
 *
 * Primitives return nil, "reason" on failure: L4.lua turns that into an error at the script's line. */
#pragma once

#include "os.h"

#include <luax/luax.h>

/* A capability in Lua. `pass` limits the rights that a program gets when the capability is put into its caps. */
struct ned_cap {
    cap_t cap; /* CAP_NULL after drop */
    uint32_t pass;
};

/* Creates the metatable; call once per state, before the others. */
void ned_cap_register(lua_State *l);
/* Pushes a userdata that owns cap. */
struct ned_cap *ned_cap_push(lua_State *l, cap_t cap, uint32_t pass);
/* The argument as a live capability, or an argument error. */
struct ned_cap *ned_cap_check(lua_State *l, int arg);
/* Pushes nil and the reason; for `return`. */
int ned_fail(lua_State *l, int64_t err);
/* Pushes the capability that an os_ function returned, or nil and the reason. */
int ned_cap_result(lua_State *l, int64_t result, uint32_t pass);

/* Pushes the table of primitives (with the capability methods in field "cap"). */
void ned_os_push(lua_State *l);

/* wait(program), on_exit(program, function): entries of that table. */
int ned_watch_wait(lua_State *l);
int ned_watch_on_exit(lua_State *l);
/* Handlers that have not run yet. While there are any, the state must stay open. */
unsigned ned_watch_pending(void);

/* L4.lua, built in. */
extern const char ned_l4_lua[], ned_l4_lua_end[];
/* A state with the L4 package in package.preload; NULL and err->line on failure. verbose: -v given. */
lua_State *ned_state_new(unsigned verbose, struct luax_error *err);

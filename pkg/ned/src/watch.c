// SPDX-License-Identifier: MIT
/* Programs that end: waiting for one, and Lua handlers that the event loop calls.
 *
 * A handler holds its function and its program's capability in the registry (so neither is collected) until it has
 * run. Handlers of a program that has ended already run at the next event. */
#include "ned.h"

#include <proto/prog.h>
#include <stdio.h>
#include <stdlib.h>

struct handler {
    lua_State *l;
    struct os_watch *watch;
    int function_ref, program_ref;
};

static unsigned pending;

unsigned ned_watch_pending(void)
{
    return pending;
}

static void set_flag(void *ctx)
{
    *(bool *)ctx = true;
}

/* wait(program): state is no longer "running"; returns nothing, or nil and the reason. */
int ned_watch_wait(lua_State *l)
{
    cap_t program = ned_cap_check(l, 1)->cap;
    struct os_program_status s;
    bool ended = false;
    int64_t err;
    struct os_watch *w = os_watch_begin(program, set_flag, &ended, &err);

    if (w == NULL) {
        return ned_fail(l, err);
    }
    /* The signal is bound before the status is read, so that an end in between is not missed. */
    while ((err = os_program_status(program, &s)) == SK_OK && s.state == PROG_RUNNING) {
        os_event();
    }
    os_watch_end(w);
    if (err < 0) {
        return ned_fail(l, err);
    }
    lua_pushboolean(l, 1);
    return 1;
}

static void handler_free(struct handler *h)
{
    luaL_unref(h->l, LUA_REGISTRYINDEX, h->function_ref);
    luaL_unref(h->l, LUA_REGISTRYINDEX, h->program_ref);
    os_watch_end(h->watch);
    free(h);
    pending--;
}

static void handler_run(void *ctx)
{
    struct handler *h = ctx;
    lua_State *l = h->l;
    struct luax_error err;
    struct os_program_status s = {0};

    lua_rawgeti(l, LUA_REGISTRYINDEX, h->program_ref);
    if (os_program_status(((struct ned_cap *)lua_touserdata(l, -1))->cap, &s) < 0) {
        snprintf(s.reason, sizeof s.reason, "its state is unknown");
    }
    lua_pop(l, 1);
    lua_rawgeti(l, LUA_REGISTRYINDEX, h->function_ref);
    handler_free(h);
    lua_pushinteger(l, s.exit_code);
    lua_pushstring(l, s.reason);
    if (!luax_call(l, 2, 0, &err)) {
        fprintf(stderr, "ned: %s (in an exit handler)\n", err.line);
    }
}

/* on_exit(program, function(exit code, reason)) */
int ned_watch_on_exit(lua_State *l)
{
    cap_t program = ned_cap_check(l, 1)->cap;
    int64_t err = SK_ENOMEM;

    luaL_checktype(l, 2, LUA_TFUNCTION);
    struct handler *h = calloc(1, sizeof *h);
    if (h == NULL || (h->watch = os_watch_begin(program, handler_run, h, &err)) == NULL) {
        free(h);
        return ned_fail(l, err);
    }
    lua_rawgeti(l, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    h->l = lua_tothread(l, -1);
    lua_pop(l, 1);
    lua_pushvalue(l, 2);
    h->function_ref = luaL_ref(l, LUA_REGISTRYINDEX);
    lua_pushvalue(l, 1);
    h->program_ref = luaL_ref(l, LUA_REGISTRYINDEX);
    pending++;
    lua_pushboolean(l, 1);
    return 1;
}

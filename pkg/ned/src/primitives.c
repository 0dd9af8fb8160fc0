// SPDX-License-Identifier: MIT
// The functions under L4.lua: os.h for Lua, one to one. See ned.h for how they fail.
#include "ned.h"

#include <proto/prog.h>
#include <stdlib.h>

static int status_result(lua_State *l, int64_t err)
{
    if (err < 0) {
        return ned_fail(l, err);
    }
    lua_pushboolean(l, 1);
    return 1;
}

/* env(): { name = capability } */
static int prim_env(lua_State *l)
{
    const char *name;
    cap_t cap;

    lua_newtable(l);
    for (unsigned i = 0; os_env_at(i, &name, &cap); i++) {
        /* A copy: the garbage collector must not take ned's own capability away. */
        int64_t copy = os_cap_copy(cap, RIGHT_ALL);
        if (copy > 0) {
            ned_cap_push(l, (cap_t)copy, RIGHT_ALL);
            lua_setfield(l, -2, name);
        }
    }
    return 1;
}

/* info(cap): type, rights */
static int prim_info(lua_State *l)
{
    static const char *const names[OBJ_TYPE_COUNT] = {
        "none", "quota",  "memory", "task",   "guest",  "dma",     "thread",  "vcpu",
        "gate", "signal", "irqctl", "dmactl", "ioport", "console", "machine",
    };
    unsigned type;
    uint32_t rights;
    int64_t err = os_cap_info(ned_cap_check(l, 1)->cap, &type, &rights);

    if (err < 0) {
        return ned_fail(l, err);
    }
    lua_pushstring(l, type < OBJ_TYPE_COUNT ? names[type] : "unknown");
    lua_pushinteger(l, rights);
    return 2;
}

/* copy(cap, rights, pass) */
static int prim_copy(lua_State *l)
{
    const struct ned_cap *c = ned_cap_check(l, 1);
    uint32_t rights = (uint32_t)luaL_checkinteger(l, 2);

    return ned_cap_result(l, os_cap_copy(c->cap, rights), (uint32_t)luaL_optinteger(l, 3, RIGHT_ALL));
}

static int prim_gate(lua_State *l)
{
    return ned_cap_result(l, os_gate_create(), RIGHT_CALL);
}

static int prim_mem_alloc(lua_State *l)
{
    const struct ned_cap *c = ned_cap_check(l, 1);
    lua_Integer size = luaL_checkinteger(l, 2), align = luaL_checkinteger(l, 3), flags = luaL_checkinteger(l, 4);

    return ned_cap_result(l, os_mem_alloc(c->cap, (uint64_t)size, (uint64_t)align, (uint32_t)flags), RIGHT_ALL);
}

static int prim_mem_sub(lua_State *l)
{
    const struct ned_cap *c = ned_cap_check(l, 1);

    return ned_cap_result(l, os_mem_sub(c->cap, (uint64_t)luaL_checkinteger(l, 2)), RIGHT_ALL);
}

/* mem_stat(cap): allowed, used, free */
static int prim_mem_stat(lua_State *l)
{
    uint64_t allowed, used, free_bytes;
    int64_t err = os_mem_stat(ned_cap_check(l, 1)->cap, &allowed, &used, &free_bytes);

    if (err < 0) {
        return ned_fail(l, err);
    }
    lua_pushinteger(l, (lua_Integer)allowed);
    lua_pushinteger(l, (lua_Integer)used);
    lua_pushinteger(l, (lua_Integer)free_bytes);
    return 3;
}

/* block(server, argument...) */
static int prim_block(lua_State *l)
{
    const struct ned_cap *c = ned_cap_check(l, 1);
    const char *args[8];
    int count = lua_gettop(l) - 1;

    luaL_argcheck(l, count <= (int)(sizeof args / sizeof args[0]), 2, "more than 8 arguments");
    for (int i = 0; i < count; i++) {
        args[i] = luaL_checkstring(l, i + 2);
    }
    return ned_cap_result(l, os_block_create(c->cap, args, (unsigned)count), RIGHT_CALL);
}

/* control(server, line): text, understood */
static int prim_control(lua_State *l)
{
    const struct ned_cap *c = ned_cap_check(l, 1);
    bool understood = false;
    size_t len;
    char *text;
    int64_t err = os_control(c->cap, luaL_checkstring(l, 2), &text, &len, &understood);

    if (err < 0) {
        free(text);
        return ned_fail(l, err);
    }
    lua_pushlstring(l, text ? text : "", len);
    free(text);
    lua_pushboolean(l, understood);
    return 2;
}

static int prim_log(lua_State *l)
{
    const struct ned_cap *c = ned_cap_check(l, 1);

    return ned_cap_result(l, os_log_create(c->cap, luaL_checkstring(l, 2), luaL_checkstring(l, 3)), RIGHT_ALL);
}

static int prim_console(lua_State *l)
{
    const struct ned_cap *c = ned_cap_check(l, 1);

    return ned_cap_result(l, os_console_create(c->cap, luaL_checkstring(l, 2), luaL_checkstring(l, 3)), RIGHT_ALL);
}

/* create(loader, path, kernel memory, priority, processors, log, mem) */
static int prim_create(lua_State *l)
{
    const struct ned_cap *loader = ned_cap_check(l, 1), *log = ned_cap_check(l, 6), *mem = ned_cap_check(l, 7);
    uint64_t kmem = (uint64_t)luaL_checkinteger(l, 3);
    unsigned priority = (unsigned)luaL_checkinteger(l, 4);
    uint64_t cpus = (uint64_t)luaL_checkinteger(l, 5);
    const char *path = luaL_checkstring(l, 2);

    return ned_cap_result(l, os_program_create(loader->cap, path, kmem, priority, cpus, log->cap, mem->cap), RIGHT_ALL);
}

static int prim_arg(lua_State *l)
{
    return status_result(l, os_program_arg(ned_cap_check(l, 1)->cap, luaL_checkstring(l, 2)));
}

static int prim_setenv(lua_State *l)
{
    return status_result(l, os_program_env(ned_cap_check(l, 1)->cap, luaL_checkstring(l, 2)));
}

/* give(program, name, cap) */
static int prim_give(lua_State *l)
{
    const struct ned_cap *program = ned_cap_check(l, 1), *cap = ned_cap_check(l, 3);

    return status_result(l, os_program_cap(program->cap, luaL_checkstring(l, 2), cap->cap, cap->pass));
}

static int prim_start(lua_State *l)
{
    return status_result(l, os_program_start(ned_cap_check(l, 1)->cap));
}
static int prim_kill(lua_State *l)
{
    return status_result(l, os_program_kill(ned_cap_check(l, 1)->cap));
}

/* stop(program, milliseconds) */
static int prim_stop(lua_State *l)
{
    return status_result(l, os_program_stop(ned_cap_check(l, 1)->cap, (uint64_t)luaL_checkinteger(l, 2)));
}
static int prim_reset(lua_State *l)
{
    return status_result(l, os_machine_end(lua_toboolean(l, 1)));
}

/* status(program): state name, exit code, reason */
static int prim_status(lua_State *l)
{
    static const char *const names[] = {[PROG_NEW] = "new",
                                        [PROG_RUNNING] = "running",
                                        [PROG_EXITED] = "exited",
                                        [PROG_FAULTED] = "faulted",
                                        [PROG_KILLED] = "killed"};
    struct os_program_status s;
    int64_t err = os_program_status(ned_cap_check(l, 1)->cap, &s);

    if (err < 0) {
        return ned_fail(l, err);
    }
    lua_pushstring(l, s.state < sizeof names / sizeof names[0] ? names[s.state] : "unknown");
    lua_pushinteger(l, s.exit_code);
    lua_pushstring(l, s.reason);
    return 3;
}

static int prim_drop(lua_State *l)
{
    struct ned_cap *c = ned_cap_check(l, 1);

    os_cap_drop(c->cap);
    c->cap = CAP_NULL;
    return 0;
}

static int prim_version(lua_State *l)
{
    lua_pushstring(l, os_version());
    lua_pushinteger(l, os_cpus());
    return 2;
}

void ned_os_push(lua_State *l)
{
    static const luaL_Reg functions[] = {
        {"env", prim_env},
        {"info", prim_info},
        {"copy", prim_copy},
        {"gate", prim_gate},
        {"mem_alloc", prim_mem_alloc},
        {"mem_sub", prim_mem_sub},
        {"mem_stat", prim_mem_stat},
        {"log", prim_log},
        {"block", prim_block},
        {"console", prim_console},
        {"control", prim_control},
        {"create", prim_create},
        {"arg", prim_arg},
        {"setenv", prim_setenv},
        {"give", prim_give},
        {"start", prim_start},
        {"kill", prim_kill},
        {"stop", prim_stop},
        {"reset", prim_reset},
        {"status", prim_status},
        {"drop", prim_drop},
        {"version", prim_version},
        {"wait", ned_watch_wait},
        {"on_exit", ned_watch_on_exit},
        {NULL, NULL},
    };

    luaL_newlib(l, functions);
    luaL_getmetatable(l, "L4.Cap");
    lua_getfield(l, -1, "__index");
    lua_setfield(l, -3, "cap");
    lua_pop(l, 1);
}

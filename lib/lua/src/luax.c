// SPDX-License-Identifier: MIT
// Lua for servers: see luax/luax.h.
#include <luax/luax.h>
#include <stdio.h>
#include <string.h>

/* Message handler: turns any error value into "message", "traceback" in a table, because the stack is gone later. */
static int traceback(lua_State *l)
{
    const char *text = luaL_tolstring(l, 1, NULL);

    lua_createtable(l, 2, 0);
    lua_pushstring(l, text);
    lua_rawseti(l, -2, 1);
    luaL_traceback(l, l, NULL, 1);
    lua_rawseti(l, -2, 2);
    return 1;
}

/* Copies text as one line: control characters become blanks. */
static void copy_line(char *to, size_t size, const char *text)
{
    size_t n = strnlen(text, size - 1);

    for (size_t i = 0; i < n; i++) {
        to[i] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
    }
    to[n] = 0;
}

/* Takes the error value from the stack. */
static void take_error(lua_State *l, struct luax_error *err)
{
    err->trace[0] = 0;
    if (lua_istable(l, -1) && lua_rawgeti(l, -1, 1) == LUA_TSTRING) {
        copy_line(err->line, sizeof err->line, lua_tostring(l, -1));
        lua_rawgeti(l, -2, 2);
        snprintf(err->trace, sizeof err->trace, "%s", lua_tostring(l, -1));
        lua_pop(l, 3);
    } else {
        /* The interpreter itself failed: memory, or an error in the handler. */
        copy_line(err->line, sizeof err->line, lua_isstring(l, -1) ? lua_tostring(l, -1) : "unknown error");
        lua_pop(l, 1);
    }
}

static int open_libs(lua_State *l)
{
    luaL_openlibs(l);
    return 0;
}

lua_State *luax_new(void)
{
    lua_State *l = luaL_newstate();

    if (l == NULL) {
        return NULL;
    }
    lua_pushcfunction(l, open_libs);
    if (lua_pcall(l, 0, 0, 0) != LUA_OK) {
        lua_close(l);
        return NULL;
    }
    return l;
}

bool luax_call(lua_State *l, int nargs, int nresults, struct luax_error *err)
{
    int handler = lua_gettop(l) - nargs;

    lua_pushcfunction(l, traceback);
    lua_insert(l, handler);
    if (lua_pcall(l, nargs, nresults, handler) != LUA_OK) {
        take_error(l, err);
        lua_remove(l, handler);
        return false;
    }
    lua_remove(l, handler);
    return true;
}

bool luax_run_chunk(lua_State *l, const char *name, const char *text, size_t len, int nargs, int nresults,
                    struct luax_error *err)
{
    char chunk[64];

    snprintf(chunk, sizeof chunk, "=%s", name);
    if (luaL_loadbufferx(l, text, len, chunk, "t") != LUA_OK) {
        take_error(l, err);
        lua_pop(l, nargs);
        return false;
    }
    lua_insert(l, -nargs - 1);
    return luax_call(l, nargs, nresults, err);
}

bool luax_run_file(lua_State *l, const char *path, struct luax_error *err)
{
    int result = luaL_loadfilex(l, path, "t");

    if (result != LUA_OK) {
        take_error(l, err);
        if (result == LUA_ERRFILE && strncmp(path, "rom/", 4) == 0) {
            size_t used = strlen(err->line);
            snprintf(err->line + used, sizeof err->line - used, " (is 'module %s' in the entry of modules.list?)",
                     path + 4);
        }
        return false;
    }
    return luax_call(l, 0, 0, err);
}

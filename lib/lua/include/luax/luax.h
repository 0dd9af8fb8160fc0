// SPDX-License-Identifier: MIT
/* Lua for servers: a state, built-in chunks, scripts with one-line errors.
 *
 * All functions report failures as text: `file:line: cause`, in a buffer of the caller, and the traceback in another
 * one for those who ask for more. Nothing here calls exit or leaves a Lua error unprotected. */
#pragma once

#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>
#include <lua5.4/lualib.h>
#include <stdbool.h>
#include <stddef.h>

struct luax_error {
    char line[512];   /* one line, no newline */
    char trace[2048]; /* traceback, several lines, or "" */
};

/* A state with all standard libraries; NULL when memory is short. */
lua_State *luax_new(void);

/* Runs a chunk of the program's own, called `name` in messages ("=name"), with the nargs values on top of the stack as
 * its arguments (they are taken), and leaves nresults results. false: err is set, and nothing is left. */
__attribute__((warn_unused_result)) bool luax_run_chunk(lua_State *l, const char *name, const char *text, size_t len,
                                                        int nargs, int nresults, struct luax_error *err);

/* Runs a script file. */
__attribute__((warn_unused_result)) bool luax_run_file(lua_State *l, const char *path, struct luax_error *err);

/* Calls the function below nargs arguments on the stack; as luax_run_chunk. */
__attribute__((warn_unused_result)) bool luax_call(lua_State *l, int nargs, int nresults, struct luax_error *err);

// SPDX-License-Identifier: MIT
// The vbus language: runs configuration files, which fill a set of virtual buses.
#pragma once

#include "vbus.h"

#include <luax/luax.h>

#define CONFIG_FILES_MAX 64

struct config {
    struct vbus_set *set;
    const char *file; /* being read */
    unsigned file_count;
    const char *files[CONFIG_FILES_MAX]; /* that were read, with or without success */
    lua_State *lua;
};

/* False, with the reason in err. set must outlive the configuration. */
bool config_open(struct config *c, struct vbus_set *set, struct luax_error *err);
/* Runs one file; path must live as long as c. A file that has been read already is left alone. An error leaves the
 * buses that the file had defined before it. */
bool config_read(struct config *c, const char *path, struct luax_error *err);
/* The same from memory, for tests. */
bool config_read_text(struct config *c, const char *name, const char *text, size_t len, struct luax_error *err);
void config_close(struct config *c);

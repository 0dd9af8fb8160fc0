// SPDX-License-Identifier: MIT
// Between the multiplexer and its menu.
#pragma once

#include "mux.h"

struct mux {
    const struct mux_ops *ops;
    struct mux_console *first, *connected; /* connected: never an ended one */
    unsigned count;
    const char *auto_connect;
    struct logline_console terminal;
    char key;
    bool hinted; /* that nobody is connected was said */
};
extern struct mux mux;

void mux_write(const char *data, size_t len); /* to the terminal, as it is */
void mux_show(const char *text);
/* NULL: nobody. Says so, and shows the incomplete line. */
void mux_connect(struct mux_console *c);
/* The connected console's incomplete line: the terminal is its own again. */
void mux_resume(void);
/* By name, or by the beginning of a name that only one has. */
struct mux_console *mux_find(const char *name);
/* The last lines of c's scroll-back, without control characters. */
void mux_tail(const struct mux_console *c, unsigned lines);
/* A byte for the connected console. */
void mux_type(char c);

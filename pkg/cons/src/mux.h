// SPDX-License-Identifier: MIT
/* Many consoles on one terminal. Pure: the terminal and the clients are functions of the user's.
 *
 * At most one console is connected: what it writes passes at once and as it is, and what is typed goes to it. The
 * others' output appears in whole lines with tag and colour [logline/logline.h], unless they are hidden. Everything
 * that a console writes also goes to its scroll-back, a bounded ring.
 *
 * The key opens the menu (menu.h), which takes the input until it is left. While it is open, nothing passes raw: the
 * connected console's lines are tagged, too, and the menu's line is drawn again below each. Who is connected (again) is
 * shown its incomplete line, a shell's prompt for example.
 *
 * One terminal per program: the state is static, and mux_init() begins anew. */
#pragma once

#include "ring.h"

#include <logline/logline.h>

#define MUX_NAME 32 /* with the terminating NUL */
#define MUX_CONSOLES 64
#define MUX_SCROLLBACK 16384u
#define MUX_INPUT 1024u

struct mux_console {
    struct mux_console *next; /* in the order of their making */
    char name[MUX_NAME];
    bool hidden, ended;
    struct logline line; /* output that is not connected */
    struct ring back, input;
    void *client; /* the user's */
    char back_data[MUX_SCROLLBACK], input_data[MUX_INPUT];
};

struct mux_ops {
    void (*write)(const char *data, size_t len); /* to the terminal */
    void (*input_ready)(struct mux_console *c);  /* c has input to read */
};

/* key: the menu's control character. auto_connect: the name of the console that is connected when it is made, or NULL.
 * The strings stay the caller's and must stay valid. */
void mux_init(const struct mux_ops *ops, char key, const char *auto_connect);
/* name: unprintable characters and blanks are replaced; if a live console has it, a number is appended. An ended
 * console of that name goes away, and when there are too many, the oldest ended one does. NULL: no memory, or too many.
 */
struct mux_console *mux_add(const char *name, const char *colour);
/* The client is gone: c stays in the list for its scroll-back; `client` is not used any more. */
void mux_end(struct mux_console *c);

void mux_output(struct mux_console *c, const char *data, size_t len);
void mux_flush(struct mux_console *c);
/* What was typed at the terminal. */
void mux_input(const char *data, size_t len);
/* Input for c: the number of bytes taken. */
size_t mux_read(struct mux_console *c, char *buf, size_t max);
/* A line of the server's own. */
__attribute__((format(printf, 1, 2))) void mux_say(const char *format, ...);

// SPDX-License-Identifier: MIT
/* How the logs of many programs share one console. Pure: output goes through a function.
 *
 * Tagged: text is collected until its line is complete, then "tag     | text" is written in one piece, in colour. A line
 * longer than the buffer continues in the next one, marked "tag     : ". Control characters but tab and escape are not
 * passed on, so that nobody can imitate another's lines. Raw: everything passes at once, as it is; before a tagged
 * line, an incomplete raw line is ended. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define LOGLINE_TAG  8
#define LOGLINE_TEXT 480

struct logline_console {
    void (*write)(const char *data, size_t len);
    bool open; /* the last raw output did not end its line */
};

struct logline {
    char tag[LOGLINE_TAG + 1];
    char colour[12]; /* escape sequence, or "" */
    bool continued;
    size_t len;
    char text[LOGLINE_TEXT];
};

/* tag: the first 8 characters count. colour: name or letter as in ned's scripts ("red", "r", "G", ...; upper case:
 * bold), "" for none. False: no such colour (none is used). */
bool logline_init(struct logline *l, const char *tag, const char *colour);
void logline_write(struct logline_console *c, struct logline *l, const char *data, size_t len);
/* Shows a partial line. */
void logline_flush(struct logline_console *c, struct logline *l);
void logline_raw(struct logline_console *c, const char *data, size_t len);

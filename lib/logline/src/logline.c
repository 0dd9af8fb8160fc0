// SPDX-License-Identifier: MIT
// Lines of tagged logs.
#include <logline/logline.h>

#include <stdio.h>
#include <string.h>

#define ESC '\033'

/* Foreground colours [ECMA-48 8.3.117]. */
static const struct {
    char letter;
    const char *name;
    int code;
} colours[] = {
    {'r', "red", 31},     {'g', "green", 32}, {'y', "yellow", 33}, {'b', "blue", 34},
    {'m', "magenta", 35}, {'c', "cyan", 36},  {'w', "white", 37},
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool is_colour(size_t i, const char *colour)
{
    const char *name = colours[i].name;

    if (colour[1] == '\0') {
        return lower(colour[0]) == colours[i].letter;
    }
    while (*name && lower(*colour) == *name) {
        name++;
        colour++;
    }
    return *name == '\0' && *colour == '\0';
}

bool logline_init(struct logline *l, const char *tag, const char *colour)
{
    *l = (struct logline){0};
    for (size_t i = 0; i < LOGLINE_TAG && tag[i]; i++) {
        l->tag[i] = tag[i] >= ' ' && tag[i] != 0x7f ? tag[i] : '?';
    }
    if (colour[0] == '\0') {
        return true;
    }
    for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
        if (is_colour(i, colour)) {
            bool bold = colour[0] >= 'A' && colour[0] <= 'Z';
            snprintf(l->colour, sizeof(l->colour), "%c[%d%sm", ESC, colours[i].code, bold ? ";1" : "");
            return true;
        }
    }
    return false;
}

/* Writes the collected text as one line. */
static void emit(struct logline_console *c, struct logline *l, bool complete)
{
    char line[LOGLINE_TEXT + 64];
    const char *reset = l->colour[0] ? "\033[0m" : "";

    int n = snprintf(line, sizeof(line), "%s%s%-*s%c %.*s%s\n", c->open ? "\n" : "", l->colour, LOGLINE_TAG, l->tag,
                     l->continued ? ':' : '|', (int)l->len, l->text, reset);
    c->open = false;
    l->continued = !complete;
    l->len = 0;
    c->write(line, (size_t)n);
}

static bool is_shown(char ch)
{
    unsigned char u = (unsigned char)ch;

    return (u >= ' ' && u != 0x7f) || ch == '\t' || ch == ESC;
}

void logline_write(struct logline_console *c, struct logline *l, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            emit(c, l, true);
        } else if (is_shown(data[i])) {
            if (l->len == LOGLINE_TEXT) {
                emit(c, l, false);
            }
            l->text[l->len++] = data[i];
        }
    }
}

void logline_flush(struct logline_console *c, struct logline *l)
{
    if (l->len) {
        emit(c, l, false);
    }
}

void logline_raw(struct logline_console *c, const char *data, size_t len)
{
    if (len) {
        c->write(data, len);
        c->open = data[len - 1] != '\n';
    }
}

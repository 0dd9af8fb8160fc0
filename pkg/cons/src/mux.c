// SPDX-License-Identifier: MIT
// Consoles and the terminal: see mux.h.
#include "menu.h"
#include "mux_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 512u

struct mux mux;

void mux_write(const char *data, size_t len)
{
    mux.ops->write(data, len);
}

void mux_show(const char *text)
{
    mux_write(text, strlen(text));
}

/* A whole line: the menu's, if it is open, is wiped and drawn again below. */
static void line_write(const char *data, size_t len)
{
    if (!menu_is_open()) {
        mux_write(data, len);
        return;
    }
    mux_show("\r\033[K");
    mux_write(data, len);
    menu_draw();
}

void mux_say(const char *format, ...)
{
    struct logline own;
    char text[256];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    logline_init(&own, "cons", "");
    logline_write(&mux.terminal, &own, text, n < 0 ? 0 : strlen(text));
    logline_write(&mux.terminal, &own, "\n", 1);
}

static void console_free(struct mux_console *c)
{
    for (struct mux_console **p = &mux.first; *p; p = &(*p)->next) {
        if (*p == c) {
            *p = c->next;
            mux.count--;
            free(c);
            return;
        }
    }
}

void mux_init(const struct mux_ops *ops, char key, const char *auto_connect)
{
    while (mux.first) {
        console_free(mux.first);
    }
    mux = (struct mux){.ops = ops, .key = key, .auto_connect = auto_connect, .terminal.write = line_write};
    menu_reset();
}

static struct mux_console *find_exact(const char *name)
{
    struct mux_console *c = mux.first;

    while (c && strcmp(c->name, name) != 0) {
        c = c->next;
    }
    return c;
}

struct mux_console *mux_find(const char *name)
{
    struct mux_console *found = find_exact(name);
    unsigned fits = 0;

    if (found) {
        return found;
    }
    for (struct mux_console *c = mux.first; c; c = c->next) {
        if (strncmp(c->name, name, strlen(name)) == 0) {
            found = c;
            fits++;
        }
    }
    return fits == 1 ? found : NULL;
}

static void set_name(struct mux_console *c, const char *name)
{
    char base[MUX_NAME - 4]; /* leaves room for a number */
    size_t n = 0;

    for (; name[n] && n < sizeof(base) - 1; n++) {
        base[n] = name[n] > ' ' && name[n] < 0x7f ? name[n] : '-';
    }
    base[n] = '\0';
    snprintf(c->name, sizeof(c->name), "%s", n ? base : "console");
    struct mux_console *old = find_exact(c->name);
    for (unsigned i = 2; old && !old->ended; i++) { /* ends: there are at most MUX_CONSOLES names */
        snprintf(c->name, sizeof(c->name), "%s-%u", n ? base : "console", i);
        old = find_exact(c->name);
    }
    if (old) {
        console_free(old);
    }
}

static bool make_room(void)
{
    struct mux_console *c = mux.first;

    if (mux.count < MUX_CONSOLES) {
        return true;
    }
    while (c && !c->ended) {
        c = c->next;
    }
    if (c) {
        console_free(c);
    }
    return c != NULL;
}

struct mux_console *mux_add(const char *name, const char *colour)
{
    struct mux_console *c = calloc(1, sizeof(*c)), **last = &mux.first;

    if (!c) {
        return NULL;
    }
    set_name(c, name);
    if (!make_room()) {
        free(c);
        return NULL;
    }
    if (!logline_init(&c->line, c->name, colour)) {
        mux_say(
            "console \"%s\": there is no such colour (red, green, yellow, blue, magenta, cyan, white, or their first "
            "letters)",
            c->name);
    }
    c->back = (struct ring){.data = c->back_data, .size = MUX_SCROLLBACK};
    c->input = (struct ring){.data = c->input_data, .size = MUX_INPUT};
    while (*last) {
        last = &(*last)->next;
    }
    *last = c;
    mux.count++;
    if (mux.auto_connect && !mux.connected && strcmp(c->name, mux.auto_connect) == 0) {
        mux_connect(c);
    }
    return c;
}

void mux_end(struct mux_console *c)
{
    if (!c->hidden || c == mux.connected) {
        logline_flush(&mux.terminal, &c->line);
    }
    c->ended = true;
    c->client = NULL;
    if (c == mux.connected) {
        mux_connect(NULL);
        mux_say("%s has ended", c->name);
    }
}

void mux_connect(struct mux_console *c)
{
    if (c == mux.connected) {
        mux_resume();
        return;
    }
    mux.connected = c;
    mux.hinted = false;
    if (c) {
        mux_say("connected to %s (Ctrl-%c: menu)", c->name, mux.key + '@');
        mux_resume();
    }
}

static bool is_raw(const struct mux_console *c)
{
    return c == mux.connected && !menu_is_open();
}

/* The bytes from pos on; unless raw, without control characters but newline, tab and escape (colours). */
static void write_back(const struct mux_console *c, uint64_t pos, bool raw)
{
    char piece[PIECE];
    size_t n = 0;

    while (pos < c->back.tail) {
        char ch = ring_at(&c->back, pos++);
        bool shown = (unsigned char)ch >= ' ' || ch == '\n' || ch == '\t' || ch == '\033';
        if (raw || (shown && ch != 0x7f)) {
            piece[n++] = ch;
        }
        if (n == PIECE) {
            mux_write(piece, n);
            n = 0;
        }
    }
    if (n) {
        mux_write(piece, n);
    }
}

void mux_resume(void)
{
    struct mux_console *c = mux.connected;

    if (c && is_raw(c)) {
        uint64_t pos = ring_last_line(&c->back);
        c->line.len = 0; /* it is the end of that line */
        c->line.continued = false;
        write_back(c, pos, true);
        mux.terminal.open = pos != c->back.tail;
    }
}

void mux_tail(const struct mux_console *c, unsigned lines)
{
    write_back(c, ring_last_lines(&c->back, lines), false);
    if (c->back.tail > c->back.head) {
        mux_show(c->line.colour[0] ? "\033[0m" : "");
        mux_show(ring_at(&c->back, c->back.tail - 1) == '\n' ? "" : "\n");
    }
}

void mux_output(struct mux_console *c, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ring_keep(&c->back, data[i]);
    }
    if (is_raw(c)) {
        logline_raw(&mux.terminal, data, len);
    } else if (!c->hidden || c == mux.connected) {
        logline_write(&mux.terminal, &c->line, data, len);
    }
}

void mux_flush(struct mux_console *c)
{
    if (!c->hidden || c == mux.connected) {
        logline_flush(&mux.terminal, &c->line);
    }
}

void mux_type(char ch)
{
    struct mux_console *c = mux.connected;

    if (!c && !mux.hinted) {
        mux.hinted = true;
        mux_say("no console is connected (Ctrl-%c: menu)", mux.key + '@');
    } else if (c && ring_put(&c->input, ch)) {
        mux.ops->input_ready(c);
    }
}

void mux_input(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!menu_input(data[i])) {
            mux_type(data[i]);
        }
    }
}

size_t mux_read(struct mux_console *c, char *buf, size_t max)
{
    return ring_take(&c->input, buf, max);
}

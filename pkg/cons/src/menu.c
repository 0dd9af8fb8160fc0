// SPDX-License-Identifier: MIT
// The line editor and the commands: see menu.h.
#include "menu.h"
#include "mux_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 72u
#define TAIL_LINES 20u
#define PROMPT "cons> "

enum { CTRL_C = 3, CTRL_D = 4, BACKSPACE = 8, CTRL_U = 21, ESC = 27, DELETE = 127 };

static struct {
    bool open, skip_newline; /* a line feed behind the carriage return that closed the menu */
    enum { PLAIN, ESCAPE, SEQUENCE } state;
    size_t len;
    char line[LINE_MAX_BYTES + 1];
} menu;

void menu_reset(void)
{
    memset(&menu, 0, sizeof(menu));
}

bool menu_is_open(void)
{
    return menu.open;
}

void menu_draw(void)
{
    char text[sizeof(PROMPT) + LINE_MAX_BYTES];

    int n = snprintf(text, sizeof(text), PROMPT "%.*s", (int)menu.len, menu.line);
    mux_write(text, (size_t)n);
}

static void menu_open(void)
{
    if (mux.terminal.open) {
        mux_show("\n");
        mux.terminal.open = false;
    }
    menu_reset();
    menu.open = true;
    menu_draw();
}

static void menu_close(void)
{
    menu.open = false;
    mux_resume();
}

/* --- commands ------------------------------------------------------------------------------------------------- */

static void cmd_list(struct mux_console *unused, unsigned lines)
{
    char text[128];

    (void)unused;
    (void)lines;
    for (const struct mux_console *c = mux.first; c; c = c->next) {
        const char *state = c->ended ? "ended" : c == mux.connected ? "connected" : "";
        snprintf(text, sizeof(text), "%c %s%-31s%s %-6s %-9s %llu bytes\n", c == mux.connected ? '*' : ' ',
                 c->line.colour, c->name, c->line.colour[0] ? "\033[0m" : "", c->hidden ? "hidden" : "shown", state,
                 (unsigned long long)c->back.tail);
        mux_show(text);
    }
    if (!mux.first) {
        mux_show("there is no console yet\n");
    }
}

static void cmd_connect(struct mux_console *c, unsigned lines)
{
    (void)lines;
    if (c->ended) {
        mux_show("it has ended; tail shows its last lines\n");
        return;
    }
    menu.open = false;
    mux_connect(c);
}

static void cmd_show(struct mux_console *c, unsigned lines)
{
    (void)lines;
    c->hidden = false;
}

static void cmd_hide(struct mux_console *c, unsigned lines)
{
    (void)lines;
    c->hidden = true;
    c->line.len = 0; /* its beginning would be shown with another line's end */
    c->line.continued = false;
}

static void cmd_tail(struct mux_console *c, unsigned lines)
{
    mux_tail(c, lines);
}

static void cmd_help(struct mux_console *unused, unsigned lines);

static const struct command {
    const char *name, *args, *help;
    void (*run)(struct mux_console *c, unsigned lines);
    bool console, lines; /* what it takes */
} commands[] = {
    {"list", "", "the consoles", cmd_list, false, false},
    {"connect", "NAME", "what is typed goes to NAME, its output comes as it is", cmd_connect, true, false},
    {"show", "NAME", "NAME's lines appear when it is not connected", cmd_show, true, false},
    {"hide", "NAME", "they do not; tail still has them", cmd_hide, true, false},
    {"tail", "NAME [LINES]", "the last lines of NAME", cmd_tail, true, true},
    {"help", "", "this", cmd_help, false, false},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void cmd_help(struct mux_console *unused, unsigned lines)
{
    char text[160];

    (void)unused;
    (void)lines;
    for (size_t i = 0; i < COMMANDS; i++) {
        snprintf(text, sizeof(text), "%-8s%-13s %s\n", commands[i].name, commands[i].args, commands[i].help);
        mux_show(text);
    }
    mux_show("Enter: back to the console. Commands and names may be shortened.\n");
    snprintf(text, sizeof(text), "Ctrl-%c Ctrl-%c: types Ctrl-%c at the console.\n", mux.key + '@', mux.key + '@',
             mux.key + '@');
    mux_show(text);
}

/* How many commands begin with the word; the last of them. */
static unsigned find_command(const char *word, const struct command **found)
{
    unsigned count = 0;

    for (size_t i = 0; i < COMMANDS; i++) {
        if (strncmp(commands[i].name, word, strlen(word)) == 0) {
            *found = &commands[i];
            count++;
        }
    }
    return count;
}

/* "" when there is no word left. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t"), *end = word + strcspn(word, " \t");

    *rest = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

static bool parse_lines(const char *word, unsigned *lines)
{
    char *end;
    unsigned long n = strtoul(word, &end, 10);

    if (!*word) {
        return true;
    }
    *lines = n > MUX_SCROLLBACK ? MUX_SCROLLBACK : (unsigned)n;
    return word[0] >= '0' && word[0] <= '9' && *end == '\0' && n > 0;
}

static void complain(const char *format, const char *what)
{
    char text[256];

    snprintf(text, sizeof(text), format, what);
    mux_show(text);
}

static void run_line(char *line)
{
    char *word = next_word(&line), *name = next_word(&line), *count = next_word(&line);
    const struct command *cmd = NULL;
    unsigned lines = TAIL_LINES, matches = find_command(word, &cmd);

    if (matches != 1) {
        complain(matches == 0 ? "there is no command '%s'; help lists them\n"
                              : "more than one command begins with '%s'; type more of it\n",
                 word);
        return;
    }
    struct mux_console *c = cmd->console ? mux_find(name) : NULL;
    if (cmd->console && (!*name || !c)) {
        complain(*name ? "no console, or more than one, is called '%s'; list shows them\n"
                       : "%s needs a console's name\n",
                 *name ? name : cmd->name);
    } else if ((!cmd->console && *name) || (!cmd->lines && *count) || *next_word(&line)) {
        complain("too many words for %s; help shows what it takes\n", cmd->name);
    } else if (!parse_lines(count, &lines)) {
        complain("'%s' is no number of lines\n", count);
    } else {
        cmd->run(c, lines);
    }
}

/* --- the line ------------------------------------------------------------------------------------------------- */

static void enter(char c)
{
    mux_show("\n");
    menu.line[menu.len] = '\0';
    if (menu.line[strspn(menu.line, " \t")] == '\0') {
        menu_close();
    } else {
        run_line(menu.line);
    }
    menu.len = 0;
    menu.skip_newline = c == '\r' && !menu.open;
    if (menu.open) {
        menu_draw();
    }
}

static void erase(size_t n)
{
    for (; n && menu.len; n--) {
        menu.len--;
        mux_show("\b \b");
    }
}

static void edit(char c)
{
    switch (c) {
    case '\r':
    case '\n':
        enter(c);
        break;
    case CTRL_C:
    case CTRL_D:
        mux_show("\n");
        menu_close();
        break;
    case BACKSPACE:
    case DELETE:
        erase(1);
        break;
    case CTRL_U:
        erase(menu.len);
        break;
    case ESC:
        menu.state = ESCAPE;
        break;
    default:
        if (c >= ' ' && menu.len < LINE_MAX_BYTES) {
            menu.line[menu.len++] = c;
            mux_write(&c, 1);
        }
    }
}

/* Escape sequences end with a byte from 0x40 on; "[" and "O" introduce longer ones. */
static void in_escape(char c)
{
    if (c < ' ') { /* none: a key that is meant */
        menu.state = PLAIN;
        edit(c);
    } else if (menu.state == ESCAPE && (c == '[' || c == 'O')) {
        menu.state = SEQUENCE;
    } else if (menu.state == ESCAPE || c >= '@') {
        menu.state = PLAIN;
    }
}

bool menu_input(char c)
{
    bool skip = menu.skip_newline && c == '\n';

    menu.skip_newline = false;
    if (skip) {
        return true;
    }
    if (!menu.open) {
        if (c == mux.key) {
            menu_open();
        }
        return c == mux.key;
    }
    if (c == mux.key && menu.len == 0) {
        mux_show("\n");
        menu_close();
        return false;
    }
    if (menu.state != PLAIN) {
        in_escape(c);
    } else {
        edit(c);
    }
    return true;
}

// SPDX-License-Identifier: MIT
// Commands of a console: see shell.h.
#include <shell/shell.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PRINT_MAX 512

enum { CTRL_C = 3, BELL = 7, BACKSPACE = 8, CTRL_U = 21, ESC = 27, DELETE = 127 };
enum { PLAIN, ESCAPE, SEQUENCE };

static bool interactive(const struct shell *sh)
{
    return sh->prompt[0] != '\0';
}

static void echo(struct shell *sh, const char *text, size_t len)
{
    if (interactive(sh)) {
        sh->write(sh->ctx, text, len);
    }
}

void shell_printf(struct shell *sh, const char *fmt, ...)
{
    char text[PRINT_MAX + 1], out[2 * PRINT_MAX];
    size_t n = 0;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (const char *c = text; *c; c++) {
        if (*c == '\n' && interactive(sh)) {
            out[n++] = '\r';
        }
        out[n++] = *c;
    }
    if (n) {
        sh->write(sh->ctx, out, n);
    }
}

/* --- running a line --------------------------------------------------------------------------------------------- */

static void cmd_help(struct shell *sh, unsigned argc, char *const *argv);

static const struct shell_command builtin_help = {"help", "", "this list", 0, 0, cmd_help};

/* Counts from 0 to count: the caller's, then `help`. */
static const struct shell_command *command_at(const struct shell *sh, size_t i)
{
    return i < sh->count ? &sh->commands[i] : &builtin_help;
}

static bool replaces_help(const struct shell *sh)
{
    for (size_t i = 0; i < sh->count; i++) {
        if (strcmp(sh->commands[i].name, builtin_help.name) == 0) {
            return true;
        }
    }
    return false;
}

static size_t command_count(const struct shell *sh)
{
    return sh->count + (replaces_help(sh) ? 0 : 1);
}

static void cmd_help(struct shell *sh, unsigned argc, char *const *argv)
{
    size_t width = 0;

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < command_count(sh); i++) {
        const struct shell_command *c = command_at(sh, i);
        size_t w = strlen(c->name) + 1 + strlen(c->args);

        width = w > width ? w : width;
    }
    for (size_t i = 0; i < command_count(sh); i++) {
        const struct shell_command *c = command_at(sh, i);

        shell_printf(sh, "%s %-*s  %s\n", c->name, (int)(width - strlen(c->name) - 1), c->args, c->help);
    }
}

static const struct shell_command *find(struct shell *sh, const char *word)
{
    const struct shell_command *found = NULL, *other = NULL;

    for (size_t i = 0; i < command_count(sh); i++) {
        const struct shell_command *c = command_at(sh, i);

        if (strcmp(c->name, word) == 0) {
            return c;
        }
        if (strncmp(c->name, word, strlen(word)) == 0) {
            other = found;
            found = c;
        }
    }
    if (!found) {
        shell_printf(sh, "there is no command '%s'; help lists them\n", word);
    } else if (other) {
        shell_printf(sh, "'%s' may be %s or %s; type more of it\n", word, other->name, found->name);
    }
    return other ? NULL : found;
}

/* The number of words; more than SHELL_ARGS when there are more. */
static unsigned split(char *line, char **argv)
{
    unsigned argc = 0;
    char *rest;

    for (char *w = strtok_r(line, " \t", &rest); w; w = strtok_r(NULL, " \t", &rest)) {
        if (argc == SHELL_ARGS) {
            return SHELL_ARGS + 1;
        }
        argv[argc++] = w;
    }
    return argc;
}

static bool run(struct shell *sh, char *line)
{
    char *argv[SHELL_ARGS];
    unsigned argc = split(line, argv);

    if (argc == 0) {
        return true;
    }
    if (argc > SHELL_ARGS) {
        shell_printf(sh, "a line has no more than %u words\n", SHELL_ARGS);
        return false;
    }
    const struct shell_command *c = find(sh, argv[0]);

    if (!c) {
        return false;
    }
    if (argc - 1 < c->min_args || argc - 1 > c->max_args) {
        shell_printf(sh, "usage: %s%s%s\n", c->name, c->args[0] ? " " : "", c->args);
        return false;
    }
    char name[SHELL_LINE];

    (void)snprintf(name, sizeof(name), "%s", c->name);
    argv[0] = name;
    c->run(sh, argc, argv);
    return true;
}

bool shell_run(struct shell *sh, const char *line)
{
    char copy[SHELL_LINE];

    if (strlen(line) >= sizeof(copy)) {
        shell_printf(sh, "a line has no more than %u characters\n", SHELL_LINE - 1);
        return false;
    }
    memcpy(copy, line, strlen(line) + 1);
    return run(sh, copy);
}

/* --- the line editor -------------------------------------------------------------------------------------------- */

void shell_init(struct shell *sh, const struct shell_command *commands, size_t count, const char *prompt,
                void (*write)(void *ctx, const char *text, size_t len), void *ctx)
{
    *sh = (struct shell){.commands = commands, .count = count, .prompt = prompt, .write = write, .ctx = ctx};
}

void shell_prompt(struct shell *sh)
{
    echo(sh, sh->prompt, strlen(sh->prompt));
    if (sh->len) {
        echo(sh, sh->line, sh->len);
    }
}

static void erase(struct shell *sh, size_t n)
{
    for (; n && sh->len; n--) {
        sh->len--;
        echo(sh, "\b \b", 3);
    }
}

static void enter(struct shell *sh, bool execute)
{
    char line[SHELL_LINE];

    memcpy(line, sh->line, sh->len);
    line[sh->len] = '\0';
    sh->len = 0;
    echo(sh, "\r\n", 2);
    if (execute) {
        (void)run(sh, line);
    }
    shell_prompt(sh);
}

static void edit(struct shell *sh, char c)
{
    switch (c) {
    case '\r':
    case '\n':
        enter(sh, true);
        break;
    case CTRL_C:
        enter(sh, false);
        break;
    case BACKSPACE:
    case DELETE:
        erase(sh, 1);
        break;
    case CTRL_U:
        erase(sh, sh->len);
        break;
    case ESC:
        sh->escape = ESCAPE;
        break;
    default:
        if (c >= ' ' && sh->len < SHELL_LINE - 1) {
            sh->line[sh->len++] = c;
            echo(sh, &c, 1);
        } else if (c >= ' ') {
            echo(sh, &(char){BELL}, 1);
        }
    }
}

/* Escape sequences end with a byte from 0x40 on; "[" and "O" introduce longer ones. */
static void in_escape(struct shell *sh, char c)
{
    if (c < ' ') { /* none: a key that is meant */
        sh->escape = PLAIN;
        edit(sh, c);
    } else if (sh->escape == ESCAPE && (c == '[' || c == 'O')) {
        sh->escape = SEQUENCE;
    } else if (sh->escape == ESCAPE || c >= '@') {
        sh->escape = PLAIN;
    }
}

void shell_input(struct shell *sh, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool pair = sh->after_cr && bytes[i] == '\n';

        sh->after_cr = bytes[i] == '\r';
        if (!pair) {
            (sh->escape ? in_escape : edit)(sh, bytes[i]);
        }
    }
}

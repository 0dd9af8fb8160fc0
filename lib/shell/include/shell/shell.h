// SPDX-License-Identifier: MIT
/* Commands that a person types on a console, or a program sends as one line: a table of commands, a line editor (echo,
 * Backspace, Ctrl-U, Ctrl-C), unambiguous abbreviations, `help`. Knows no capabilities: bytes come in by shell_input(),
 * text goes out through a function, so it runs on the host, too. Not thread-safe: one thread per shell.
 *
 * A line is words separated by blanks; an empty one does nothing. A command's full name always means it, also when it
 * begins another's. `help` lists the table; a command of that name replaces it. Escape sequences (cursor keys) and
 * bytes that are no printable ASCII are left out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SHELL_LINE 128u /* bytes of a line, with its end; more input on a line is refused with a bell */
#define SHELL_ARGS 8u   /* words of a line, the command included */

struct shell;

struct shell_command {
    const char *name;
    const char *args;            /* as `help` shows them: "NAME [LINES]", or "" */
    const char *help;            /* one line, without a full stop */
    unsigned min_args, max_args; /* without the command; others are refused with the usage */
    void (*run)(struct shell *sh, unsigned argc, char *const *argv); /* argv[0]: the command's full name */
};

struct shell {
    const struct shell_command *commands; /* the caller's, for the shell's life */
    size_t count;
    const char *prompt; /* "": none, and no echo */
    void (*write)(void *ctx, const char *text, size_t len);
    void *ctx; /* of write, and for the commands */
    char line[SHELL_LINE];
    size_t len;
    unsigned char escape; /* the editor's own: within an escape sequence */
    bool after_cr;        /* a line feed belongs to the carriage return before it */
};

/* Commands and prompt stay the caller's. Writes nothing; shell_prompt() shows the prompt. */
void shell_init(struct shell *sh, const struct shell_command *commands, size_t count, const char *prompt,
                void (*write)(void *ctx, const char *text, size_t len), void *ctx);
/* (Re)draws the prompt and the line typed so far. */
void shell_prompt(struct shell *sh);
/* Bytes from a terminal: edits, echoes; at Enter runs the command and draws the prompt. Any bytes are harmless. */
void shell_input(struct shell *sh, const char *bytes, size_t len);
/* Runs one line, no echo. False: unknown, ambiguous or wrongly used; the output says so in one line. */
bool shell_run(struct shell *sh, const char *line);
/* For commands: printf to the output, "\n" becomes "\r\n" only when there is a prompt. At most 512 bytes a call. */
__attribute__((format(printf, 2, 3))) void shell_printf(struct shell *sh, const char *fmt, ...);

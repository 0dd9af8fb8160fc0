// SPDX-License-Identifier: MIT
// Boot loaders' configuration files: see bootcfg.h.
#include "bootcfg.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX (BOOTCFG_CMDLINE + 1) /* so that too long a word fits nowhere */
static_assert(BOOTCFG_SAVED <= WORD_MAX, "a saved entry is a word");

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line at *at, quotes removed; false at the line's end. Too long a word is cut. *variable: GRUB
 * would put a variable's value there. */
static bool word_next(const char **at, char word[WORD_MAX], bool *variable)
{
    const char *p = *at;
    char quote = 0;
    size_t n = 0;

    *variable = false;
    while (blank(*p)) {
        p++;
    }
    if (*p == '\0' || *p == '\n' || *p == '#') {
        *at = p;
        return false;
    }
    for (; *p != '\0' && *p != '\n' && (quote || !blank(*p)); p++) {
        if (*p == quote) {
            quote = 0;
            continue;
        }
        if (quote == 0 && (*p == '"' || *p == '\'')) {
            quote = *p;
            continue;
        }
        *variable |= *p == '$' && quote != '\'';
        if (*p == '\\' && quote != '\'' && p[1] != '\0' && p[1] != '\n') {
            p++;
        }
        if (n < WORD_MAX - 1) {
            word[n++] = *p;
        }
    }
    word[n] = '\0';
    *at = p;
    return true;
}

static const char *line_next(const char *p)
{
    p += strcspn(p, "\n");
    return *p == '\n' ? p + 1 : p;
}

/* False: no room, or no absolute path. */
static bool path_set(char path[BOOTCFG_PATH], const char *dir, const char *word)
{
    int n = snprintf(path, BOOTCFG_PATH, "%s%s%s", *word == '/' ? "" : dir, *word == '/' || !*dir ? "" : "/", word);

    return n > 0 && (unsigned)n < BOOTCFG_PATH && path[0] == '/';
}

static bool cmdline_add(struct bootcfg *c, const char *word)
{
    size_t len = strlen(c->cmdline);
    const char *quote = strpbrk(word, " \t") ? "\"" : ""; /* as GRUB does */
    int n = snprintf(c->cmdline + len, BOOTCFG_CMDLINE - len, "%s%s%s%s", len ? " " : "", quote, word, quote);

    return n >= 0 && (size_t)n < BOOTCFG_CMDLINE - len;
}

static const char *initrd_add(struct bootcfg *c, const char *dir, const char *word)
{
    if (c->initrds == BOOTCFG_INITRDS) {
        return "it names more than four initial ramdisks";
    }
    return path_set(c->initrd[c->initrds++], dir, word) ? NULL : "a ramdisk's path is too long or not absolute";
}

static const char *rest_to_cmdline(const char *at, struct bootcfg *c)
{
    char word[WORD_MAX];
    bool variable;

    while (word_next(&at, word, &variable)) {
        if (!variable && !cmdline_add(c, word)) {
            return "its command line is longer than 2047 characters";
        }
    }
    return NULL;
}

/* --- grub.cfg --- */

/* The last value that `set default=` gives: a literal, or what the environment block saved (else nothing: the first
 * entry). Other variables, which nobody sets here, count for nothing. */
static void grub_default(const char *text, const char *saved, char value[WORD_MAX])
{
    char word[WORD_MAX];
    bool variable;

    value[0] = '\0';
    for (const char *p = text; *p != '\0'; p = line_next(p)) {
        const char *at = p;

        if (!word_next(&at, word, &variable) || strcmp(word, "set") != 0 || !word_next(&at, word, &variable) ||
            strncmp(word, "default=", 8) != 0) {
            continue;
        }
        if (!variable) {
            strcpy(value, word + 8);
        } else if (strcmp(word + 8, "${saved_entry}") == 0 || strcmp(word + 8, "$saved_entry") == 0) {
            snprintf(value, WORD_MAX, "%s", saved);
        }
    }
}

/* How the line changes the depth of braces, its quotes left out. */
static int braces(const char *p)
{
    char quote = 0;
    int depth = 0;

    for (; *p != '\0' && *p != '\n' && !(quote == 0 && *p == '#'); p++) {
        if (quote != 0) {
            quote = *p == quote ? 0 : quote;
        } else if (*p == '"' || *p == '\'') {
            quote = *p;
        } else if (*p == '$' && p[1] == '{') {
            p += strcspn(p, "}\n") - 1;
            p += p[1] == '}';
        } else {
            depth += (*p == '{') - (*p == '}');
        }
    }
    return depth;
}

/* Whether the first part of a `default` names this: parts are separated by '>', a '>' in a name is doubled. */
static bool name_is(const char *name, const char *spec)
{
    for (; *spec != '\0' && !(spec[0] == '>' && spec[1] != '>'); name++, spec++) {
        spec += spec[0] == '>';
        if (*name == '\0' || *name != *spec) {
            return false;
        }
    }
    return *name == '\0';
}

/* What follows the first part. */
static const char *spec_rest(const char *spec)
{
    for (; *spec != '\0'; spec++) {
        if (spec[0] == '>' && spec[1] != '>') {
            return spec + 1;
        }
        spec += spec[0] == '>';
    }
    return spec;
}

/* Whether spec names the entry by its number, title or id; at is behind `menuentry`. */
static bool entry_is(const char *at, unsigned long number, const char *spec)
{
    char word[WORD_MAX], *end;
    unsigned long n = strtoul(spec, &end, 10);
    bool variable, titled = false, id = false;

    if (isdigit((unsigned char)*spec) && (*end == '\0' || *end == '>')) {
        return n == number;
    }
    while (word_next(&at, word, &variable) && strcmp(word, "{") != 0) {
        bool option = strncmp(word, "--", 2) == 0;

        if ((id || (!option && !variable && !titled)) && name_is(word, spec)) {
            return true;
        }
        titled |= !id && !option && !variable;
        id = strcmp(word, "--id") == 0 || strcmp(word, "$menuentry_id_option") == 0;
        if (option && !id && strcmp(word, "--unrestricted") != 0 && strchr(word, '=') == NULL) {
            (void)word_next(&at, word, &variable); /* the option's value */
        }
    }
    return false;
}

/* The entry of the menu that begins at text which spec names, else its first; NULL: the menu has none. inside: a
 * submenu's brace ends it, and of the text itself nothing does. *submenu: it is one. */
static const char *entry_find(const char *text, bool inside, const char *spec, bool *submenu)
{
    const char *first = NULL;
    unsigned long number = 0;
    int depth = 0;

    for (const char *p = text; *p != '\0' && depth >= 0; p = line_next(p)) {
        char word[WORD_MAX] = "";
        const char *at = p;
        bool variable;

        (void)word_next(&at, word, &variable);
        bool sub = strcmp(word, "submenu") == 0, entry = depth == 0 && (sub || strcmp(word, "menuentry") == 0);
        bool wanted = entry && (*spec == '\0' || entry_is(at, number, spec));
        if (wanted || (entry && first == NULL)) {
            first = p;
            *submenu = sub;
        }
        if (wanted) {
            break;
        }
        number += entry;
        depth += braces(p);
        depth = depth < 0 && !inside ? 0 : depth;
    }
    return first;
}

/* The next word as a path on this volume, of which "($root)" is another way to speak. With other variables it is
 * empty, which no path is. */
static bool path_next(const char **at, char word[WORD_MAX])
{
    static const char root[] = "($root)";
    bool variable, any = word_next(at, word, &variable);

    if (any && strncmp(word, root, sizeof(root) - 1) == 0) {
        memmove(word, word + sizeof(root) - 1, strlen(word) + 2 - sizeof(root));
    } else if (any && variable) {
        word[0] = '\0';
    }
    return any;
}

static const char *grub_command(const char *at, struct bootcfg *c)
{
    char word[WORD_MAX];
    bool variable;
    const char *err = NULL;

    (void)word_next(&at, word, &variable);
    if (strcmp(word, "linux") == 0 || strcmp(word, "linuxefi") == 0 || strcmp(word, "linux16") == 0) {
        if (!path_next(&at, word) || !path_set(c->kernel, "", word)) {
            return "its linux line has no path that can be used";
        }
        c->cmdline[0] = '\0';
        return rest_to_cmdline(at, c);
    }
    if (strcmp(word, "initrd") == 0 || strcmp(word, "initrdefi") == 0 || strcmp(word, "initrd16") == 0) {
        c->initrds = 0;
        while (err == NULL && path_next(&at, word)) {
            err = initrd_add(c, "", word);
        }
    }
    return err;
}

const char *bootcfg_grub(const char *text, const char *saved, struct bootcfg *c)
{
    char spec[WORD_MAX];
    const char *part = spec, *p, *err = NULL;
    bool submenu;

    memset(c, 0, sizeof(*c));
    grub_default(text, saved, spec);
    p = entry_find(text, false, part, &submenu);
    while (p != NULL && submenu) {
        part = spec_rest(part);
        p = entry_find(line_next(p), true, part, &submenu);
    }
    if (p == NULL) {
        return "it has no menu entry";
    }
    int depth = braces(p);
    for (p = line_next(p); *p != '\0' && depth > 0 && err == NULL; p = line_next(p)) {
        err = grub_command(p, c);
        depth += braces(p);
    }
    return err != NULL || c->kernel[0] != '\0' ? err : "its default entry has no linux line";
}

void bootcfg_grubenv(const char *text, char saved[BOOTCFG_SAVED])
{
    static const char name[] = "saved_entry=";

    saved[0] = '\0';
    for (const char *p = text; *p != '\0'; p = line_next(p)) {
        size_t len = strcspn(p, "\n"), skip = sizeof(name) - 1;

        if (len >= skip && strncmp(p, name, skip) == 0 && len - skip < BOOTCFG_SAVED) {
            memcpy(saved, p + skip, len - skip);
            saved[len - skip] = '\0';
        }
    }
}

/* --- extlinux.conf --- */

static void ext_default(const char *text, char label[WORD_MAX])
{
    char word[WORD_MAX];
    bool variable;

    label[0] = '\0';
    for (const char *p = text; *p != '\0'; p = line_next(p)) {
        const char *at = p;

        if (word_next(&at, word, &variable) && strcasecmp(word, "default") == 0) {
            (void)word_next(&at, label, &variable);
        }
    }
}

static const char *ext_initrds(char *list, const char *dir, struct bootcfg *c)
{
    const char *err = NULL;
    char *rest = NULL;

    for (char *name = strtok_r(list, ",", &rest); err == NULL && name != NULL; name = strtok_r(NULL, ",", &rest)) {
        err = initrd_add(c, dir, name);
    }
    return err;
}

static const char *ext_line(const char *word, const char *at, const char *dir, struct bootcfg *c)
{
    char value[WORD_MAX];
    bool variable;

    if (strcasecmp(word, "append") == 0) {
        c->cmdline[0] = '\0';
        return rest_to_cmdline(at, c);
    }
    if (strcasecmp(word, "linux") == 0 || strcasecmp(word, "kernel") == 0) {
        bool ok = word_next(&at, value, &variable) && path_set(c->kernel, dir, value);

        return ok ? NULL : "a kernel's path is too long";
    }
    if (strcasecmp(word, "initrd") == 0) {
        c->initrds = 0;
        return word_next(&at, value, &variable) ? ext_initrds(value, dir, c) : NULL;
    }
    return NULL;
}

const char *bootcfg_extlinux(const char *text, const char *dir, struct bootcfg *c)
{
    char wanted[WORD_MAX], word[WORD_MAX];
    bool inside = false, variable;

    memset(c, 0, sizeof(*c));
    ext_default(text, wanted);
    for (const char *p = text; *p != '\0'; p = line_next(p)) {
        const char *at = p;

        if (!word_next(&at, word, &variable)) {
            continue;
        }
        if (strcasecmp(word, "label") == 0) {
            if (inside) {
                break;
            }
            inside = word_next(&at, word, &variable) && (wanted[0] == '\0' || strcmp(word, wanted) == 0);
        } else if (inside) {
            const char *err = ext_line(word, at, dir, c);

            if (err != NULL) {
                return err;
            }
        }
    }
    return c->kernel[0] != '\0' ? NULL
           : inside             ? "its default label has no kernel"
                                : "it has no such label as its default";
}

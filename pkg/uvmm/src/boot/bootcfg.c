// SPDX-License-Identifier: MIT
// Boot loaders' configuration files: see bootcfg.h.
#include "bootcfg.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX (BOOTCFG_CMDLINE + 1) /* so that too long a word fits nowhere */

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
    int n = snprintf(c->cmdline + len, BOOTCFG_CMDLINE - len, "%s%s", len ? " " : "", word);

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

/* The number of the default entry: the last `set default=N` whose N is a number. */
static unsigned long grub_default(const char *text)
{
    unsigned long number = 0;
    char word[WORD_MAX], *end;
    bool variable;

    for (const char *p = text; *p != '\0'; p = line_next(p)) {
        const char *at = p;

        if (word_next(&at, word, &variable) && strcmp(word, "set") == 0 && word_next(&at, word, &variable) &&
            strncmp(word, "default=", 8) == 0 && isdigit((unsigned char)word[8])) {
            unsigned long n = strtoul(word + 8, &end, 10);

            number = *end == '\0' ? n : number;
        }
    }
    return number;
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

static const char *grub_command(const char *at, struct bootcfg *c)
{
    char word[WORD_MAX];
    bool variable;
    const char *err = NULL;

    if (!word_next(&at, word, &variable)) {
        return NULL;
    }
    if (strcmp(word, "linux") == 0 || strcmp(word, "linuxefi") == 0 || strcmp(word, "linux16") == 0) {
        if (!word_next(&at, word, &variable) || variable || !path_set(c->kernel, "", word)) {
            return "its linux line has no path that can be used";
        }
        c->cmdline[0] = '\0';
        return rest_to_cmdline(at, c);
    }
    if (strcmp(word, "initrd") == 0 || strcmp(word, "initrdefi") == 0 || strcmp(word, "initrd16") == 0) {
        c->initrds = 0;
        while (err == NULL && word_next(&at, word, &variable)) {
            err = variable ? "its initrd line has a variable" : initrd_add(c, "", word);
        }
    }
    return err;
}

const char *bootcfg_grub(const char *text, struct bootcfg *c)
{
    unsigned long wanted = grub_default(text), entry = 0;
    int depth = 0;
    bool inside = false; /* of the wanted top-level entry */

    memset(c, 0, sizeof(*c));
    for (const char *p = text; *p != '\0'; p = line_next(p)) {
        char word[WORD_MAX] = "";
        const char *at = p;
        bool variable;

        (void)word_next(&at, word, &variable);
        bool begins = strcmp(word, "menuentry") == 0 || strcmp(word, "submenu") == 0;
        if (begins && depth == 0) {
            inside = entry++ == wanted;
        } else if (inside && begins && c->kernel[0] != '\0') {
            return NULL; /* a submenu's second entry */
        } else if (inside) {
            const char *err = grub_command(p, c);

            if (err != NULL) {
                return err;
            }
        }
        depth += braces(p);
        depth = depth < 0 ? 0 : depth;
        if (inside && depth == 0) {
            break;
        }
    }
    return c->kernel[0] != '\0' ? NULL : entry == 0 ? "it has no menu entry" : "its default entry has no linux line";
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

// SPDX-License-Identifier: MIT
// cons's command line.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct options {
    const char *connect; /* the console to connect when it is made, or NULL */
    char key;            /* the menu's control character */
};

/* False: error says why. The strings stay argv's. */
bool options_parse(struct options *o, int argc, char **argv, char *error, size_t size);
/* "e", "E", "^E": the control character; 0: none that can be used. Those of Enter, backspace, escape and line editing
 * in the menu cannot. */
char options_key(const char *text);

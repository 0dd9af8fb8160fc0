// SPDX-License-Identifier: MIT
// See options.h.
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define USAGE "usage: cons [-c NAME] [-k KEY]"

char options_key(const char *text)
{
    const char *letter = text[0] == '^' && text[1] ? text + 1 : text;
    char c = letter[0] >= 'a' && letter[0] <= 'z' ? (char)(letter[0] - 'a' + 'A') : letter[0];

    if (c < 'A' || c > '_' || letter[1] || strchr("CDHJMU[", c)) {
        return 0;
    }
    return (char)(c - '@');
}

bool options_parse(struct options *o, int argc, char **argv, char *error, size_t size)
{
    static const struct option longs[] = {
        {"connect", required_argument, NULL, 'c'}, {"key", required_argument, NULL, 'k'}, {NULL, 0, NULL, 0}};
    int c;

    *o = (struct options){.key = 'E' - '@'};
    opterr = 0;
    optind = 0; /* tests parse more than once */
    while ((c = getopt_long(argc, argv, "c:k:", longs, NULL)) != -1) {
        if (c == 'c') {
            o->connect = optarg;
        } else if (c == 'k') {
            o->key = options_key(optarg);
            if (!o->key) {
                snprintf(error, size,
                         "-k %s: the key is a letter or one of \\ ] ^ _, pressed with Ctrl; C, D, H, J, M and U "
                         "have a meaning of their own",
                         optarg);
                return false;
            }
        } else {
            snprintf(error, size, "unknown option, or its value is missing: '%s'; " USAGE, argv[optind - 1]);
            return false;
        }
    }
    if (optind < argc) {
        snprintf(error, size, "'%s' is no option; " USAGE, argv[optind]);
        return false;
    }
    return true;
}

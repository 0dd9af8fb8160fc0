// SPDX-License-Identifier: MIT
// ramblk's command line; README.md describes it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_CLIENTS_MAX 16u

struct client_options {
    const char *cap;
    uint64_t size; /* 0: the image's */
    const char *image;
    bool readonly;
};

struct options {
    bool verbose;
    unsigned client_count;
    struct client_options client[OPTIONS_CLIENTS_MAX];
};

/* False: error says in one line what is wrong. Strings stay where they are. */
bool options_parse(struct options *o, int argc, char **argv, char *error, size_t size);

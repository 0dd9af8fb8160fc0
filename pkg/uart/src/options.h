// SPDX-License-Identifier: MIT
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct options {
    unsigned port, irq, baud;
};

/* False: `error` says in one line what is wrong. */
bool options_parse(struct options *o, int argc, char **argv, char *error, size_t size);

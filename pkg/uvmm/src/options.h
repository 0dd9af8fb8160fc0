// SPDX-License-Identifier: MIT
// The command line.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *kernel, *ramdisk, *dtb, *cmdline;
    unsigned cpus; /* 0: as many as the device tree says */
};

/* 0; 1: help was printed; -1: wrong, after one line on stderr. Sets log levels. argv stays referenced. */
int options_parse(int argc, char **argv, struct options *o);

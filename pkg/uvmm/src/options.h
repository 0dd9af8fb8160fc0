// SPDX-License-Identifier: MIT
// The command line.
#pragma once

#include "device_tree.h"

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *kernel, *ramdisk, *cmdline;
    const char *dtb[DEVICE_TREES_MAX];
    unsigned dtb_count;
    unsigned cpus;    /* 0: as many as the device tree says */
    uint64_t tsc_khz; /* 0: the host's */
    bool restart_on_reset, restart_on_crash;
    bool monitor; /* on the VM's console */
};

/* 0; 1: help was printed; -1: wrong, after one line on stderr. Sets log levels. argv stays referenced. */
int options_parse(int argc, char **argv, struct options *o);

// SPDX-License-Identifier: MIT
/* io: owns the PCI bus and interrupts, and gives each client a virtual bus with the devices that the configuration
 * files of its command line list. */
#include "config.h"
#include "log.h"
#include "server.h"

#include <getopt.h>
#include <sk/env.h>
#include <sk/server.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] = "usage: io [-v]... CONFIG...";

static struct hw hw;
static struct pci pci;
static struct vbus_set set = {.pci = &pci};

static void parse_options(int argc, char **argv)
{
    static const struct option options[] = {{"verbose", no_argument, NULL, 'v'}, {NULL, 0, NULL, 0}};
    int c;

    opterr = 0;
    /* getopt_long, unlike getopt, also finds options behind file names. */
    while ((c = getopt_long(argc, argv, "v", options, NULL)) != -1) {
        if (c != 'v') {
            /* optopt is the letter of a short option, 0 for a long one */
            char letter[] = {'-', (char)optopt, 0};
            io_log(IO_ERROR, "unknown option '%s'; %s", optopt != 0 ? letter : argv[optind - 1], usage);
            exit(2);
        }
        io_verbosity = io_verbosity < IO_DEBUG ? io_verbosity + 1 : IO_DEBUG;
    }
}

/* A file with an error does not keep the others from being read. */
static void read_files(int count, char **files)
{
    struct luax_error err;
    struct config config;

    if (!config_open(&config, &set, &err)) {
        io_log(IO_ERROR, "%s", err.line);
        return;
    }
    for (int i = 0; i < count; i++) {
        if (!config_read(&config, files[i], &err)) {
            io_log(IO_ERROR, "%s", err.line);
            if (io_verbosity >= IO_DEBUG && err.trace[0] != 0) {
                printf("%s\n", err.trace);
            }
        }
    }
    config_close(&config);
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    if (hw_init(&hw) == SK_OK) {
        hw_scan(&hw, &pci);
    }
    read_files(argc - optind, argv + optind);
    if (vbus_serve(&set, &hw) == 0) {
        if (set.count != 0) {
            io_log(IO_ERROR, "none of the virtual buses can be served");
        } else {
            io_log(IO_ERROR, "there is no virtual bus to serve; %s", usage);
        }
        return 1;
    }
    server_loop();
}

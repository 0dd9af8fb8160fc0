// SPDX-License-Identifier: MIT
// Command line of nvme-drv: see README.md.
#pragma once

#include "limit.h"
#include "log.h"
#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_CLIENTS_MAX 32u
#define OPTIONS_DS_DEFAULT 2u
#define OPTIONS_IO_TIMEOUT_MIN 10u /* ms */
#define OPTIONS_IO_TIMEOUT_MAX 600000u

struct client_options {
    const char *cap;    /* name of the gate */
    const char *device; /* SN:nNSID, GUID or label */
    unsigned ds_max;    /* memory regions */
    bool readonly;
    bool packed; /* packed rings are offered */
    struct limit_options limit;
};

/* "max-iops", "max-mbps" or "burst" and its value: NULL, or what is wrong with it. *known: false if it is none. */
const char *options_limit(struct limit_options *o, const char *name, const char *value, bool *known);

struct options {
    enum log_level level;
    bool no_sgl, no_msi, no_msix;
    bool console;           /* commands are typed at the log */
    unsigned io_timeout_ms; /* 0: the driver's default */
    unsigned client_count;
    struct client_options client[OPTIONS_CLIENTS_MAX];
};

/* False: *error holds one line that says what is wrong (size bytes of room). The strings of argv stay in use. */
bool options_parse(struct options *o, int argc, char **argv, char *error, size_t size);

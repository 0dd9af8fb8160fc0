// SPDX-License-Identifier: MIT
// Command line: see options.h.
#include "options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtio/gmem.h>

enum {
    OPT_CLIENT = 256,
    OPT_DEVICE,
    OPT_DS_MAX,
    OPT_READONLY,
    OPT_LIMIT,
    OPT_NOSGL,
    OPT_NOMSI,
    OPT_NOMSIX,
    OPT_IO_TIMEOUT,
    OPT_CONSOLE,
    OPT_PACKED,
};

static const struct option long_options[] = {
    {"client", required_argument, NULL, OPT_CLIENT},
    {"device", required_argument, NULL, OPT_DEVICE},
    {"ds-max", required_argument, NULL, OPT_DS_MAX},
    {"readonly", no_argument, NULL, OPT_READONLY},
    {"max-iops", required_argument, NULL, OPT_LIMIT},
    {"max-mbps", required_argument, NULL, OPT_LIMIT},
    {"burst", required_argument, NULL, OPT_LIMIT},
    {"nosgl", no_argument, NULL, OPT_NOSGL},
    {"nomsi", no_argument, NULL, OPT_NOMSI},
    {"nomsix", no_argument, NULL, OPT_NOMSIX},
    {"io-timeout", required_argument, NULL, OPT_IO_TIMEOUT},
    {"packed", no_argument, NULL, OPT_PACKED},
    {"console", no_argument, NULL, OPT_CONSOLE},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {NULL, 0, NULL, 0},
};

struct parser {
    struct options *o;
    char *error;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static bool fail(struct parser *p, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(p->error, p->size, fmt, ap);
    va_end(ap);
    return false;
}

static bool add_client(struct parser *p, const char *name)
{
    struct options *o = p->o;

    if (*name == 0) {
        return fail(p, "--client needs the name of a capability");
    }
    for (unsigned i = 0; i < o->client_count; i++) {
        if (strcmp(o->client[i].cap, name) == 0) {
            return fail(p, "--client %s is given twice; each client needs a capability of its own", name);
        }
    }
    if (o->client_count == OPTIONS_CLIENTS_MAX) {
        return fail(p, "--client %s: no more than %u clients are possible", name, OPTIONS_CLIENTS_MAX);
    }
    o->client[o->client_count++] = (struct client_options){.cap = name, .ds_max = OPTIONS_DS_DEFAULT};
    return true;
}

const char *options_limit(struct limit_options *o, const char *name, const char *value, bool *known)
{
    *known = true;
    if (strcmp(name, "max-iops") == 0) {
        return limit_parse(value, LIMIT_IOPS_MAX, &o->iops)
                   ? NULL
                   : "operations per second from 1 to 10M (10000000) are needed";
    }
    if (strcmp(name, "max-mbps") == 0) {
        return limit_parse(value, LIMIT_MBPS_MAX, &o->mbps) ? NULL
                                                            : "MB (10^6 bytes) per second from 1 to 100K are needed";
    }
    *known = strcmp(name, "burst") == 0;
    return !*known || limit_parse(value, LIMIT_BURST_MAX, &o->burst_ms) ? NULL
                                                                        : "milliseconds from 1 to 10000 are needed";
}

static bool limit_option(struct parser *p, struct client_options *c, const char *name, const char *value)
{
    bool known;
    const char *why = options_limit(&c->limit, name, value, &known);

    return why ? fail(p, "--%s %s: %s", name, value, why) : true;
}

/* Options that belong to the client before them. name: the option's full one. */
static bool client_option(struct parser *p, int option, const char *name, const char *value)
{
    struct client_options *c = p->o->client_count ? &p->o->client[p->o->client_count - 1] : NULL;
    char *end;

    if (!c) {
        return fail(p, "--%s belongs to a client: put --client NAME before it", name);
    }
    if (option == OPT_LIMIT) {
        return limit_option(p, c, name, value);
    }
    if (option == OPT_PACKED) {
        c->packed = true;
        return true;
    }
    if (option == OPT_READONLY) {
        c->readonly = true;
        return true;
    }
    if (option == OPT_DEVICE) {
        if (c->device || *value == 0) {
            return fail(p, "--client %s: exactly one --device is needed", c->cap);
        }
        c->device = value;
        return true;
    }
    unsigned long n = strtoul(value, &end, 10);

    if (*value < '0' || *value > '9' || *end || n < 1 || n > GMEM_MAX_REGIONS) {
        return fail(p, "--ds-max %s: a number from 1 to %u is needed", value, GMEM_MAX_REGIONS);
    }
    c->ds_max = (unsigned)n;
    return true;
}

static bool io_timeout(struct parser *p, const char *value)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);

    if (*value < '0' || *value > '9' || *end || n < OPTIONS_IO_TIMEOUT_MIN || n > OPTIONS_IO_TIMEOUT_MAX) {
        return fail(p, "--io-timeout %s: milliseconds from %u to %u are needed", value, OPTIONS_IO_TIMEOUT_MIN,
                    OPTIONS_IO_TIMEOUT_MAX);
    }
    p->o->io_timeout_ms = (unsigned)n;
    return true;
}

static bool handle(struct parser *p, int option, const char *long_name, char **argv)
{
    struct options *o = p->o;
    char name[3];

    switch (option) {
    case OPT_CLIENT:
        return add_client(p, optarg);
    case OPT_DEVICE:
    case OPT_DS_MAX:
    case OPT_READONLY:
    case OPT_PACKED:
    case OPT_LIMIT:
        return client_option(p, option, long_name, optarg);
    case OPT_NOSGL:
        o->no_sgl = true;
        return true;
    case OPT_NOMSI:
        o->no_msi = true;
        return true;
    case OPT_NOMSIX:
        o->no_msix = true;
        return true;
    case OPT_IO_TIMEOUT:
        return io_timeout(p, optarg);
    case OPT_CONSOLE:
        o->console = true;
        return true;
    case 'v':
        o->level = o->level < LOG_INFO ? LOG_INFO : LOG_DEBUG;
        return true;
    case 'q':
        o->level = LOG_ERROR;
        return true;
    case ':':
        return fail(p, "option %s needs a value", argv[optind - 1]);
    default:
        /* in a cluster of short options, optind still stands at it */
        (void)snprintf(name, sizeof(name), "-%c", optopt);
        return fail(p,
                    "unknown option %s; known are --client --device --ds-max --readonly --packed --max-iops --max-mbps "
                    "--burst --nosgl --nomsi --nomsix --io-timeout --console -v -q",
                    optopt > 0x20 && optopt < 0x7f ? name : argv[optind - 1]);
    }
}

bool options_parse(struct options *o, int argc, char **argv, char *error, size_t size)
{
    struct parser p = {o, error, size};
    int option, index = 0;

    *o = (struct options){.level = LOG_WARN};
    optind = 0; /* forgets an earlier command line wholly */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":vq", long_options, &index)) != -1) {
        if (!handle(&p, option, long_options[index].name, argv)) {
            return false;
        }
    }
    if (optind < argc) {
        return fail(&p, "unexpected argument %s; options begin with -", argv[optind]);
    }
    for (unsigned i = 0; i < o->client_count; i++) {
        const struct client_options *c = &o->client[i];

        if (!c->device) {
            return fail(&p, "--client %s has no --device; say which one, e.g. --device SERIAL:n1", c->cap);
        }
        if (c->limit.burst_ms && !c->limit.iops && !c->limit.mbps) {
            return fail(&p, "--client %s: --burst alone limits nothing; give it --max-iops or --max-mbps, too", c->cap);
        }
    }
    return true;
}

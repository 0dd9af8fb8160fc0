// SPDX-License-Identifier: MIT
// Command line: see options.h.
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <util/bits.h>
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

static const struct option {
    const char *name;
    bool value;
    int option;
} table[] = {
    {"client", true, OPT_CLIENT},
    {"device", true, OPT_DEVICE},
    {"ds-max", true, OPT_DS_MAX},
    {"readonly", false, OPT_READONLY},
    {"max-iops", true, OPT_LIMIT},
    {"max-mbps", true, OPT_LIMIT},
    {"burst", true, OPT_LIMIT},
    {"nosgl", false, OPT_NOSGL},
    {"nomsi", false, OPT_NOMSI},
    {"nomsix", false, OPT_NOMSIX},
    {"io-timeout", true, OPT_IO_TIMEOUT},
    {"packed", false, OPT_PACKED},
    {"console", false, OPT_CONSOLE},
    {"verbose", false, 'v'},
    {"quiet", false, 'q'},
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
    return limit_parse(value, GMEM_MAX_REGIONS, &c->ds_max) ||
           fail(p, "--ds-max %s: a number from 1 to %u is needed", value, GMEM_MAX_REGIONS);
}

static bool io_timeout(struct parser *p, const char *value)
{
    if (!limit_parse(value, OPTIONS_IO_TIMEOUT_MAX, &p->o->io_timeout_ms) ||
        p->o->io_timeout_ms < OPTIONS_IO_TIMEOUT_MIN) {
        return fail(p, "--io-timeout %s: milliseconds from %u to %u are needed", value, OPTIONS_IO_TIMEOUT_MIN,
                    OPTIONS_IO_TIMEOUT_MAX);
    }
    return true;
}

/* name: without dashes, of `len` bytes. */
static bool unknown(struct parser *p, const char *dashes, const char *name, int len)
{
    return fail(
        p,
        "unknown option %s%.*s; known are --client --device --ds-max --readonly --packed --max-iops --max-mbps --burst "
        "--nosgl --nomsi --nomsix --io-timeout --console -v -q",
        dashes, len, name);
}

static bool handle(struct parser *p, int option, const char *name, const char *value)
{
    struct options *o = p->o;

    switch (option) {
    case OPT_CLIENT:
        return add_client(p, value);
    case OPT_DEVICE:
    case OPT_DS_MAX:
    case OPT_READONLY:
    case OPT_PACKED:
    case OPT_LIMIT:
        return client_option(p, option, name, value);
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
        return io_timeout(p, value);
    case OPT_CONSOLE:
        o->console = true;
        return true;
    case 'v':
        o->level = o->level < LOG_INFO ? LOG_INFO : LOG_DEBUG;
        return true;
    case 'q':
        o->level = LOG_ERROR;
        return true;
    default:
        return unknown(p, "-", name, 1);
    }
}

/* "-v", "-vvq" */
static bool short_options(struct parser *p, const char *letters)
{
    while (*letters) {
        if (!handle(p, (unsigned char)*letters, letters, NULL)) {
            return false;
        }
        letters++;
    }
    return true;
}

/* By its name, or the beginning of one name only. NULL: none, or several. */
static const struct option *find(const char *name, size_t len)
{
    const struct option *found = NULL;

    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        if (strncmp(table[i].name, name, len) == 0) {
            if (table[i].name[len] == '\0') {
                return &table[i];
            }
            if (found) {
                return NULL;
            }
            found = &table[i];
        }
    }
    return found;
}

/* "--name", "--name value" or "--name=value", where next is the value or NULL; *used: it was taken. */
static bool long_option(struct parser *p, const char *name, const char *next, bool *used)
{
    size_t len = strcspn(name, "=");
    const struct option *k = find(name, len);
    const char *value = name[len] ? name + len + 1 : NULL;

    if (!k) {
        return unknown(p, "--", name, (int)strlen(name));
    }
    if (value && !k->value) {
        return fail(p, "option --%s takes no value; give it without '=%s'", k->name, value);
    }
    *used = k->value && !value;
    value = *used ? next : value;
    return k->value && !value ? fail(p, "option --%s needs a value", k->name) : handle(p, k->option, k->name, value);
}

static bool check_clients(struct parser *p)
{
    for (unsigned i = 0; i < p->o->client_count; i++) {
        const struct client_options *c = &p->o->client[i];

        if (!c->device) {
            return fail(p, "--client %s has no --device; say which one, e.g. --device SERIAL:n1", c->cap);
        }
        if (c->limit.burst_ms && !c->limit.iops && !c->limit.mbps) {
            return fail(p, "--client %s: --burst alone limits nothing; give it --max-iops or --max-mbps, too", c->cap);
        }
    }
    return true;
}

bool options_parse(struct options *o, int argc, char **argv, char *error, size_t size)
{
    struct parser p = {o, error, size};

    *o = (struct options){.level = LOG_WARN};
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        bool used = false;

        if (arg[0] != '-' || arg[1] == '\0') {
            return fail(&p, "unexpected argument %s; options begin with -", arg);
        }
        if (arg[1] == '-' ? !long_option(&p, arg + 2, argv[i + 1], &used) : !short_options(&p, arg + 1)) {
            return false;
        }
        i += used;
    }
    return check_clients(&p);
}

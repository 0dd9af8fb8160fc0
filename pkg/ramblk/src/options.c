// SPDX-License-Identifier: MIT
// See options.h.
#include "options.h"

#include "disk.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN "known are --client --size --image --readonly -v"
#define SAY(...) ((void)snprintf(error, size, __VA_ARGS__), false)

/* Bytes, or with K, M or G; whole sectors. 0: not such a number. */
static uint64_t size_parse(const char *text)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    unsigned shift = 0;

    switch (*end) {
    case 'K':
        shift = 10;
        break;
    case 'M':
        shift = 20;
        break;
    case 'G':
        shift = 30;
        break;
    default:
        end--;
    }
    if (*text < '0' || *text > '9' || end[1] || n > DISK_MAX >> shift || (n << shift) % VIRTIO_BLK_SECTOR) {
        return 0;
    }
    return n << shift;
}

static bool client_add(struct options *o, const char *name, char *error, size_t size)
{
    for (unsigned i = 0; i < o->client_count; i++) {
        if (strcmp(o->client[i].cap, name) == 0) {
            return SAY("--client %s is given twice; each disk needs a capability of its own", name);
        }
    }
    if (o->client_count == OPTIONS_CLIENTS_MAX) {
        return SAY("--client %s: no more than %u disks are possible", name, OPTIONS_CLIENTS_MAX);
    }
    o->client[o->client_count++].cap = name;
    return *name ? true : SAY("--client needs the name of a capability");
}

static bool client_set(struct client_options *c, int option, const char *value, char *error, size_t size)
{
    if (option == 'r') {
        c->readonly = true;
    } else if (option == 'i') {
        c->image = value;
    } else {
        c->size = size_parse(value);
        if (c->size == 0) {
            return SAY("--size %s: a multiple of %u bytes up to %lluG is needed, such as 64M", value, VIRTIO_BLK_SECTOR,
                       DISK_MAX >> 30);
        }
    }
    return true;
}

static bool complete(const struct options *o, char *error, size_t size)
{
    for (unsigned i = 0; i < o->client_count; i++) {
        if (!o->client[i].size && !o->client[i].image) {
            return SAY("--client %s: how large? Say --size 64M, or --image rom/FILE", o->client[i].cap);
        }
    }
    return o->client_count ? true : SAY("no disk is asked for: say --client CAP --size 64M");
}

bool options_parse(struct options *o, int argc, char **argv, char *error, size_t size)
{
    static const struct option longs[] = {
        {"client", 1, NULL, 'c'},   {"size", 1, NULL, 's'},    {"image", 1, NULL, 'i'},
        {"readonly", 0, NULL, 'r'}, {"verbose", 0, NULL, 'v'}, {NULL, 0, NULL, 0},
    };
    bool ok = true;
    int option;

    *o = (struct options){0};
    optind = 0;
    opterr = 0;
    while (ok && (option = getopt_long(argc, argv, ":v", longs, NULL)) != -1) {
        if (option == '?' || option == ':') {
            ok = SAY("option %s %s; " KNOWN, argv[optind - 1], option == ':' ? "needs a value" : "is unknown");
        } else if (option == 'v') {
            o->verbose = true;
        } else if (option == 'c') {
            ok = client_add(o, optarg, error, size);
        } else if (o->client_count == 0) {
            ok = SAY("--size, --image and --readonly belong to a disk: put --client NAME before them");
        } else {
            ok = client_set(&o->client[o->client_count - 1], option, optarg, error, size);
        }
    }
    if (ok && optind < argc) {
        return SAY("unexpected argument %s; options begin with -", argv[optind]);
    }
    return ok && complete(o, error, size);
}

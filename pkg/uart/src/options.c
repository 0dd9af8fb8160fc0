// SPDX-License-Identifier: MIT
#include "options.h"
#include "uart16550.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static bool number(const char *text, unsigned long max, unsigned *value)
{
    char *end;

    errno = 0;
    unsigned long v = strtoul(text, &end, 0);
    *value = (unsigned)v;
    return errno == 0 && end != text && *end == '\0' && v <= max;
}

static bool apply(struct options *o, int c, char *error, size_t size)
{
    switch (c) {
    case 'p':
        snprintf(error, size, "--port %s: a port number up to 0xfff8 is needed, like 0x2f8", optarg);
        return number(optarg, 0x10000 - UART_PORTS, &o->port);
    case 'i':
        snprintf(error, size, "--irq %s: an interrupt line is needed, like 3", optarg);
        return number(optarg, 255, &o->irq);
    case 'b':
        snprintf(error, size, "--baud %s: 115200 or a whole part of it is needed, like 9600", optarg);
        return number(optarg, UART_CLOCK_HZ, &o->baud) && o->baud != 0 && UART_CLOCK_HZ % o->baud == 0 && o->baud >= 2;
    default:
        snprintf(error, size, "usage: uart [--port 0x2f8] [--irq 3] [--baud 115200]");
        return false;
    }
}

bool options_parse(struct options *o, int argc, char **argv, char *error, size_t size)
{
    static const struct option known[] = {{"port", required_argument, NULL, 'p'},
                                          {"irq", required_argument, NULL, 'i'},
                                          {"baud", required_argument, NULL, 'b'},
                                          {NULL, 0, NULL, 0}};
    int c;

    *o = (struct options){0x2f8, 3, UART_CLOCK_HZ};
    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":p:i:b:", known, NULL)) != -1) {
        if (!apply(o, c, error, size)) {
            return false;
        }
    }
    if (optind < argc) {
        snprintf(error, size, "unexpected argument '%s'", argv[optind]);
        return false;
    }
    return true;
}

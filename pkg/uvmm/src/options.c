// SPDX-License-Identifier: MIT
// Options, by getopt_long: values glued to the letter (as vmm.lua does) or separate.
#include "options.h"
#include "cpu/tsc.h"
#include "log.h"
#include "smp.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT ":k:r:d:c:b:vqD:h"

enum { OPT_CPUS = 0x100, OPT_TSC_KHZ, OPT_ON_RESET, OPT_ON_CRASH, OPT_MONITOR }; /* have no letter */

static const struct option long_options[] = {
    {"kernel", required_argument, NULL, 'k'},
    {"ramdisk", required_argument, NULL, 'r'},
    {"dtb", required_argument, NULL, 'd'},
    {"cmdline", required_argument, NULL, 'c'},
    {"rambase", required_argument, NULL, 'b'},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"debug", required_argument, NULL, 'D'},
    {"cpus", required_argument, NULL, OPT_CPUS},
    {"tsc-khz", required_argument, NULL, OPT_TSC_KHZ},
    {"monitor", no_argument, NULL, OPT_MONITOR},
    {"help", no_argument, NULL, 'h'},
    {"on-reset", required_argument, NULL, OPT_ON_RESET},
    {"on-crash", required_argument, NULL, OPT_ON_CRASH},
    {NULL, 0, NULL, 0},
};

static const char usage[] = "uvmm: options: -k|--kernel FILE -d|--dtb FILE... [-r|--ramdisk FILE] [-c|--cmdline TEXT] "
                            "[--cpus N] [--tsc-khz N] [-b|--rambase 0] [-v|--verbose]... "
                            "[-q|--quiet] [-D|--debug [CLASS=]LEVEL] "
                            "[--on-reset restart|exit] [--on-crash exit|restart] [--monitor]";

/* A PC's RAM begins at address 0; -b exists for scripts that set it for other machines too. */
static int rambase_check(const char *text)
{
    char *end;

    errno = 0;
    unsigned long long base = strtoull(text, &end, 0);
    if (errno == 0 && end != text && *end == '\0' && base == 0) {
        return 0;
    }
    log_error(LOG_BOOT, "-b %s: the RAM of the virtual PC begins at 0; leave the option out", text);
    return -1;
}

static int cpus_set(struct options *o, const char *text)
{
    char *end;

    errno = 0;
    unsigned long n = strtoul(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || n == 0 || text[0] == '-') {
        log_error(LOG_BOOT, "--cpus %s: not a number of vcpus; give 1 to %u", text, VCPUS_MAX);
        return -1;
    }
    if (n > VCPUS_MAX) {
        log_error(
            LOG_BOOT,
            "--cpus %s: too many vcpus, a VM has at most %u; give fewer (vmm.start_vm's cpus is a mask with a bit "
            "for each vcpu)",
            text, VCPUS_MAX);
        return -1;
    }
    o->cpus = (unsigned)n;
    return 0;
}

static int tsc_khz_set(struct options *o, const char *text)
{
    char *end;

    errno = 0;
    unsigned long n = strtoul(text, &end, 0);
    if (errno != 0 || *end != '\0' || text[0] == '-' || n < TSC_KHZ_MIN || n > TSC_KHZ_MAX) {
        log_error(LOG_BOOT, "--tsc-khz %s: not a frequency in kHz; give %u to %u", text, TSC_KHZ_MIN, TSC_KHZ_MAX);
        return -1;
    }
    o->tsc_khz = n;
    return 0;
}

static int debug_set(const char *spec)
{
    if (log_level_parse(spec) == 0) {
        return 0;
    }
    log_error(LOG_BOOT,
              "-D %s: not known; use [CLASS=]LEVEL, CLASS one of all boot cpu irq dev pci virtio, LEVEL one of quiet "
              "error warn info "
              "debug trace",
              spec);
    return -1;
}

/* What follows a reset or a crash. */
static int policy_set(const char *option, const char *text, bool *restart)
{
    *restart = strcmp(text, "restart") == 0;
    if (*restart || strcmp(text, "exit") == 0) {
        return 0;
    }
    log_error(LOG_BOOT, "%s %s: not known; use restart or exit", option, text);
    return -1;
}

static int dtb_add(struct options *o, const char *name)
{
    if (o->dtb_count == DEVICE_TREES_MAX) {
        log_error(LOG_BOOT, "-d %s: more than %u device trees; merge some of them", name, DEVICE_TREES_MAX);
        return -1;
    }
    o->dtb[o->dtb_count++] = name;
    return 0;
}

static int unknown_option(int argc, char **argv, int c)
{
    const char *text = optind > 0 && optind <= argc ? argv[optind - 1] : "?";

    if (c == ':') {
        log_error(LOG_BOOT, "option %s needs a value", text);
    } else if (optopt > 0 && optopt < OPT_CPUS) {
        log_error(LOG_BOOT, "unknown option -%c; uvmm --help lists them", optopt);
    } else {
        log_error(LOG_BOOT, "unknown option %s; uvmm --help lists them", text);
    }
    return -1;
}

static int option_apply(struct options *o, int c, unsigned *verbose, int argc, char **argv)
{
    static const enum log_level level[] = {LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE};

    switch (c) {
    case 'k':
        o->kernel = optarg;
        return 0;
    case 'r':
        o->ramdisk = optarg;
        return 0;
    case 'd':
        return dtb_add(o, optarg);
    case 'c':
        o->cmdline = optarg;
        return 0;
    case 'b':
        return rambase_check(optarg);
    case 'D':
        return debug_set(optarg);
    case OPT_CPUS:
        return cpus_set(o, optarg);
    case OPT_TSC_KHZ:
        return tsc_khz_set(o, optarg);
    case OPT_MONITOR:
        o->monitor = true;
        return 0;
    case OPT_ON_RESET:
        return policy_set("--on-reset", optarg, &o->restart_on_reset);
    case OPT_ON_CRASH:
        return policy_set("--on-crash", optarg, &o->restart_on_crash);
    case 'v':
        *verbose += *verbose < 3;
        log_level_set_all(level[*verbose]);
        return 0;
    case 'q':
        log_level_set_all(LOG_ERROR);
        return 0;
    case 'h':
        fprintf(stderr, "%s\n", usage);
        return 1;
    default:
        return unknown_option(argc, argv, c);
    }
}

int options_parse(int argc, char **argv, struct options *o)
{
    unsigned verbose = 0;
    int c;

    *o = (struct options){.cmdline = "", .restart_on_reset = true};
    optind = 0; /* restart, also after an earlier parse */
    opterr = 0;
    while ((c = getopt_long(argc, argv, SHORT, long_options, NULL)) != -1) {
        int err = option_apply(o, c, &verbose, argc, argv);
        if (err != 0) {
            return err;
        }
    }
    if (optind < argc) {
        log_error(LOG_BOOT, "unexpected argument '%s'; file names follow their option (-k, -r, -d)", argv[optind]);
        return -1;
    }
    if (o->kernel == NULL) {
        log_error(
            LOG_BOOT,
            "no kernel: give a bzImage with -k, for example -k rom/bzImage (vmm.start_vm: kernel = \"rom/bzImage\")");
        return -1;
    }
    if (o->dtb_count == 0) {
        log_error(LOG_BOOT, "no device tree: give one with -d, for example -d rom/virt-pc.dtb (vmm.start_vm: fdt = "
                            "\"rom/virt-pc.dtb\")");
        return -1;
    }
    return 0;
}

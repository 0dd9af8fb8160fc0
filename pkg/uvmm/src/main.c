// SPDX-License-Identifier: MIT
/* uvmm: runs one virtual machine, a PC described by a device tree, as an unprivileged program. Start: options, files,
 * guest RAM, platform, devices, kernel; then the run loop until the VM ends, or from the kernel on when it restarts. */
#include "console_priv.h"
#include "cpu/tsc.h"
#include "device_tree.h"
#include "file.h"
#include "gmem_priv.h"
#include "guest.h"
#include "log.h"
#include "machine.h"
#include "monitor/monitor.h"
#include "options.h"
#include "vcpu.h"

#include <sk/env.h>
#include <stdio.h>
#include <stdlib.h>

/* vmm.start_vm gives RAM in several pieces when there is not enough of it in one. */
static int memory_init(void)
{
    static const char *const name[GMEM_PIECES_MAX] = {"ram", "ram1", "ram2", "ram3"};
    cap_t piece[GMEM_PIECES_MAX];
    unsigned n = 0;

    while (n < GMEM_PIECES_MAX && (piece[n] = sk_env_get(name[n])) != CAP_NULL) {
        n++;
    }
    if (n == 0) {
        log_error(LOG_BOOT,
                  "the capability \"ram\" is missing: start uvmm by vmm.start_vm, or give a memory object as caps.ram");
        return -1;
    }
    return ram_setup(piece, n, guest_cap());
}

/* The option --cpus, else the device tree. */
static int vcpus_init(const struct options *o, const struct device_tree *tree)
{
    unsigned n = o->cpus != 0 ? o->cpus : device_tree_cpus(tree->fdt);

    if (n > VCPUS_MAX) {
        log_error(
            LOG_BOOT,
            "device tree %s: too many vcpus, it has %u cpu nodes and a VM at most %u; remove some, or give --cpus",
            o->dtb[0], n, VCPUS_MAX);
        return -1;
    }
    return vcpus_setup(n);
}

/* One write per line, so that lines of several programs never mix. */
static void stderr_by_line(void)
{
    static char buffer[512];

    setvbuf(stderr, buffer, _IOLBF, sizeof(buffer));
}

static int setup(const struct options *o)
{
    struct device_tree tree;

    if (device_tree_load(o->dtb, o->dtb_count, &tree) != 0 || guest_setup() != 0 || memory_init() != 0 ||
        vcpus_init(o, &tree) != 0 || (o->tsc_khz != 0 && tsc_scale(o->tsc_khz) != 0) || monitor_init(o->monitor) != 0 ||
        console_log_connect() != 0) {
        return -1;
    }
    vm_end_policy(o->restart_on_reset, o->restart_on_crash);
    return machine_make(&tree);
}

static int run(const struct options *o)
{
    int code;

    do {
        if (machine_boot(o) != 0) {
            return EXIT_FAILURE;
        }
        code = vcpus_run();
    } while (vm_restarts() && (code = machine_reset()) == 0 && vm_start_again());
    return code == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct options o;

    stderr_by_line();
    int parsed = options_parse(argc, argv, &o);

    if (parsed != 0) {
        return parsed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (vm_lock_init() != 0) {
        return EXIT_FAILURE;
    }
    vm_lock();
    if (setup(&o) != 0) {
        return EXIT_FAILURE;
    }
    int code = run(&o);
    devices_reset();
    return code;
}

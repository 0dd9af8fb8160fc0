// SPDX-License-Identifier: MIT
/* moe, the root task: owns all memory and the console, serves memory, rom/, logs and programs, and starts ned.
 *
 *     moe [--init=rom/PROGRAM] ARGUMENTS...
 *
 * ARGUMENTS are ned's: usually the scenario, rom/x.ned. */
#include "moe.h"

#include <cpuid.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <stdlib.h>
#include <string.h>

#define MOE_PRIORITY 250 /* above every program (prog.c: PRIORITY_MAX): it only ever works for moments */
#define INIT_OPTION "--init="

static uint64_t hardware_random(void)
{
    unsigned a, b, c, d;
    unsigned long long value = 0;
    unsigned char ok = 0;

    if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_RDRND)) {
        for (int i = 0; i < 10 && !ok; i++) {
            __asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(ok) : : "cc");
        }
    }
    return ok ? value : 0;
}

/* RDRAND where there is one, mixed with the time stamp counter: for stack canaries and hash seeds, not for keys. */
uint64_t moe_random(void)
{
    static uint64_t state;

    state = (state ^ __builtin_ia32_rdtsc() ^ hardware_random()) * 0x9e3779b97f4a7c15ull;
    return state ^ state >> 29;
}

static void print_start(void)
{
    moe_log("%.*s", (int)sizeof(sys_kinfo()->version), sys_kinfo()->version);
    moe_log("%lu KiB RAM: kernel %lu KiB, %u boot modules %lu KiB, free %lu KiB", boot->ram_bytes >> 10,
            boot->kernel_bytes >> 10, boot->module_count, boot->module_bytes >> 10, mem_free_bytes() >> 10);
}

void moe_print_footprint(void)
{
    static bool printed;

    if (printed) {
        return;
    }
    printed = true;
    mem_sweep();
    uint64_t others = boot->module_bytes + mem_guest_bytes() + mem_free_bytes();
    uint64_t bytes = boot->ram_bytes > others ? boot->ram_bytes - others : 0;
    moe_log("system memory besides guest RAM and boot modules: %lu KiB", bytes >> 10);
}

/* Options come before the first word without '-'; returns its index. */
static int parse_options(int argc, char **argv, const char **init)
{
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strncmp(argv[i], INIT_OPTION, strlen(INIT_OPTION)) == 0) {
            *init = argv[i] + strlen(INIT_OPTION);
        } else {
            moe_log("option %s is not known and ignored (moe knows --init=rom/PROGRAM)", argv[i]);
        }
    }
    return i;
}

int main(int argc, char **argv)
{
    const char *init = "rom/ned";

    if (boot->magic != BOOT_INFO_MAGIC) {
        abort();
    }
    int64_t err = sys_thread_set(CAP_THREAD, THREAD_PRIORITY, MOE_PRIORITY);
    log_init();
    mem_init();
    rom_init();
    prog_init();
    print_start();
    if (err < 0) {
        moe_log("cannot raise moe's own priority: %s", sk_strerror(err));
    }
    int first = parse_options(argc, argv, &init);
    if (first == argc) {
        moe_log("no scenario given: the roottask line of the entry in modules.list should read: moe rom/SCENARIO.ned");
    }
    if (!prog_start_ned(init, argv + first)) {
        moe_print_footprint();
    }
    server_loop();
}

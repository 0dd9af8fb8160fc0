// SPDX-License-Identifier: MIT
// blktest: drives a block server without a VM and verifies every block. Options: README.md.
#include "blktest.h"

#include <getopt.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <util/bits.h>

struct options opt = {
    .gate = "disk", .depth = 8, .ops = 2000, .max_bytes = 65536, .seed = 1, .align = BLOCK, .ms = 3000};
struct front front = {.queues = 1, .pieces = 4};
struct counts counts;

uint32_t random_u32(void)
{
    opt.seed ^= opt.seed << 13;
    opt.seed ^= opt.seed >> 17;
    opt.seed ^= opt.seed << 5;
    return opt.seed;
}

static const struct {
    const char *name;
    uint32_t *value;
    bool *flag;
} known[] = {
    {"depth", &opt.depth, NULL},     {"ops", &opt.ops, NULL},         {"max", &opt.max_bytes, NULL},
    {"seed", &opt.seed, NULL},       {"queues", &front.queues, NULL}, {"pieces", &front.pieces, NULL},
    {"align", &opt.align, NULL},     {"ms", &opt.ms, NULL},           {"readonly", NULL, &opt.readonly},
    {"hostile", NULL, &opt.hostile}, {"patient", NULL, &opt.patient}, {"ranges", NULL, &opt.ranges},
    {"gaps", NULL, &opt.gaps},       {"journal", NULL, &opt.journal}, {"write-through", NULL, &opt.write_through},
    {"packed", NULL, &front.packed}, {"queue-resets", NULL, &opt.queue_resets},
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

static bool options_sound(void)
{
    return front.queues >= 1 && front.queues <= FRONT_QUEUES && opt.depth >= front.queues && opt.depth <= FRONT_LANES &&
           front.pieces >= 1 && front.pieces <= FRONT_PIECES && opt.max_bytes >= BLOCK && opt.max_bytes <= 8u << 20 &&
           is_pow2(opt.align) && opt.align <= BLOCK && opt.seed;
}

static bool options(int argc, char **argv)
{
    struct option longs[KNOWN + 4] = {{"gate", 1, NULL, 'g'}, {"expect", 1, NULL, 'e'}, {"load", 1, NULL, 'l'}};
    int c, at;

    for (size_t i = 0; i < KNOWN; i++) {
        longs[i + 3] = (struct option){known[i].name, known[i].value ? 1 : 0, NULL, 0};
    }
    while ((c = getopt_long(argc, argv, "", longs, &at)) != -1) {
        if (c == 'g') {
            opt.gate = optarg;
        } else if (c == 'e') {
            opt.expect = strtol(optarg, NULL, 0);
        } else if (c == 'l') {
            opt.load = optarg;
        } else if (c == '?') {
            return false;
        } else if (known[at - 3].value) {
            *known[at - 3].value = (uint32_t)strtoul(optarg, NULL, 0);
        } else {
            *known[at - 3].flag = true;
        }
    }
    return options_sound();
}

static bool disk_start(void)
{
    if (front_start(&front, opt.depth, opt.journal ? JOURNAL_LANE_BYTES : lanes_bytes()) < 0 ||
        (opt.write_through && front_writeback(&front, false) < 0)) {
        return false;
    }
    printf("blktest: %llu sectors, blocks of %u bytes, features %llx\n", (unsigned long long)front.config.capacity,
           front.config.blk_size, (unsigned long long)front.features);
    return true;
}

static bool run(void)
{
    int64_t err = front_wait(&front, sk_env_get(opt.gate), opt.patient);

    if (err != opt.expect) {
        printf("blktest: the disk's status is %s, expected %s\n", sk_errname(err), sk_errname(opt.expect));
        return false;
    }
    if (opt.expect) {
        printf("blktest: %s as expected\n", sk_errname(err));
        return true;
    }
    if (!disk_start()) {
        return false;
    }
    if (opt.load) {
        return load_run();
    }
    return opt.journal ? journal_run()
                       : check_refusals() && lanes_run() && (!opt.queue_resets || check_queue_resets()) &&
                             (!opt.hostile || check_hostile());
}

int main(int argc, char **argv)
{
    if (!options(argc, argv)) {
        printf("blktest: bad option; its README.md has those that there are\n");
        return 2;
    }
    if (!sk_env_get(opt.gate)) {
        printf("blktest: there is no capability '%s': give the client side of a block server's gate\n", opt.gate);
        return 2;
    }
    uint64_t start = sys_now_ns();
    bool ok = run();

    if (opt.ranges) {
        printf("blktest: %llu discards, %llu write zeroes\n", (unsigned long long)counts.discarded,
               (unsigned long long)counts.zeroed);
    }
    printf("blktest: %s: %llu reads, %llu writes, %llu flushes in %llu ms; %llu kicks, %llu interrupts\n",
           ok ? "all verified" : "FAILED", (unsigned long long)counts.reads, (unsigned long long)counts.writes,
           (unsigned long long)counts.flushes, (unsigned long long)((sys_now_ns() - start) / 1000000),
           (unsigned long long)front.kicks, (unsigned long long)front.calls);
    return ok ? 0 : 1;
}

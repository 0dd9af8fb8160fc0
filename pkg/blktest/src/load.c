// SPDX-License-Identifier: MIT
/* Load: requests of one kind and size at random places for a time, nothing verified; how many there were and how long
 * they took. For tests of limits and fairness, and for figures. */
#include "blktest.h"

#include <sk/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define SAMPLES 65536u /* the last ones count for the quantiles */

static const struct {
    const char *name;
    uint32_t type;
} kinds[] = {
    {"read", VIRTIO_BLK_T_IN},         {"write", VIRTIO_BLK_T_OUT},           {"flush", VIRTIO_BLK_T_FLUSH},
    {"discard", VIRTIO_BLK_T_DISCARD}, {"zeroes", VIRTIO_BLK_T_WRITE_ZEROES},
};

static struct {
    uint64_t begun[FRONT_LANES];
    uint32_t sample_us[SAMPLES];
    uint64_t count, sum_us, max_us;
} load;

static int kind_type(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return (int)kinds[i].type;
        }
    }
    return -1;
}

static void post(uint32_t l, uint32_t type)
{
    uint64_t places = front.config.capacity / (opt.max_bytes / BLOCK);
    uint64_t sector = random_u32() % places * (opt.max_bytes / BLOCK);
    struct front_seg seg = {0, opt.max_bytes};

    load.begun[l] = sys_now_ns();
    if (type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES) {
        *(struct virtio_blk_range *)(void *)front_data(&front, l) =
            (struct virtio_blk_range){sector, opt.max_bytes / BLOCK, 0};
        seg.len = sizeof(struct virtio_blk_range);
        sector = 0;
    }
    front_post(&front, l, type, type == VIRTIO_BLK_T_FLUSH ? 0 : sector, &seg, type != VIRTIO_BLK_T_FLUSH);
}

static void count(uint32_t l, uint64_t now)
{
    uint64_t us = (now - load.begun[l]) / 1000;

    load.sample_us[load.count++ % SAMPLES] = (uint32_t)us;
    load.sum_us += us;
    load.max_us = max(load.max_us, us);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(uint64_t ns)
{
    uint64_t n = min(load.count, (uint64_t)SAMPLES);

    qsort(load.sample_us, n, sizeof(load.sample_us[0]), compare);
    printf("blktest: load: %llu requests of %u bytes in %llu us; latency us: mean %llu p50 %u p99 %u max %llu\n",
           (unsigned long long)load.count, opt.max_bytes, (unsigned long long)(ns / 1000),
           (unsigned long long)(load.sum_us / max(load.count, (uint64_t)1)), load.sample_us[n / 2],
           load.sample_us[n * 99 / 100], (unsigned long long)load.max_us);
}

bool load_run(void)
{
    uint64_t start = sys_now_ns(), now = start, end = start + opt.ms * 1000000ull;
    int type = kind_type(opt.load);
    uint32_t l, written, in_flight = opt.depth;
    uint8_t status;

    if (type < 0 || front.config.capacity < opt.max_bytes / BLOCK || front.lane_bytes < opt.max_bytes) {
        printf("blktest: --load %s: no such load, or the disk is too small\n", opt.load);
        return false;
    }
    for (l = 0; l < opt.depth; l++) {
        post(l, (uint32_t)type);
    }
    front_kick(&front);
    for (; in_flight; in_flight--) {
        if (!front_complete(&front, &l, &status, &written) || status != VIRTIO_BLK_S_OK) {
            printf("blktest: load: a request failed or did not end within 40 s\n");
            return false;
        }
        now = sys_now_ns();
        count(l, now);
        if (now < end) {
            post(l, (uint32_t)type);
            front_kick(&front);
            in_flight++;
        }
    }
    report(now - start);
    return true;
}

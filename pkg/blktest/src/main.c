// SPDX-License-Identifier: MIT
/* blktest: drives a block server without a VM and verifies every block. Random reads, writes and flushes of all sizes
 * at a given depth; each block that was written carries its number and a generation. Options: README.md. */
#include "front.h"

#include <getopt.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define BLOCK 512u
#define BLOCKS_MAX 65536u /* part of the disk that is used */
#define GENERATION_ZERO UINT32_MAX

static struct {
    const char *gate;
    uint32_t depth, ops, max_bytes, seed;
    bool readonly, hostile, patient, ranges;
    int64_t expect;
} opt = {.gate = "disk", .depth = 8, .ops = 2000, .max_bytes = 65536, .seed = 1};

static struct front front = {.queues = 1};
static uint32_t generation[BLOCKS_MAX]; /* of what each block holds; 0: not known */
static uint32_t blocks_used, next_generation = 1;
static uint64_t reads, writes, flushes, zeroed, discarded;

/* Each lane has its own part of the disk, so that requests in flight never overlap. */
static struct lane {
    uint32_t type, first, blocks, generation;
} lanes[FRONT_LANES];

static uint32_t random_u32(void)
{
    opt.seed ^= opt.seed << 13;
    opt.seed ^= opt.seed >> 17;
    opt.seed ^= opt.seed << 5;
    return opt.seed;
}

static void block_fill(uint8_t *p, uint32_t block, uint32_t gen)
{
    uint32_t *w = (uint32_t *)(void *)p;

    for (uint32_t i = 0; i < BLOCK / 4; i += 2) {
        w[i] = block;
        w[i + 1] = gen ^ i;
    }
}

static bool block_check(const uint8_t *p, uint32_t block, uint32_t gen)
{
    uint8_t want[BLOCK];

    if (gen == GENERATION_ZERO) {
        memset(want, 0, BLOCK);
    } else {
        block_fill(want, block, gen);
    }
    if (gen == 0 || memcmp(p, want, BLOCK) == 0) {
        return true;
    }
    const uint32_t *w = (const uint32_t *)(const void *)p;

    printf("blktest: block %u is wrong: generation %u is expected, it says block %u, generation %u\n", block, gen, w[0],
           w[1]);
    return false;
}

static bool lane_ranges(const struct lane *lane)
{
    return lane->type == VIRTIO_BLK_T_DISCARD || lane->type == VIRTIO_BLK_T_WRITE_ZEROES;
}

/* The lane's blocks as two ranges where they can be cut. */
static void lane_submit_range(uint32_t l)
{
    struct lane *lane = &lanes[l];
    struct virtio_blk_range *r = (void *)front_data(&front, l);
    uint32_t unit = max(front.config.blk_size / BLOCK, 1u), half = lane->blocks / 2 / unit * unit;
    uint32_t len = 2 * sizeof(*r), flags = lane->type == VIRTIO_BLK_T_WRITE_ZEROES ? random_u32() & 1 : 0;

    r[0] = (struct virtio_blk_range){lane->first, half, flags};
    r[1] = (struct virtio_blk_range){lane->first + half, lane->blocks - half, flags};
    front_post(&front, l, lane->type, 0, &len, 1);
}

static void lane_submit(uint32_t l)
{
    struct lane *lane = &lanes[l];
    uint32_t unit = max(front.config.blk_size / BLOCK, 1u), part = blocks_used / opt.depth / unit * unit;
    uint32_t most = min(opt.max_bytes / BLOCK, part) / unit, pick = random_u32() % 100;
    uint32_t len[FRONT_PIECES] = {0}, pieces = 0;

    lane->type = opt.readonly                ? VIRTIO_BLK_T_IN
                 : pick < 2                  ? VIRTIO_BLK_T_FLUSH
                 : pick < 50                 ? VIRTIO_BLK_T_OUT
                 : pick >= 60 || !opt.ranges ? VIRTIO_BLK_T_IN
                 : pick < 55                 ? VIRTIO_BLK_T_DISCARD
                                             : VIRTIO_BLK_T_WRITE_ZEROES;
    lane->blocks = (1 + random_u32() % most) * unit;
    lane->first = l * part + random_u32() % ((part - lane->blocks) / unit + 1) * unit;
    lane->generation = next_generation++;
    for (uint32_t i = 0; lane->type == VIRTIO_BLK_T_OUT && i < lane->blocks; i++) {
        block_fill(front_data(&front, l) + i * BLOCK, lane->first + i, lane->generation);
    }
    if (lane_ranges(lane)) {
        lane_submit_range(l);
        return;
    }
    for (uint32_t left = lane->blocks; lane->type != VIRTIO_BLK_T_FLUSH && left > 0; pieces++) {
        uint32_t n = pieces == FRONT_PIECES - 1 ? left : 1 + random_u32() % left;

        len[pieces] = n * BLOCK;
        left -= n;
    }
    front_post(&front, l, lane->type, lane->type == VIRTIO_BLK_T_FLUSH ? 0 : lane->first, len, pieces);
}

static bool lane_finish(uint32_t l, uint8_t status, uint32_t written)
{
    struct lane *lane = &lanes[l];
    uint32_t want = lane->type == VIRTIO_BLK_T_IN ? lane->blocks * BLOCK + 1 : 1;

    if (status != VIRTIO_BLK_S_OK || written != want) {
        printf("blktest: request of type %u at block %u, %u blocks: status %u, %u bytes written\n", lane->type,
               lane->first, lane->blocks, status, written);
        return false;
    }
    for (uint32_t i = 0; i < lane->blocks; i++) {
        if (lane->type == VIRTIO_BLK_T_OUT) {
            generation[lane->first + i] = lane->generation;
        } else if (lane_ranges(lane)) {
            generation[lane->first + i] = lane->type == VIRTIO_BLK_T_DISCARD ? 0 : GENERATION_ZERO;
        } else if (lane->type == VIRTIO_BLK_T_IN &&
                   !block_check(front_data(&front, l) + i * BLOCK, lane->first + i, generation[lane->first + i])) {
            return false;
        }
    }
    reads += lane->type == VIRTIO_BLK_T_IN;
    writes += lane->type == VIRTIO_BLK_T_OUT;
    flushes += lane->type == VIRTIO_BLK_T_FLUSH;
    discarded += lane->type == VIRTIO_BLK_T_DISCARD;
    zeroed += lane->type == VIRTIO_BLK_T_WRITE_ZEROES;
    return true;
}

static bool run_random(void)
{
    uint32_t started = 0, finished = 0, l, written;
    uint8_t status;

    for (; started < opt.depth && started < opt.ops; started++) {
        lane_submit(started);
    }
    front_kick(&front);
    while (finished < started) {
        if (!front_complete(&front, &l, &status, &written)) {
            printf("blktest: %u requests did not end within 40 s\n", started - finished);
            return false;
        }
        finished++;
        if (!lane_finish(l, status, written)) {
            return false;
        }
        if (started < opt.ops) {
            lane_submit(l);
            started++;
            front_kick(&front);
        }
    }
    return true;
}

/* A discard or write zeroes of one range; its status. */
static int run_one(uint32_t type, uint64_t sector, uint32_t len);
static int run_range(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    *(struct virtio_blk_range *)(void *)front_data(&front, 0) = (struct virtio_blk_range){sector, sectors, flags};
    return run_one(type, 0, sizeof(struct virtio_blk_range));
}

/* One request alone; its status. */
static int run_one(uint32_t type, uint64_t sector, uint32_t len)
{
    uint32_t l, written;
    uint8_t status;

    front_post(&front, 0, type, sector, &len, len ? 1 : 0);
    front_kick(&front);
    return front_complete(&front, &l, &status, &written) ? status : -1;
}

static bool expect(const char *what, int got, int want)
{
    if (got != want) {
        printf("blktest: %s: status %d, expected %d\n", what, got, want);
    }
    return got == want;
}

static bool run_range_refusals(void)
{
    uint64_t end = front.config.capacity;
    uint32_t unit = max(front.config.blk_size / BLOCK, 1u);

    return expect("discard behind the end", run_range(VIRTIO_BLK_T_DISCARD, end, unit, 0), VIRTIO_BLK_S_IOERR) &&
           expect("discard across the end", run_range(VIRTIO_BLK_T_DISCARD, end - unit, 2 * unit, 0),
                  VIRTIO_BLK_S_IOERR) &&
           expect("discard with a flag", run_range(VIRTIO_BLK_T_DISCARD, 0, unit, 1), VIRTIO_BLK_S_UNSUPP) &&
           expect("write zeroes across the end", run_range(VIRTIO_BLK_T_WRITE_ZEROES, end - unit, 2 * unit, 0),
                  VIRTIO_BLK_S_IOERR) &&
           expect("write zeroes with unknown flags", run_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, unit, 6),
                  VIRTIO_BLK_S_UNSUPP) &&
           (unit == 1 ||
            expect("discard of half a block", run_range(VIRTIO_BLK_T_DISCARD, unit / 2, unit, 0), VIRTIO_BLK_S_IOERR));
}

static bool run_refusals(void)
{
    uint64_t end = front.config.capacity;
    char id[VIRTIO_BLK_ID_BYTES + 1] = "";

    if (!expect("get-id", run_one(VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES), VIRTIO_BLK_S_OK)) {
        return false;
    }
    memcpy(id, front_data(&front, 0), VIRTIO_BLK_ID_BYTES);
    printf("blktest: id %s\n", id);
    return expect("unknown type", run_one(77, 0, 512), VIRTIO_BLK_S_UNSUPP) &&
           expect("read behind the end", run_one(VIRTIO_BLK_T_IN, end, 512), VIRTIO_BLK_S_IOERR) &&
           expect("read across the end", run_one(VIRTIO_BLK_T_IN, end - 1, 1024), VIRTIO_BLK_S_IOERR) &&
           expect("write far behind the end", run_one(VIRTIO_BLK_T_OUT, UINT64_MAX, 512), VIRTIO_BLK_S_IOERR) &&
           expect("half a block", run_one(VIRTIO_BLK_T_IN, 0, 256), VIRTIO_BLK_S_IOERR) &&
           expect("flush", run_one(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK) &&
           (!opt.ranges || run_range_refusals()) &&
           (!opt.readonly ||
            (expect("discard on a read-only disk", run_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR) &&
             expect("write zeroes on a read-only disk", run_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0),
                    VIRTIO_BLK_S_IOERR) &&
             expect("write to a read-only disk", run_one(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR)));
}

/* Breaks the ring in several ways; each time the server must ask for a reset, and work after it. */
static bool run_hostile(void)
{
    for (unsigned way = 0; way < 4; way++) {
        uint8_t status = 0;
        uint32_t len = 512;

        front_post(&front, 0, VIRTIO_BLK_T_IN, 0, &len, 1);
        switch (way) {
        case 0:
            front.queue[0].desc[2].flags = VIRTQ_DESC_F_NEXT, front.queue[0].desc[2].next = 0;
            break; /* a loop */
        case 1:
            front.queue[0].avail->idx += 1000;
            break;
        case 2:
            front.queue[0].avail->ring[(front.queue[0].avail->idx - 1) % FRONT_NUM] = 60000;
            break;
        case 3:
            front.queue[0].desc[2].addr = 0xfffffffffffff000;
            break; /* status byte outside memory */
        }
        sys_signal_raise(front.queue[0].kick);
        for (unsigned i = 0; i < 1000 && !(status & VIRTIO_STATUS_NEEDS_RESET); i++) {
            if (front_status(&front, &status) < 0) {
                return false;
            }
        }
        if (!(status & VIRTIO_STATUS_NEEDS_RESET)) {
            printf("blktest: broken ring %u: the server does not ask for a reset\n", way);
            return false;
        }
        if (front_reset(&front) < 0 || front_queue(&front) < 0 ||
            !expect("read after the reset", run_one(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK)) {
            return false;
        }
    }
    return true;
}

static bool options(int argc, char **argv)
{
    static const struct option longs[] = {
        {"gate", 1, NULL, 'g'},   {"depth", 1, NULL, 'd'},    {"ops", 1, NULL, 'n'},     {"max", 1, NULL, 'm'},
        {"seed", 1, NULL, 's'},   {"readonly", 0, NULL, 'r'}, {"hostile", 0, NULL, 'h'}, {"patient", 0, NULL, 'p'},
        {"expect", 1, NULL, 'e'}, {"ranges", 0, NULL, 'z'},   {"queues", 1, NULL, 'q'},  {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'g':
            opt.gate = optarg;
            break;
        case 'd':
            opt.depth = (uint32_t)strtoul(optarg, NULL, 0);
            break;
        case 'n':
            opt.ops = (uint32_t)strtoul(optarg, NULL, 0);
            break;
        case 'm':
            opt.max_bytes = (uint32_t)strtoul(optarg, NULL, 0);
            break;
        case 's':
            opt.seed = (uint32_t)strtoul(optarg, NULL, 0);
            break;
        case 'e':
            opt.expect = strtol(optarg, NULL, 0);
            break;
        case 'r':
            opt.readonly = true;
            break;
        case 'h':
            opt.hostile = true;
            break;
        case 'q':
            front.queues = (uint32_t)strtoul(optarg, NULL, 0);
            break;
        case 'z':
            opt.ranges = true;
            break;
        case 'p':
            opt.patient = true;
            break;
        default:
            return false;
        }
    }
    return front.queues >= 1 && front.queues <= FRONT_QUEUES && opt.depth >= 1 && opt.depth <= FRONT_LANES &&
           opt.max_bytes >= 4096 && opt.max_bytes <= 1u << 20 && opt.seed;
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
    if (front_start(&front, opt.depth, opt.max_bytes) < 0) {
        return false;
    }
    printf("blktest: %llu sectors, blocks of %u bytes, features %llx\n", (unsigned long long)front.config.capacity,
           front.config.blk_size, (unsigned long long)front.features);
    blocks_used = (uint32_t)min(front.config.capacity, (uint64_t)BLOCKS_MAX);
    return run_refusals() && run_random() && (!opt.hostile || run_hostile());
}

int main(int argc, char **argv)
{
    if (!options(argc, argv)) {
        printf("blktest: bad option; known are --gate NAME --depth 1..32 --queues 1..4 --ops N --max BYTES --seed N "
               "--readonly "
               "--hostile --patient --ranges "
               "--expect STATUS\n");
        return 2;
    }
    if (!sk_env_get(opt.gate)) {
        printf("blktest: there is no capability '%s': give the client side of a block server's gate\n", opt.gate);
        return 2;
    }
    uint64_t start = sys_now_ns();
    bool ok = run();

    if (opt.ranges) {
        printf("blktest: %llu discards, %llu write zeroes\n", (unsigned long long)discarded,
               (unsigned long long)zeroed);
    }
    printf("blktest: %s: %llu reads, %llu writes, %llu flushes in %llu ms; %llu kicks, %llu interrupts\n",
           ok ? "all verified" : "FAILED", (unsigned long long)reads, (unsigned long long)writes,
           (unsigned long long)flushes, (unsigned long long)((sys_now_ns() - start) / 1000000),
           (unsigned long long)front.kicks, (unsigned long long)front.calls);
    return ok ? 0 : 1;
}

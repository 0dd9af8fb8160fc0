// SPDX-License-Identifier: MIT
/* Random requests, as many at a time as there are lanes. Every block that was written carries its number and a
 * generation; a read's blocks are compared with what was written last, and so is the whole at the end. Memory between a
 * request's pieces must stay as it was. */
#include "blktest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define BLOCKS_MAX 65536u /* part of the disk that is used */
#define GENERATION_ZERO UINT32_MAX
#define GUARD 0xa5
#define GAP_MAX 512u

static uint32_t generation[BLOCKS_MAX]; /* of what each block holds; 0: not known */
static uint32_t blocks_used, next_generation = 1, submitted, swept;
static uint8_t *stage; /* a request's data in one piece */

/* Each lane has its own part of the disk, so that requests in flight never overlap. */
static struct lane {
    uint32_t type, first, blocks, generation, pieces;
    struct front_seg seg[FRONT_PIECES];
} lanes[FRONT_LANES];

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

uint32_t lanes_bytes(void)
{
    uint32_t bytes = opt.max_bytes;

    if (opt.gaps || opt.align < BLOCK) {
        bytes += (uint32_t)PAGE_SIZE + (opt.gaps ? front.pieces * GAP_MAX : 0);
    }
    return (uint32_t)align_up(bytes, PAGE_SIZE);
}

/* A piece's length where `left` units are to go in `pieces` pieces of at most `most`: all lengths come up. */
static uint32_t piece_length(uint32_t left, uint32_t pieces, uint32_t most)
{
    uint32_t others = (pieces - 1) * most, least = left > others ? left - others : 1;
    uint32_t usual = max(2 * left / pieces, least), upper = min(left - (pieces - 1), most);

    upper = min(upper, usual);
    return pieces == 1 ? left : least + random_u32() % (upper - least + 1);
}

/* Cuts the lane's blocks into pieces in its memory. */
static void lane_scatter(struct lane *lane)
{
    uint32_t units = lane->blocks * BLOCK / opt.align, most = front.config.size_max / opt.align;
    uint32_t least = (units + most - 1) / most, at = 0;

    lane->pieces = 1 + random_u32() % min(front.pieces, units);
    lane->pieces = max(lane->pieces, least);
    if (opt.gaps || opt.align < BLOCK) {
        at = random_u32() % (PAGE_SIZE / opt.align) * opt.align;
    }
    for (uint32_t i = 0; i < lane->pieces; i++) {
        uint32_t n = piece_length(units, lane->pieces - i, most);

        lane->seg[i] = (struct front_seg){at, n * opt.align};
        units -= n;
        at += n * opt.align;
        if (opt.gaps) {
            at += random_u32() % (GAP_MAX / opt.align) * opt.align;
        }
    }
}

static void lane_copy(uint32_t l, bool out)
{
    struct lane *lane = &lanes[l];
    uint8_t *mem = front_data(&front, l), *p = stage;

    for (uint32_t i = 0; i < lane->pieces; i++) {
        struct front_seg s = lane->seg[i];

        memcpy(out ? mem + s.off : p, out ? p : mem + s.off, s.len);
        p += s.len;
    }
}

/* Whether the drive wrote into the pieces only. */
static bool lane_guarded(uint32_t l)
{
    const struct lane *lane = &lanes[l];
    const uint8_t *mem = front_data(&front, l);
    uint32_t at = 0;

    for (uint32_t i = 0; i <= lane->pieces; i++) {
        for (uint32_t end = i == lane->pieces ? front.lane_bytes : lane->seg[i].off; at < end; at++) {
            if (mem[at] != GUARD) {
                printf("blktest: reading block %u, %u blocks: byte %u of the lane's memory was written\n", lane->first,
                       lane->blocks, at);
                return false;
            }
        }
        at = i == lane->pieces ? at : lane->seg[i].off + lane->seg[i].len;
    }
    return true;
}

static bool lane_ranges(const struct lane *lane)
{
    return lane->type == VIRTIO_BLK_T_DISCARD || lane->type == VIRTIO_BLK_T_WRITE_ZEROES;
}

/* The lane's blocks as two ranges where they can be cut. */
static void lane_post_range(uint32_t l)
{
    struct lane *lane = &lanes[l];
    struct virtio_blk_range *r = (void *)front_data(&front, l);
    uint32_t half = lane->blocks / 2 / disk_unit() * disk_unit();
    uint32_t flags = lane->type == VIRTIO_BLK_T_WRITE_ZEROES ? random_u32() & 1 : 0;
    struct front_seg seg = {0, 2 * sizeof(*r)};

    r[0] = (struct virtio_blk_range){lane->first, half, flags};
    r[1] = (struct virtio_blk_range){lane->first + half, lane->blocks - half, flags};
    front_post(&front, l, lane->type, 0, &seg, 1);
}

static void lane_post(uint32_t l)
{
    struct lane *lane = &lanes[l];

    front.indirect = random_u32() & 1;
    if (lane_ranges(lane)) {
        lane_post_range(l);
        return;
    }
    lane->pieces = 0;
    if (lane->type != VIRTIO_BLK_T_FLUSH) {
        lane_scatter(lane);
    }
    if (lane->type == VIRTIO_BLK_T_OUT) {
        for (uint32_t i = 0; i < lane->blocks; i++) {
            block_fill(stage + i * BLOCK, lane->first + i, lane->generation);
        }
        lane_copy(l, true);
    } else {
        memset(front_data(&front, l), GUARD, front.lane_bytes);
    }
    front_post(&front, l, lane->type, lane->type == VIRTIO_BLK_T_FLUSH ? 0 : lane->first, lane->seg, lane->pieces);
}

static bool next_random(uint32_t l)
{
    struct lane *lane = &lanes[l];
    uint32_t unit = disk_unit(), part = blocks_used / opt.depth / unit * unit;
    uint32_t most = min(opt.max_bytes / BLOCK, part) / unit, pick = random_u32() % 100;

    if (submitted == opt.ops) {
        return false;
    }
    submitted++;
    lane->type = opt.readonly                ? VIRTIO_BLK_T_IN
                 : pick < 2                  ? VIRTIO_BLK_T_FLUSH
                 : pick < 50                 ? VIRTIO_BLK_T_OUT
                 : pick >= 60 || !opt.ranges ? VIRTIO_BLK_T_IN
                 : pick < 55                 ? VIRTIO_BLK_T_DISCARD
                                             : VIRTIO_BLK_T_WRITE_ZEROES;
    lane->blocks = (1 + random_u32() % most) * unit;
    lane->first = l * part + random_u32() % ((part - lane->blocks) / unit + 1) * unit;
    lane->generation = next_generation++;
    lane_post(l);
    return true;
}

/* The next blocks of which the content is known. */
static bool next_sweep(uint32_t l)
{
    struct lane *lane = &lanes[l];
    uint32_t unit = disk_unit(), most = min(opt.max_bytes / BLOCK, 512u) / unit * unit;

    while (swept < blocks_used && generation[swept] == 0) {
        swept += unit;
    }
    if (swept >= blocks_used) {
        return false;
    }
    lane->type = VIRTIO_BLK_T_IN;
    lane->first = swept;
    while (swept < blocks_used && swept - lane->first < most && generation[swept] != 0) {
        swept += unit;
    }
    lane->blocks = swept - lane->first;
    counts.swept += lane->blocks;
    lane_post(l);
    return true;
}

static void lane_count(const struct lane *lane)
{
    counts.reads += lane->type == VIRTIO_BLK_T_IN;
    counts.writes += lane->type == VIRTIO_BLK_T_OUT;
    counts.flushes += lane->type == VIRTIO_BLK_T_FLUSH;
    counts.discarded += lane->type == VIRTIO_BLK_T_DISCARD;
    counts.zeroed += lane->type == VIRTIO_BLK_T_WRITE_ZEROES;
}

static bool lane_finish(uint32_t l, uint8_t status, uint32_t written)
{
    struct lane *lane = &lanes[l];
    bool read = lane->type == VIRTIO_BLK_T_IN;

    if (status != VIRTIO_BLK_S_OK || written != (read ? lane->blocks * BLOCK + 1 : 1)) {
        printf("blktest: request of type %u at block %u, %u blocks in %u pieces: status %u, %u bytes written\n",
               lane->type, lane->first, lane->blocks, lane->pieces, status, written);
        return false;
    }
    if (read) {
        lane_copy(l, false);
    }
    for (uint32_t i = 0; i < lane->blocks; i++) {
        if (lane->type == VIRTIO_BLK_T_OUT) {
            generation[lane->first + i] = lane->generation;
        } else if (lane_ranges(lane)) {
            generation[lane->first + i] = lane->type == VIRTIO_BLK_T_DISCARD ? 0 : GENERATION_ZERO;
        } else if (read && !block_check(stage + i * BLOCK, lane->first + i, generation[lane->first + i])) {
            return false;
        }
    }
    lane_count(lane);
    return !read || lane_guarded(l);
}

static bool run_lanes(bool (*next)(uint32_t l))
{
    uint32_t started = 0, finished = 0, l, written;
    uint8_t status;

    while (started < opt.depth && next(started)) {
        started++;
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
        if (next(l)) {
            started++;
            front_kick(&front);
        }
    }
    return true;
}

bool lanes_run(void)
{
    blocks_used = (uint32_t)min(front.config.capacity, (uint64_t)BLOCKS_MAX);
    stage = malloc(opt.max_bytes);
    if (!stage || blocks_used / opt.depth < disk_unit() || opt.max_bytes < disk_unit() * BLOCK) {
        printf("blktest: %s\n",
               stage ? "the disk is too small for that depth, or --max for its blocks" : "no memory is left");
        return false;
    }
    bool ok = run_lanes(next_random) && run_lanes(next_sweep);

    free(stage);
    return ok;
}

// SPDX-License-Identifier: MIT
/* What a client was told to be flushed must survive the power's going at any moment; tests/scenario/logwrites.py looks
 * for it.
 *
 * Records 1, 2, 3, ... are written by all lanes but one, each into slot (number % slots), so that old ones are
 * overwritten. The last lane goes round: it takes the highest number up to which all records have ended, flushes, and
 * when the flush has ended writes that number into the disk's first block. Whenever that block says N, all records up
 * to N are there (or newer ones in their slots), whatever became of everything that was written after the flush.
 *
 * Format, little-endian 32-bit words of each 512-byte sector. Record: magic, its number, the sector's index in it, its
 * sectors, then word i = number * 2654435761 + index * 40503 + i * 97. First block: magic, N, zeros. Slot k begins at
 * sector 64 + 32 k. */
#include "blktest.h"

#include <stdio.h>
#include <string.h>
#include <util/bits.h>

#define RECORD_MAGIC 0x44434552u
#define MARK_MAGIC 0x4b52414du
#define SLOT_FIRST 64u
#define SLOT_SECTORS (JOURNAL_LANE_BYTES / BLOCK)
#define SLOTS_MAX 512u
#define SHOW_EVERY 16u /* marks */

static struct journal {
    uint32_t slots, next, flushed, ended; /* numbers of records */
    uint32_t lane[FRONT_LANES];           /* record that it writes, 0: none */
    bool done[SLOTS_MAX];                 /* by number % slots: between `ended` and `next` */
    enum { CONTROL_IDLE, CONTROL_FLUSHES, CONTROL_MARKS } control;
    uint32_t target, marks;
} j;

static uint32_t record_sectors(uint32_t number)
{
    return (1 + number * 2654435761u % (SLOT_SECTORS / disk_unit())) * disk_unit();
}

static void record_post(uint32_t l)
{
    uint32_t number = j.next++, sectors = record_sectors(number);
    uint32_t *w = (uint32_t *)(void *)front_data(&front, l);
    struct front_seg seg[2] = {{0, sectors * BLOCK / 2}, {sectors * BLOCK / 2, sectors * BLOCK / 2}};

    for (uint32_t index = 0; index < sectors; index++, w += BLOCK / 4) {
        w[0] = RECORD_MAGIC, w[1] = number, w[2] = index, w[3] = sectors;
        for (uint32_t i = 4; i < BLOCK / 4; i++) {
            w[i] = number * 2654435761u + index * 40503u + i * 97u;
        }
    }
    j.lane[l] = number;
    j.done[number % j.slots] = false;
    front_post(&front, l, VIRTIO_BLK_T_OUT, SLOT_FIRST + number % j.slots * SLOT_SECTORS, seg, 2);
    counts.writes++;
}

/* Never more than half of the slots ahead of the slowest, so that no two writes of a slot are in flight. */
static void record_next(uint32_t l)
{
    j.lane[l] = 0;
    if (j.next <= opt.ops && j.next - j.ended < j.slots / 2) {
        record_post(l);
    }
}

static void mark_post(uint32_t l)
{
    struct front_seg seg = {0, disk_unit() * BLOCK};
    uint32_t *w = (uint32_t *)(void *)front_data(&front, l);

    memset(w, 0, seg.len);
    w[0] = MARK_MAGIC, w[1] = j.target;
    j.flushed = j.target;
    j.control = CONTROL_MARKS;
    if (++j.marks % SHOW_EVERY == 0) {
        printf("blktest: flushed %u\n", j.flushed);
    }
    front_post(&front, l, VIRTIO_BLK_T_OUT, 0, &seg, 1);
}

static void control_next(uint32_t l)
{
    bool cache = (front.features & VIRTIO_BLK_F_FLUSH) && !opt.write_through;

    if (j.control == CONTROL_FLUSHES) {
        mark_post(l);
        return;
    }
    j.control = CONTROL_IDLE;
    if (j.ended == j.flushed) {
        return;
    }
    j.target = j.ended;
    if (!cache) {
        mark_post(l);
        return;
    }
    j.control = CONTROL_FLUSHES;
    front_post(&front, l, VIRTIO_BLK_T_FLUSH, 0, NULL, 0);
    counts.flushes++;
}

/* What can be started after something has ended. */
static void start(void)
{
    for (uint32_t l = 0; l < opt.depth - 1; l++) {
        if (j.lane[l] == 0) {
            record_next(l);
        }
    }
    if (j.control == CONTROL_IDLE) {
        control_next(opt.depth - 1);
    }
    front_kick(&front);
}

static void finish(uint32_t l)
{
    if (l == opt.depth - 1) {
        control_next(l);
        return;
    }
    j.done[j.lane[l] % j.slots] = true;
    j.lane[l] = 0;
    while (j.ended + 1 < j.next && j.done[(j.ended + 1) % j.slots]) {
        j.ended++;
    }
}

bool journal_run(void)
{
    uint32_t l, written;
    uint8_t status;

    if (front.config.capacity < SLOT_FIRST + 2 * FRONT_LANES * SLOT_SECTORS || opt.depth < 2) {
        printf("blktest: a journal needs a disk of %u sectors and a depth of 2\n",
               SLOT_FIRST + 2 * FRONT_LANES * SLOT_SECTORS);
        return false;
    }
    j.slots = (uint32_t)min((front.config.capacity - SLOT_FIRST) / SLOT_SECTORS, (uint64_t)SLOTS_MAX);
    j.next = 1;
    printf("blktest: journal of %u slots\n", j.slots);
    for (start(); j.flushed < opt.ops; start()) {
        if (!front_complete(&front, &l, &status, &written) || status != VIRTIO_BLK_S_OK) {
            printf("blktest: journal: a request failed, %u records have ended\n", j.ended);
            return false;
        }
        finish(l);
    }
    printf("blktest: flushed %u, %u marks\n", j.flushed, j.marks);
    while (j.control != CONTROL_IDLE) {
        if (!front_complete(&front, &l, &status, &written) || status != VIRTIO_BLK_S_OK) {
            return false;
        }
        finish(l);
    }
    return true;
}

// SPDX-License-Identifier: MIT
// What a block server must refuse, and broken rings.
#include "blktest.h"

#include <sk/env.h>
#include <sk/sys.h>
#include <stdio.h>
#include <string.h>
#include <util/bits.h>

int check_one(uint32_t type, uint64_t sector, uint32_t len)
{
    struct front_seg seg = {0, len};
    uint32_t l, written;
    uint8_t status;

    front_post(&front, 0, type, sector, &seg, len ? 1 : 0);
    front_kick(&front);
    return front_complete(&front, &l, &status, &written) ? status : -1;
}

/* A discard or write zeroes of one range; its status. */
static int run_range(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    *(struct virtio_blk_range *)(void *)front_data(&front, 0) = (struct virtio_blk_range){sector, sectors, flags};
    return check_one(type, 0, sizeof(struct virtio_blk_range));
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
    uint32_t unit = disk_unit();

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

static bool run_unaligned_refusals(void)
{
    uint32_t half = front.config.blk_size / 2;

    return disk_unit() == 1 ||
           (expect("read of half a block", check_one(VIRTIO_BLK_T_IN, 0, half), VIRTIO_BLK_S_IOERR) &&
            expect("read within a block", check_one(VIRTIO_BLK_T_IN, 1, 2 * half), VIRTIO_BLK_S_IOERR) &&
            (opt.readonly ||
             expect("write of half a block", check_one(VIRTIO_BLK_T_OUT, 0, half), VIRTIO_BLK_S_IOERR)));
}

bool check_refusals(void)
{
    uint64_t end = front.config.capacity;
    char id[VIRTIO_BLK_ID_BYTES + 1] = "";

    if (!expect("get-id", check_one(VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES), VIRTIO_BLK_S_OK)) {
        return false;
    }
    memcpy(id, front_data(&front, 0), VIRTIO_BLK_ID_BYTES);
    printf("blktest: id %s\n", id);
    return expect("unknown type", check_one(77, 0, 512), VIRTIO_BLK_S_UNSUPP) &&
           expect("read behind the end", check_one(VIRTIO_BLK_T_IN, end, 512), VIRTIO_BLK_S_IOERR) &&
           expect("read across the end", check_one(VIRTIO_BLK_T_IN, end - 1, 1024), VIRTIO_BLK_S_IOERR) &&
           expect("write far behind the end", check_one(VIRTIO_BLK_T_OUT, UINT64_MAX, 512), VIRTIO_BLK_S_IOERR) &&
           expect("half a sector", check_one(VIRTIO_BLK_T_IN, 0, 256), VIRTIO_BLK_S_IOERR) &&
           run_unaligned_refusals() && expect("flush", check_one(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK) &&
           (!opt.ranges || run_range_refusals()) &&
           (!opt.readonly ||
            (expect("discard on a read-only disk", run_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR) &&
             expect("write zeroes on a read-only disk", run_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0),
                    VIRTIO_BLK_S_IOERR) &&
             expect("write to a read-only disk", check_one(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR)));
}

/* Breaks the ring in one of several ways; the server must ask for a reset, and work after it. */
static bool run_hostile(unsigned way)
{
    struct front_seg seg = {0, max(front.config.blk_size, BLOCK)};
    uint8_t status = 0;

    front.indirect = way & 1;
    front_post(&front, 0, VIRTIO_BLK_T_IN, 0, &seg, 1);
    front_break(&front, 0, way / 2);
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
    return front_reset(&front) >= 0 && front_queue(&front) >= 0 &&
           expect("read after the reset", check_one(VIRTIO_BLK_T_IN, 0, seg.len), VIRTIO_BLK_S_OK);
}

bool check_hostile(void)
{
    for (unsigned way = 0; way < 2 * RING_WAYS; way++) {
        if (!run_hostile(way)) {
            return false;
        }
    }
    return true;
}

/* Requests on all lanes; true when as many have ended well as are on the queues from `first` on. */
static bool run_reads(uint32_t first, bool (*between)(uint32_t queue))
{
    struct front_seg seg = {0, max(front.config.blk_size, BLOCK)};
    uint32_t ended = 0, lane, written;
    uint8_t status;

    for (lane = 0; lane < opt.depth; lane++) {
        front_post(&front, lane, VIRTIO_BLK_T_IN, (uint64_t)lane * disk_unit(), &seg, 1);
    }
    front_kick(&front);
    if (between && !between(first)) {
        return false;
    }
    for (lane = 0; lane < opt.depth; lane++) {
        ended += lane % front.queues != first || front_lane_status(&front, lane) != FRONT_NO_STATUS;
    }
    while (ended-- > 0) {
        if (!front_complete(&front, &lane, &status, &written) ||
            !expect("read around a queue's reset", status, VIRTIO_BLK_S_OK)) {
            return false;
        }
    }
    return true;
}

/* Afterwards it has nothing in flight: what it has not ended it has not taken. */
static bool stop_queue(uint32_t queue)
{
    uint64_t base;
    int64_t err = front_queue_stop(&front, queue, &base);

    if (err < 0) {
        printf("blktest: stopping queue %u: %s\n", queue, sk_strerror(err));
    }
    return err >= 0;
}

bool check_queue_resets(void)
{
    for (uint32_t i = 0; i < front.queues; i++) {
        if (!run_reads(i, stop_queue) || front_queue_start(&front, i) < 0 || !run_reads(FRONT_QUEUES, NULL)) {
            return false;
        }
    }
    return true;
}

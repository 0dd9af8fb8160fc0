// SPDX-License-Identifier: MIT
/* Requests that name ranges of blocks instead of data: DISCARD becomes one Dataset Management command (deallocate),
 * WRITE_ZEROES one or more Write Zeroes commands [virtio-1.2 5.2.6.2, NVMe-1.4 6.7, 6.16]. All ranges of a request are
 * checked before the first command is put: a bad one fails the request as a whole, with nothing done. */
#pragma once

#include "blkdev.h"

/* The features and limits for the configuration; the target is set. */
void blkrange_offer(struct blkdev *d);
/* Copies and checks the ranges in count segments. VIRTIO_BLK_S_OK: submit; otherwise the request's end. */
uint8_t blkrange_prepare(struct blk_queue *q, struct blk_req *r, const struct vring_seg *seg, unsigned count);
/* Puts the commands that are left, each with a reference to the request: SK_OK, or SK_EAGAIN: no slot, list page or
 * share. */
int64_t blkrange_submit(struct blk_queue *q, struct blk_req *r, uint64_t now);

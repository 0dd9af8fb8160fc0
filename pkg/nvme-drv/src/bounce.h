// SPDX-License-Identifier: MIT
/* Blocks that lie in the client's memory so that the controller cannot reach them in place: in pieces that PRPs cannot
 * join, or not on dwords where it wants these. One at a time goes through a list page of the queue; a second one keeps
 * where its pieces are. Everything else is transferred without a copy (dptr.h). */
#pragma once

#include "blkdev.h"

/* Takes the next block of q->cursor; a write's data are copied. Return: its bytes; SK_EAGAIN: no list pages are free
 * now; SK_EINVAL: the block is larger than a page. The pages go to cmd, which frees them. */
__attribute__((warn_unused_result)) int64_t bounce_build(struct blk_queue *q, struct nvme_cmd *cmd,
                                                         struct nvme_sqe *sqe, bool write);
/* A read has succeeded: its data go to the client. To be called first thing in done(), while nobody can have taken the
 * pages. */
void bounce_finish(struct blk_queue *q, const struct nvme_cmd *cmd);

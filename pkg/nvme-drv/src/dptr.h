// SPDX-License-Identifier: MIT
/* Data pointers of I/O commands: from segments of device memory to PRP entries and lists [NVMe-1.4 4.3] or SGLs [4.4].
 *
 * A cursor walks over the segments of one request; each call takes as much as fits into one command: at most max
 * bytes (MDTS, NLB), always a multiple of the block size, and with PRPs only as far as the segments meet on page
 * boundaries. One piece of contiguous memory, and two pages with PRPs, need no list page. */
#pragma once

#include "queue.h"

struct dma_seg {
    uint64_t addr;
    uint32_t len;
};

struct dma_cursor {
    const struct dma_seg *seg;
    uint32_t count;
    uint32_t index; /* current segment */
    uint32_t off;   /* bytes of it already taken */
};

/* The next piece of at most max bytes; false at the end. */
bool dma_cursor_take(struct dma_cursor *c, uint32_t max, struct dma_seg *out);

enum dptr_kind { DPTR_PRP, DPTR_SGL, DPTR_SGL_DWORD /* addresses and lengths must be multiples of 4 */ };

/* Fills in sqe's data pointer. Return: bytes covered (> 0); SK_EAGAIN: no list page is free now; SK_EINVAL: this
 * controller cannot express the memory (misaligned for it, or a block split where PRPs cannot split). The cursor
 * advances on success only. List pages go to cmd, which frees them. */
__attribute__((warn_unused_result)) int64_t dptr_build(struct nvme_queue *q, struct nvme_cmd *cmd, struct nvme_sqe *sqe,
                                                       enum dptr_kind kind, struct dma_cursor *cur, uint32_t max_bytes,
                                                       uint32_t block_bytes);

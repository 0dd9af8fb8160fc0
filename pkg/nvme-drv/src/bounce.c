// SPDX-License-Identifier: MIT
// Blocks that need a copy: see bounce.h.
#include "bounce.h"

#include <abi/types.h>
#include <string.h>

#define PIECES_MAX 255u

struct bounce {    /* in a list page */
    uint16_t data; /* the page with the block */
    uint16_t count;
    uint32_t _pad[3];
    struct dma_seg piece[PIECES_MAX];
};
_Static_assert(sizeof(struct bounce) <= NVME_PAGE_SIZE, "the pieces fit into a page");
_Static_assert(ARRAY_SIZE(((struct blk_queue *)0)->dma) <= PIECES_MAX, "a request's pieces fit");

/* The client's memory at a device address, up to the end of its region. */
static uint8_t *host_at(const struct gmem *m, uint64_t dev, uint32_t *len)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct gmem_region *r = &m->region[i];
        uint64_t off = dev - r->dev;

        if (off < r->size) {
            *len = (uint32_t)min((uint64_t)*len, r->size - off);
            return r->host + off;
        }
    }
    return NULL;
}

/* Between the block and its pieces, as far as these are memory and the block's bytes go. */
static void copy(const struct gmem *m, const struct bounce *b, uint8_t *block, uint32_t left, bool to_client)
{
    for (uint32_t i = 0; i < min(b->count, PIECES_MAX); i++) {
        struct dma_seg s = b->piece[i];

        for (s.len = min(s.len, left); s.len > 0;) {
            uint32_t n = s.len;
            uint8_t *host = host_at(m, s.addr, &n);

            if (!host) {
                return;
            }
            memcpy(to_client ? host : block, to_client ? block : host, n);
            block += n;
            s.addr += n;
            s.len -= n;
            left -= n;
        }
    }
}

int64_t bounce_build(struct blk_queue *q, struct nvme_cmd *cmd, struct nvme_sqe *sqe, bool write)
{
    uint32_t block = q->dev->target.ns->info.block_size, left = block;
    struct nvme_queue *nq = q->nq;

    if (block > NVME_PAGE_SIZE) {
        return SK_EINVAL;
    }
    uint16_t page = nvme_list_get(nq), data = nvme_list_get(nq);

    cmd->list = page;
    if (data == NVME_LIST_NONE) {
        return SK_EAGAIN;
    }
    nq->list_next[page] = data;
    struct bounce *b = nvme_list_mem(nq, page);

    b->data = data;
    for (b->count = 0; left > 0 && dma_cursor_take(&q->cursor, left, &b->piece[b->count]); b->count++) {
        left -= b->piece[b->count].len;
    }
    if (write) {
        copy(&q->dev->mem, b, nvme_list_mem(nq, data), block, false);
    } else {
        cmd->bounce = page;
    }
    sqe->dptr[0] = nvme_list_dev(nq, data);
    return block;
}

void bounce_finish(struct blk_queue *q, const struct nvme_cmd *cmd)
{
    const struct bounce *b;

    if (cmd->bounce != NVME_LIST_NONE) {
        b = nvme_list_mem(q->nq, cmd->bounce);
        copy(&q->dev->mem, b, nvme_list_mem(q->nq, b->data % NVME_LIST_PAGES), q->dev->target.ns->info.block_size,
             true);
    }
}

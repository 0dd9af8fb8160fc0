// SPDX-License-Identifier: MIT
// PRP and SGL construction: see dptr.h.
#include "dptr.h"

#include <abi/types.h>

#define PRPS_PER_PAGE (NVME_PAGE_SIZE / sizeof(uint64_t))
#define SGLS_PER_PAGE (NVME_PAGE_SIZE / sizeof(struct nvme_sgl))

bool dma_cursor_take(struct dma_cursor *c, uint32_t max, struct dma_seg *out)
{
    if (c->index == c->count || max == 0) {
        return false;
    }
    const struct dma_seg *s = &c->seg[c->index];

    out->addr = s->addr + c->off;
    out->len = min(s->len - c->off, max);
    c->off += out->len;
    if (c->off == s->len) {
        c->index++;
        c->off = 0;
    }
    return true;
}

/* --- SGL --- */

/* Bytes that one segment of descriptors covers, whole blocks only. */
static int64_t sgl_extent(struct dma_cursor c, enum dptr_kind kind, uint32_t max, uint32_t block, uint32_t *pieces)
{
    uint32_t bytes = 0;
    struct dma_seg s;

    *pieces = 0;
    while (*pieces < SGLS_PER_PAGE && dma_cursor_take(&c, max - bytes, &s)) {
        if (kind == DPTR_SGL_DWORD && ((s.addr | s.len) & 3)) {
            return SK_EINVAL;
        }
        bytes += s.len;
        ++*pieces;
    }
    bytes -= bytes % block;
    return bytes > 0 ? (int64_t)bytes : SK_EINVAL;
}

static struct nvme_sgl sgl_block(const struct dma_seg *s)
{
    return (struct nvme_sgl){.addr = s->addr, .len = s->len, .type = NVME_SGL_DATA_BLOCK};
}

static int64_t sgl_list(struct nvme_queue *q, struct nvme_cmd *cmd, struct nvme_sgl *dptr, struct dma_cursor *cur,
                        uint32_t bytes)
{
    struct dma_seg s;
    uint32_t n = 0;

    cmd->list = nvme_list_get(q);
    if (cmd->list == NVME_LIST_NONE) {
        return SK_EAGAIN;
    }
    struct nvme_sgl *list = nvme_list_mem(q, cmd->list);

    while (dma_cursor_take(cur, bytes, &s)) {
        list[n++] = sgl_block(&s);
        bytes -= s.len;
    }
    *dptr = (struct nvme_sgl){
        .addr = nvme_list_dev(q, cmd->list),
        .len = n * (uint32_t)sizeof(*list),
        .type = NVME_SGL_LAST_SEGMENT,
    };
    return SK_OK;
}

static int64_t sgl_build(struct nvme_queue *q, struct nvme_cmd *cmd, struct nvme_sqe *sqe, enum dptr_kind kind,
                         struct dma_cursor *cur, uint32_t max, uint32_t block)
{
    struct nvme_sgl *dptr = (struct nvme_sgl *)(void *)sqe->dptr;
    uint32_t pieces;
    int64_t bytes = sgl_extent(*cur, kind, max, block, &pieces);

    if (bytes < 0) {
        return bytes;
    }
    struct dma_cursor c = *cur;
    struct dma_seg s;

    if (dma_cursor_take(&c, (uint32_t)bytes, &s) && s.len == bytes) {
        *dptr = sgl_block(&s);
    } else {
        c = *cur;
        if (sgl_list(q, cmd, dptr, &c, (uint32_t)bytes)) {
            return SK_EAGAIN;
        }
    }
    sqe->flags |= (uint8_t)field_prep(NVME_SQE_PSDT, 1);
    *cur = c;
    return bytes;
}

/* --- PRP --- */

/* Bytes up to the first place where the memory is not contiguous in pages, whole blocks only. */
static int64_t prp_extent(struct dma_cursor c, uint32_t max, uint32_t block)
{
    uint32_t bytes = 0;
    uint64_t end = 0;
    struct dma_seg s;

    while (dma_cursor_take(&c, max - bytes, &s)) {
        if (s.addr & 3) {
            return SK_EINVAL;
        }
        if (bytes > 0 && s.addr != end && ((s.addr | end) & (NVME_PAGE_SIZE - 1))) {
            break; /* only page boundaries may join */
        }
        bytes += s.len;
        end = s.addr + s.len;
    }
    bytes -= bytes % block;
    return bytes > 0 ? (int64_t)bytes : SK_EINVAL;
}

/* Takes the next page's worth: the address for one PRP entry. */
static uint64_t prp_take(struct dma_cursor *c, uint32_t *bytes)
{
    struct dma_seg s;
    uint64_t first = 0;
    uint32_t room = NVME_PAGE_SIZE;

    while (room > 0 && *bytes > 0 && dma_cursor_take(c, min(*bytes, room), &s)) {
        if (first == 0 && room == NVME_PAGE_SIZE) {
            uint32_t in_page = NVME_PAGE_SIZE - (uint32_t)(s.addr & (NVME_PAGE_SIZE - 1));

            first = s.addr;
            if (s.len > in_page) { /* give back what lies behind this page */
                uint32_t back = s.len - in_page;

                if (c->off == 0) {
                    c->index--;
                    c->off = c->seg[c->index].len;
                }
                c->off -= back;
                s.len = in_page;
            }
            room = in_page;
        }
        room -= s.len;
        *bytes -= s.len;
    }
    return first;
}

static int64_t prp_list(struct nvme_queue *q, struct nvme_cmd *cmd, uint64_t *prp2, struct dma_cursor *cur,
                        uint32_t bytes)
{
    uint16_t page = nvme_list_get(q);

    cmd->list = page;
    if (page == NVME_LIST_NONE) {
        return SK_EAGAIN;
    }
    *prp2 = nvme_list_dev(q, page);
    uint64_t *list = nvme_list_mem(q, page);

    for (uint32_t n = 0; bytes > 0; n++) {
        struct dma_cursor before = *cur;
        uint32_t left = bytes;
        uint64_t entry = prp_take(cur, &bytes);

        if (n == PRPS_PER_PAGE - 1 && bytes > 0) { /* the last entry of a full page points to the next page */
            uint16_t next = nvme_list_get(q);

            if (next == NVME_LIST_NONE) {
                return SK_EAGAIN;
            }
            q->list_next[page] = next;
            list[n] = nvme_list_dev(q, next);
            page = next;
            list = nvme_list_mem(q, page);
            *cur = before;
            bytes = left;
            n = UINT32_MAX;
            continue;
        }
        list[n] = entry;
    }
    return SK_OK;
}

static int64_t prp_build(struct nvme_queue *q, struct nvme_cmd *cmd, struct nvme_sqe *sqe, struct dma_cursor *cur,
                         uint32_t max, uint32_t block)
{
    int64_t total = prp_extent(*cur, max, block);

    if (total < 0) {
        return total;
    }
    struct dma_cursor c = *cur;
    uint32_t bytes = (uint32_t)total;

    sqe->dptr[0] = prp_take(&c, &bytes);
    if (bytes > NVME_PAGE_SIZE) {
        if (prp_list(q, cmd, &sqe->dptr[1], &c, bytes)) {
            return SK_EAGAIN;
        }
    } else if (bytes > 0) {
        sqe->dptr[1] = prp_take(&c, &bytes);
    }
    *cur = c;
    return total;
}

int64_t dptr_build(struct nvme_queue *q, struct nvme_cmd *cmd, struct nvme_sqe *sqe, enum dptr_kind kind,
                   struct dma_cursor *cur, uint32_t max_bytes, uint32_t block_bytes)
{
    if (kind == DPTR_PRP) {
        return prp_build(q, cmd, sqe, cur, max_bytes, block_bytes);
    }
    return sgl_build(q, cmd, sqe, kind, cur, max_bytes, block_bytes);
}

// SPDX-License-Identifier: MIT
// Discard and write zeroes: see blkrange.h.
#include "blkrange.h"

#include <abi/types.h>

void blkrange_offer(struct blkdev *d)
{
    const struct nvme_ns *ns = d->target.ns;
    uint32_t per_block = ns->info.block_size / VIRTIO_BLK_SECTOR;

    if (d->target.readonly) {
        return;
    }
    if (ns->ctrl->id.dsm) {
        d->offered |= VIRTIO_BLK_F_DISCARD;
        d->config.max_discard_sectors = BLK_DISCARD_SECTORS;
        d->config.max_discard_seg = BLK_RANGES_MAX;
        d->config.discard_sector_alignment = ns->info.discard_granularity * per_block;
    }
    if (ns->ctrl->id.write_zeroes) {
        d->offered |= VIRTIO_BLK_F_WRITE_ZEROES;
        d->config.max_write_zeroes_sectors = BLK_ZEROES_SECTORS;
        d->config.max_write_zeroes_seg = BLK_RANGES_MAX;
        d->config.write_zeroes_may_unmap = ns->info.zeroes_deallocate;
    }
}

/* --- checking --- */

/* Copies the whole ranges out of the segments: their number, or -1. The driver may cut its data anywhere. */
static int ranges_read(const struct gmem *mem, const struct vring_seg *seg, unsigned count,
                       struct virtio_blk_range out[BLK_RANGES_MAX])
{
    size_t have = 0;

    for (unsigned i = 0; i < count; i++) {
        if (seg[i].len > BLK_RANGES_MAX * sizeof(*out) - have ||
            !gmem_read(mem, seg[i].gpa, (uint8_t *)out + have, seg[i].len)) {
            return -1;
        }
        have += seg[i].len;
    }
    return have == 0 || have % sizeof(*out) ? -1 : (int)(have / sizeof(*out));
}

static uint8_t range_check(const struct blkdev *d, bool discard, const struct virtio_blk_range *r)
{
    uint32_t per_block = d->target.ns->info.block_size / VIRTIO_BLK_SECTOR;
    uint32_t most = discard ? BLK_DISCARD_SECTORS : BLK_ZEROES_SECTORS;

    if ((r->flags & ~VIRTIO_BLK_RANGE_F_UNMAP) || (discard && r->flags)) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    if (r->num_sectors > most || (r->sector | r->num_sectors) % per_block ||
        !range_ok(r->sector, r->num_sectors, d->config.capacity)) {
        return VIRTIO_BLK_S_IOERR;
    }
    return VIRTIO_BLK_S_OK;
}

/* A discard may do less than it was asked for. With protection information, only whole units that the controller can
 * deallocate: QEMU's clears the data of a part of one but keeps its guards, which then are wrong for every reader. */
static void range_trim(struct blk_range *r, const struct ident_ns *info)
{
    uint32_t unit = info->discard_granularity;
    uint64_t first = (r->lba + unit - 1) / unit * unit, end = (r->lba + r->blocks) / unit * unit;

    r->lba = first;
    r->blocks = end > first ? (uint32_t)(end - first) : 0;
}

static void range_add(struct blk_queue *q, const struct virtio_blk_range *r, bool discard)
{
    const struct blk_target *t = &q->dev->target;
    uint32_t per_block = t->ns->info.block_size / VIRTIO_BLK_SECTOR;
    struct blk_range *out = &q->range[q->range_count];

    *out = (struct blk_range){
        .lba = t->first + r->sector / per_block,
        .blocks = r->num_sectors / per_block,
        .unmap = (r->flags & VIRTIO_BLK_RANGE_F_UNMAP) && t->ns->info.zeroes_deallocate,
    };
    if (discard && t->ns->info.protect) {
        range_trim(out, &t->ns->info);
    }
    q->range_count += out->blocks > 0;
}

uint8_t blkrange_prepare(struct blk_queue *q, struct blk_req *r, const struct vring_seg *seg, unsigned count)
{
    struct blkdev *d = q->dev;
    bool discard = r->type == VIRTIO_BLK_T_DISCARD;
    struct virtio_blk_range list[BLK_RANGES_MAX];

    if (d->target.readonly) {
        blkdev_refuse(d, discard ? "a discard is" : "zeroing is");
        return VIRTIO_BLK_S_IOERR;
    }
    if (!(d->features & (discard ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES))) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    int n = ranges_read(&d->mem, seg, count, list);

    if (n < 0) {
        return VIRTIO_BLK_S_IOERR;
    }
    for (int i = 0; i < n; i++) {
        uint8_t status = range_check(d, discard, &list[i]);

        if (status != VIRTIO_BLK_S_OK) {
            return status;
        }
    }
    q->range_count = q->range_index = 0;
    for (int i = 0; i < n; i++) {
        range_add(q, &list[i], discard);
        r->bytes += (uint64_t)list[i].num_sectors * VIRTIO_BLK_SECTOR;
    }
    return VIRTIO_BLK_S_OK;
}

/* --- commands --- */

/* All ranges in one command; their list lies in a list page, which is freed with the command. */
static bool build_discard(struct blk_queue *q, struct nvme_queue *nq, struct nvme_cmd *cmd, struct nvme_sqe *sqe)
{
    uint16_t page = nvme_list_get(nq);

    if (page == NVME_LIST_NONE) {
        return false;
    }
    struct nvme_dsm_range *out = nvme_list_mem(nq, page);

    for (uint32_t i = 0; i < q->range_count; i++) {
        out[i] = (struct nvme_dsm_range){.blocks = q->range[i].blocks, .lba = q->range[i].lba};
    }
    cmd->list = page;
    cmd->lba = q->range[0].lba;
    sqe->opcode = NVME_IO_DATASET_MGMT;
    sqe->dptr[0] = nvme_list_dev(nq, page);
    sqe->cdw10 = (uint32_t)field_prep(NVME_DSM_NR, q->range_count - 1);
    sqe->cdw11 = (uint32_t)NVME_DSM_AD;
    q->range_index = q->range_count;
    return true;
}

/* The next piece, whose bytes it returns: no longer than data could be, as controllers may apply that limit here too
 * [NVMe-1.4 6.16]. */
static uint32_t build_zeroes(struct blk_queue *q, struct nvme_cmd *cmd, struct nvme_sqe *sqe)
{
    const struct blkdev *d = q->dev;
    struct blk_range *r = &q->range[q->range_index];
    uint32_t most = min(d->target.ns->max_transfer, FAIR_COMMAND_MAX);
    uint32_t blocks = min(r->blocks, most / d->target.ns->info.block_size);

    cmd->lba = r->lba;
    sqe->opcode = NVME_IO_WRITE_ZEROES;
    sqe->cdw10 = (uint32_t)r->lba;
    sqe->cdw11 = (uint32_t)(r->lba >> 32);
    sqe->cdw12 =
        (uint32_t)(field_prep(NVME_RW_NLB, blocks - 1) | (r->unmap ? NVME_WZ_DEAC : 0) | (d->fua ? NVME_RW_FUA : 0));
    nvme_ns_finish(d->target.ns, sqe);
    r->lba += blocks;
    r->blocks -= blocks;
    q->range_index += r->blocks == 0;
    return blocks * d->target.ns->info.block_size;
}

int64_t blkrange_submit(struct blk_queue *q, struct blk_req *r, uint64_t now)
{
    struct nvme_ns *ns = q->dev->target.ns;

    while (q->range_index < q->range_count) {
        struct nvme_sqe *sqe;
        struct nvme_cmd *cmd = blkdev_may_put(q) ? nvme_queue_get(q->nq, &sqe) : NULL;
        uint32_t bytes = 0;

        if (!cmd) {
            return SK_EAGAIN;
        }
        if (r->type == VIRTIO_BLK_T_WRITE_ZEROES) {
            bytes = build_zeroes(q, cmd, sqe);
        } else if (!build_discard(q, q->nq, cmd, sqe)) {
            nvme_queue_unget(q->nq, cmd);
            return SK_EAGAIN;
        }
        sqe->nsid = ns->nsid;
        blkdev_put(q, r, cmd, bytes, now);
    }
    return SK_OK;
}

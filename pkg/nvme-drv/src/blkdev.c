// SPDX-License-Identifier: MIT
// Configuration of a virtio block device: see blkdev.h. Requests are in blkreq.c.
#include "blkdev.h"

#include "blkrange.h"
#include "log.h"
#include "pool.h"
#include <abi/types.h>
#include <string.h>

static void queue_clear(struct blk_queue *q)
{
    q->ready = q->enabled = false;
    q->stalled = NULL;
    q->record = NULL;
    q->again = INFLIGHT_SLOTS;
    q->config = (struct vring_config){0};
    for (uint16_t i = 0; i < BLK_QUEUE_SIZE; i++) {
        q->req[i].queue = q;
        q->req[i].next_free = (uint16_t)(i + 1); /* BLK_QUEUE_SIZE ends the list */
    }
    q->free_req = 0;
    q->finished = BLK_QUEUE_SIZE;
}

void blkdev_init(struct blkdev *d, struct qos *qos)
{
    *d = (struct blkdev){.qos = qos, .generation = 1};
    gmem_init(&d->mem);
    for (unsigned i = 0; i < BLK_QUEUES; i++) {
        d->queue[i].dev = d;
        queue_clear(&d->queue[i]);
    }
}

/* What the drive would like to get [virtio-1.2 5.2.4]; the exponent is one byte, the sizes count blocks. */
static void topology(struct blkdev *d)
{
    const struct ident_ns *info = &d->target.ns->info;
    uint32_t exp = is_pow2(info->write_granularity) ? (uint32_t)__builtin_ctz(info->write_granularity) : 0;
    uint64_t mask = (1ull << exp) - 1;

    d->config.topology.physical_block_exp = (uint8_t)exp;
    /* the first block of a partition that begins a physical block; too far for the field: not known */
    d->config.topology.alignment_offset = exp <= 7 ? (uint8_t)(-d->target.first & mask) : 0;
    d->config.topology.min_io_size = (uint16_t)min(info->write_granularity, 0xffffu);
    d->config.topology.opt_io_size = info->write_optimal > 1 ? info->write_optimal : 0;
}

static unsigned clamp_queues(unsigned granted)
{
    return granted < 1 ? 1 : min(granted, BLK_QUEUES);
}

void blkdev_attach(struct blkdev *d, const struct blk_target *target)
{
    const struct nvme_ns *ns = target->ns;
    unsigned queues = clamp_queues(ns->ctrl->io_granted);
    bool cache = ns->ctrl->id.vwc;

    d->target = *target;
    d->offered = VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX |
                 VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_TOPOLOGY;
    d->offered |= target->packed ? VIRTIO_F_RING_PACKED : 0;
    d->offered |= cache ? VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_CONFIG_WCE : 0;
    d->offered |= target->readonly ? VIRTIO_BLK_F_RO : 0;
    d->config = (struct virtio_blk_config){
        .capacity = target->blocks * (ns->info.block_size / VIRTIO_BLK_SECTOR),
        .size_max = BLK_SIZE_MAX,
        .seg_max = BLK_SEG_MAX,
        .blk_size = ns->info.block_size,
        .writeback = cache,
        .num_queues = (uint16_t)queues,
    };
    d->offered |= d->config.num_queues > 1 ? VIRTIO_BLK_F_MQ : 0;
    topology(d);
    blkrange_offer(d);
    d->generation++;
}

void blkdev_resize(struct blkdev *d, uint64_t blocks)
{
    d->target.blocks = blocks;
    d->config.capacity = blocks * (d->target.ns->info.block_size / VIRTIO_BLK_SECTOR);
    d->generation++;
}

void blkdev_protect(struct blkdev *d, bool readonly)
{
    d->target.readonly = readonly;
}

/* Without flushes from the driver a write must be durable when it ends [virtio-1.2 5.2.6.2]. */
static void update_fua(struct blkdev *d)
{
    bool writeback =
        (d->features & VIRTIO_BLK_F_CONFIG_WCE) ? d->config.writeback != 0 : (d->features & VIRTIO_BLK_F_FLUSH) != 0;

    d->fua = d->target.ns->ctrl->id.vwc && !writeback;
}

static bool any_runs(const struct blkdev *d)
{
    for (unsigned i = 0; i < BLK_QUEUES; i++) {
        if (d->queue[i].enabled || d->queue[i].busy > 0) {
            return true;
        }
    }
    return false;
}

int64_t blkdev_set_features(struct blkdev *d, uint64_t features)
{
    if ((features & ~d->offered) || !(features & VIRTIO_F_VERSION_1)) {
        return SK_EINVAL;
    }
    if (any_runs(d)) {
        return SK_EBUSY;
    }
    d->features = features;
    update_fua(d);
    return SK_OK;
}

int64_t blkdev_set_config(struct blkdev *d, uint64_t off, const uint8_t *data, size_t len)
{
    if (off != offsetof(struct virtio_blk_config, writeback) || len != 1 || !(d->features & VIRTIO_BLK_F_CONFIG_WCE)) {
        return SK_EPERM;
    }
    if (data[0] > 1) {
        return SK_EINVAL;
    }
    d->config.writeback = data[0];
    d->generation++;
    update_fua(d);
    return SK_OK;
}

/* --- queues --- */

static int64_t queue_idle(struct blkdev *d, uint64_t index, struct blk_queue **q)
{
    if (index >= d->config.num_queues) {
        return SK_ERANGE;
    }
    *q = &d->queue[index];
    return (*q)->enabled || (*q)->busy > 0 ? SK_EBUSY : SK_OK;
}

int64_t blkdev_vring_num(struct blkdev *d, uint64_t index, uint64_t num)
{
    struct blk_queue *q;
    int64_t err = queue_idle(d, index, &q);

    if (err) {
        return err;
    }
    if (num == 0 || num > BLK_QUEUE_SIZE || !((d->features & VIRTIO_F_RING_PACKED) || is_pow2(num))) {
        return SK_EINVAL;
    }
    q->config.num = (uint32_t)num;
    q->ready = false;
    return SK_OK;
}

static void log_area(const struct blkdev *d, const char *name, uint64_t gpa, uint64_t len)
{
    const struct gmem_region *r = gmem_find(&d->mem, gpa, len);
    uintptr_t host = (uintptr_t)r->host, at = host + (gpa - r->gpa);

    log_info("shm=[%llx-%llx] local=[%lx-%lx] %s=[%llx-%llx] (0x%lx-0x%lx)", (unsigned long long)r->gpa,
             (unsigned long long)(r->gpa + r->size - 1), (unsigned long)host, (unsigned long)(host + r->size - 1), name,
             (unsigned long long)gpa, (unsigned long long)(gpa + len), (unsigned long)at, (unsigned long)(at + len));
}

static unsigned long host_address(const struct blkdev *d, uint64_t gpa)
{
    return (unsigned long)(uintptr_t)gmem_ptr(&d->mem, gpa, 1);
}

static void log_queue(const struct blkdev *d, const struct blk_queue *q)
{
    const struct vring_config *c = &q->config;
    bool packed = (c->features & VIRTIO_F_RING_PACKED) != 0;

    log_area(d, "desc", c->desc, VIRTQ_DESC_BYTES(c->num));
    log_area(d, "avail", c->avail, packed ? VIRTQ_PEVENT_BYTES : VIRTQ_AVAIL_BYTES(c->num));
    log_area(d, "used", c->used, packed ? VIRTQ_PEVENT_BYTES : VIRTQ_USED_BYTES(c->num));
    log_info("VQ[0x%lx]: num=%u d:0x%lx a:0x%lx u:0x%lx%s", (unsigned long)(uintptr_t)q, c->num,
             host_address(d, c->desc), host_address(d, c->avail), host_address(d, c->used), packed ? " packed" : "");
}

int64_t blkdev_vring_addr(struct blkdev *d, uint64_t index, uint64_t desc, uint64_t avail, uint64_t used)
{
    struct blk_queue *q;
    int64_t err = queue_idle(d, index, &q);

    if (err) {
        return err;
    }
    q->config.desc = desc;
    q->config.avail = avail;
    q->config.used = used;
    q->config.features = d->features;
    err = vring_init(&q->vq, &d->mem, &q->config);
    q->ready = err == SK_OK;
    if (q->ready) {
        log_queue(d, q);
    }
    return err;
}

int64_t blkdev_vring_base(struct blkdev *d, uint64_t index, uint64_t base)
{
    struct blk_queue *q;
    int64_t err = queue_idle(d, index, &q);

    if (err) {
        return err;
    }
    if (base > ((d->features & VIRTIO_F_RING_PACKED) ? UINT32_MAX : UINT16_MAX)) {
        return SK_EINVAL;
    }
    q->config.base = (uint32_t)base;
    return q->ready ? vring_init(&q->vq, &d->mem, &q->config) : SK_OK;
}

int64_t blkdev_vring_record(struct blkdev *d, uint64_t index, volatile struct inflight *record)
{
    struct blk_queue *q;
    int64_t err = queue_idle(d, index, &q);

    if (!err) {
        q->record = record;
    }
    return err;
}

/* The queue's base by its record; a new record is begun when there is none. */
static int64_t record_start(struct blkdev *d, struct blk_queue *q)
{
    int64_t err = inflight_recover(q->record, &d->mem, &q->config);
    unsigned first = 0;

    if (err == SK_ENOENT) {
        q->config.base = vring_base(&q->vq);
        inflight_init(q->record, &q->vq);
        return SK_OK;
    }
    if (err) {
        return err;
    }
    q->again = 0;
    for (uint16_t i = 0, *link = &q->free_req; i < BLK_QUEUE_SIZE; i++) { /* all requests are free: the queue is idle */
        if (q->record->slot[i].state == INFLIGHT_TAKEN) {
            *link = (uint16_t)(i + 1);
        } else {
            *link = i;
            link = &q->req[i].next_free;
            *link = (uint16_t)(i + 1);
        }
    }
    if (inflight_next(q->record, &first)) {
        log_info("NVMe[]: Client of %s: requests that were in flight when an earlier server ended are done again",
                 d->target.id);
    }
    return SK_OK;
}

int64_t blkdev_vring_enable(struct blkdev *d, uint64_t index, bool enable)
{
    if (index >= d->config.num_queues) {
        return SK_ERANGE;
    }
    struct blk_queue *q = &d->queue[index];

    if (!enable || q->enabled) {
        q->enabled = enable;
        return SK_OK;
    }
    if (!q->ready) {
        return SK_EINVAL;
    }
    if (q->busy > 0 || d->needs_reset) {
        return SK_EBUSY;
    }
    q->config.features = d->features;
    q->config.base = vring_base(&q->vq);
    int64_t err = q->record ? record_start(d, q) : SK_OK;

    err = err ? err : vring_init(&q->vq, &d->mem, &q->config);
    if (err) {
        return err;
    }
    if (!q->nq) {
        q->nq = nvme_pool_take(d->target.ns, &q->wants_pair);
    }
    q->enabled = true;
    if (q->again < INFLIGHT_SLOTS && q->call) {
        q->call(q->call_ctx); /* the earlier server may have ended before it could */
    }
    blkdev_kick(q); /* what was made available before */
    return SK_OK;
}

bool blkdev_queue_stop(struct blkdev *d, uint64_t index, uint32_t *base)
{
    struct blk_queue *q = &d->queue[index];

    q->enabled = false;
    *base = q->ready ? vring_base(&q->vq) : 0;
    return q->busy == 0;
}

bool blkdev_stop(struct blkdev *d)
{
    bool idle = true;

    for (unsigned i = 0; i < BLK_QUEUES; i++) {
        d->queue[i].enabled = false;
        idle = idle && d->queue[i].busy == 0;
    }
    if (!idle && d->qos->limited_since_ns) {
        blkdev_limit_over(d);
    }
    return idle;
}

void blkdev_pairs_release(struct blkdev *d)
{
    for (unsigned i = 0; i < BLK_QUEUES; i++) {
        if (d->queue[i].nq) {
            nvme_pool_put(d->queue[i].nq);
            d->queue[i].nq = NULL;
        }
    }
    if (d->target.ns) {
        fair_leave(&d->target.ns->ctrl->fair, &d->qos->fair);
    }
}

void blkdev_reset(struct blkdev *d)
{
    d->features = 0;
    d->needs_reset = false;
    if (d->target.ns) {
        d->config.writeback = d->target.ns->ctrl->id.vwc;
    }
    for (unsigned i = 0; i < BLK_QUEUES; i++) {
        queue_clear(&d->queue[i]);
    }
}

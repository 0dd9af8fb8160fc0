// SPDX-License-Identifier: MIT
// Requests of a virtio block device: from chains to NVMe commands and back. See blkdev.h.
#include "blkdev.h"
#include "blkrange.h"
#include "bounce.h"
#include "log.h"
#include "pool.h"
#include <abi/types.h>
#include <string.h>

#define ERRORS_LOGGED 32u /* per client; further ones are only counted */

static struct blk_queue *dirty_queues, *waiting_queues, **waiting_end = &waiting_queues;

static void mark_dirty(struct blk_queue *q)
{
    if (!q->dirty) {
        q->dirty = true;
        q->next_dirty = dirty_queues;
        dirty_queues = q;
    }
}

/* At the end: whoever waits longest is the next to get a slot. */
static void mark_waiting(struct blk_queue *q)
{
    if (!q->waiting) {
        q->waiting = true;
        q->next_waiting = NULL;
        *waiting_end = q;
        waiting_end = &q->next_waiting;
    }
}

/* The device's queues that are stalled for that reason go on in blkdev_flush(). */
static void resume_stalled(struct blkdev *d, unsigned why)
{
    for (unsigned i = 0; i < BLK_QUEUES; i++) {
        if (d->queue[i].stalled && d->queue[i].why == why) {
            mark_waiting(&d->queue[i]);
        }
    }
}

void blkdev_queue_break(struct blk_queue *q, const char *why)
{
    struct blkdev *d = q->dev;

    q->enabled = false;
    if (!d->needs_reset) {
        d->needs_reset = true;
        d->breaks++;
        if (is_pow2(d->breaks)) { /* a guest that does nothing else must not fill the log */
            log_warn("NVMe[]: Client of %s: its driver broke the virtio protocol (%s; %u so far); the queue is stopped "
                     "until the driver resets the device",
                     d->target.id, why, d->breaks);
        }
        if (d->changed) {
            d->changed(d->changed_ctx);
        }
    }
}

/* --- end of a request --- */

static void req_finish(struct blk_req *r)
{
    struct blk_queue *q = r->queue;
    struct blkdev *d = q->dev;

    if (!d->needs_reset) { /* a broken ring is not touched any more */
        *r->status = r->result;
        vring_push(&q->vq, r->head, r->result == VIRTIO_BLK_S_OK ? r->written : 1);
        if (q->record) {
            inflight_push(q->record, (unsigned)(r - q->req));
        }
    }
    r->next_free = q->finished;
    q->finished = (uint16_t)(r - q->req);
    mark_dirty(q);
}

/* Their used entries are shown. */
static void queue_account(struct blk_queue *q)
{
    struct blkdev *d = q->dev;
    struct nvme_hw *hw = d->target.ns->ctrl->hw;
    uint64_t now = hw->ops->now_ns(hw);

    while (q->finished != BLK_QUEUE_SIZE) {
        struct blk_req *r = &q->req[q->finished];

        stat_end(&d->qos->stat, r->kind, r->bytes, now - r->start_ns, r->result == VIRTIO_BLK_S_OK);
        q->finished = r->next_free;
        if (q->record && !d->needs_reset) {
            inflight_free(q->record, (unsigned)(r - q->req));
        }
        r->next_free = q->free_req;
        q->free_req = (uint16_t)(r - q->req);
        q->busy--;
    }
}

static void req_unref(struct blk_req *r)
{
    if (--r->pending == 0) {
        req_finish(r);
    }
}

static void log_failure(struct blkdev *d, const struct nvme_cmd *cmd, uint32_t status)
{
    const struct nvme_ns *ns = d->target.ns;

    d->errors++;
    if (d->errors <= ERRORS_LOGGED) {
        log_error("NVMe[%s]: n%u: %s at LBA %llu failed: %s (SCT %u, SC %#x)%s%s", ns->ctrl->id.serial, ns->nsid,
                  nvme_opcode_text(cmd->opcode), (unsigned long long)cmd->lba, nvme_status_text(status),
                  NVME_STATUS_SCT(status), NVME_STATUS_SC(status), cmd->tries ? ", also when repeated" : "",
                  d->errors == ERRORS_LOGGED ? "; further errors of this client are not shown" : "");
    }
}

/* A driver that knows that the disk is read-only does not come here, so it was not asked to look. */
void blkdev_refuse(struct blkdev *d, const char *what)
{
    d->errors++;
    if (d->errors <= ERRORS_LOGGED) {
        log_error("NVMe[%s]: Client of %s: %s refused: the disk is %s%s", d->target.ns->ctrl->id.serial, d->target.id,
                  what, d->target.ns->info.readonly ? "write-protected by its drive" : "given to it read-only",
                  d->errors == ERRORS_LOGGED ? "; further errors of this client are not shown" : "");
    }
}

static void cmd_done(struct nvme_cmd *cmd, uint32_t status, uint32_t dw0)
{
    struct blk_req *r = cmd->ctx;
    struct blkdev *d = r->queue->dev;

    (void)dw0;
    if (NVME_STATUS_CODE(status) == 0) {
        bounce_finish(r->queue, cmd);
    }
    d->qos->fair.in_flight -= cmd->cost;
    d->qos->stat.retries += cmd->tries;
    if (d->wants_share) {
        d->wants_share = false;
        resume_stalled(d, STALL_SHARE);
    }
    if (NVME_STATUS_CODE(status) != 0) {
        r->result = VIRTIO_BLK_S_IOERR;
        log_failure(d, cmd, status);
    }
    req_unref(r);
}

/* --- submission --- */

/* Every command passes here. */
void blkdev_put(struct blk_queue *q, struct blk_req *r, struct nvme_cmd *cmd, uint32_t bytes, uint64_t now)
{
    cmd->done = cmd_done;
    cmd->ctx = r;
    cmd->cost = fair_cost(bytes);
    q->dev->qos->fair.in_flight += cmd->cost;
    r->pending++;
    nvme_queue_put(q->nq, cmd, now);
}

bool blkdev_may_put(struct blk_queue *q)
{
    struct blkdev *d = q->dev;

    if (fair_may_send(&d->target.ns->ctrl->fair, &d->qos->fair)) {
        return true;
    }
    q->why = STALL_SHARE;
    d->wants_share = true;
    return false;
}

/* Puts one command. false: the queue is full. */
static bool submit_flush(struct blk_queue *q, struct blk_req *r, uint64_t now)
{
    struct nvme_ns *ns = q->dev->target.ns;
    struct nvme_sqe *sqe;
    struct nvme_cmd *cmd = blkdev_may_put(q) ? nvme_queue_get(q->nq, &sqe) : NULL;

    if (!cmd) {
        return false;
    }
    sqe->opcode = NVME_IO_FLUSH;
    sqe->nsid = ns->nsid;
    cmd->lba = 0;
    blkdev_put(q, r, cmd, 0, now);
    return true;
}

/* Puts the next command of a read or write: SK_EAGAIN: no slot or list page; SK_EINVAL: inexpressible memory. */
static int64_t submit_rw(struct blk_queue *q, struct blk_req *r, uint64_t now)
{
    struct blkdev *d = q->dev;
    struct nvme_ns *ns = d->target.ns;
    struct nvme_sqe *sqe;
    struct nvme_cmd *cmd = blkdev_may_put(q) ? nvme_queue_get(q->nq, &sqe) : NULL;
    bool write = r->type == VIRTIO_BLK_T_OUT;

    if (!cmd) {
        return SK_EAGAIN;
    }
    int64_t bytes = dptr_build(q->nq, cmd, sqe, ns->ctrl->id.dptr, &q->cursor, min(ns->max_transfer, FAIR_COMMAND_MAX),
                               ns->info.block_size);

    bytes = bytes == SK_EINVAL ? bounce_build(q, cmd, sqe, write) : bytes;
    if (bytes < 0) {
        nvme_queue_unget(q->nq, cmd);
        return bytes;
    }
    uint32_t blocks = (uint32_t)bytes >> __builtin_ctz(ns->info.block_size);

    sqe->opcode = write ? NVME_IO_WRITE : NVME_IO_READ;
    sqe->nsid = ns->nsid;
    sqe->cdw10 = (uint32_t)q->lba;
    sqe->cdw11 = (uint32_t)(q->lba >> 32);
    sqe->cdw12 = (blocks - 1) | (write && d->fua ? (uint32_t)NVME_RW_FUA : 0);
    nvme_ns_finish(ns, sqe);
    cmd->lba = q->lba;
    q->lba += blocks;
    blkdev_put(q, r, cmd, (uint32_t)bytes, now);
    return SK_OK;
}

/* Is the request within the client's limits? If so, it counts. Those of a stopped queue do not wait. */
static bool req_admit(struct blk_queue *q, const struct blk_req *r, uint64_t now)
{
    struct qos *qos = q->dev->qos;
    uint64_t until = q->enabled ? limit_wait(&qos->limit, now) : 0;

    if (until) {
        q->why = STALL_LIMIT;
        qos->limited_since_ns = qos->limited_since_ns ? qos->limited_since_ns : now;
        qos->arm(qos->arm_ctx, until);
        return false;
    }
    bool ranges = r->kind == STAT_DISCARD || r->kind == STAT_ZEROES;

    limit_charge(&qos->limit, now, ranges ? max(q->range_count, 1u) : 1,
                 r->kind == STAT_DISCARD ? min(r->bytes, q->range_count * (uint64_t)BLK_DISCARD_CHARGE) : r->bytes);
    return true;
}

void blkdev_limit_over(struct blkdev *d)
{
    struct qos *qos = d->qos;
    struct nvme_hw *hw = d->target.ns->ctrl->hw;

    if (qos->limited_since_ns) {
        qos->stat.limited_ns += hw->ops->now_ns(hw) - qos->limited_since_ns;
        qos->limited_since_ns = 0;
        resume_stalled(d, STALL_LIMIT);
    }
}

/* Submits what is left of the request. False: it stalled. */
static bool req_submit(struct blk_queue *q, struct blk_req *r, uint64_t now)
{
    struct nvme_ctrl *c = q->dev->target.ns->ctrl;
    int64_t err = SK_OK;

    q->why = STALL_RESOURCES;
    q->admitted = q->admitted || !q->dev->qos->limit.on || req_admit(q, r, now);
    if (!q->admitted) {
        err = SK_EAGAIN;
    } else if (c->state == CTRL_DEAD || blk_target_lost(&q->dev->target)) {
        r->result = VIRTIO_BLK_S_IOERR;
    } else if (c->state != CTRL_READY) {
        err = SK_EAGAIN;
    } else if (r->type == VIRTIO_BLK_T_FLUSH) {
        err = submit_flush(q, r, now) ? SK_OK : SK_EAGAIN;
    } else if (r->type == VIRTIO_BLK_T_DISCARD || r->type == VIRTIO_BLK_T_WRITE_ZEROES) {
        err = blkrange_submit(q, r, now);
    } else {
        while (q->cursor.index < q->cursor.count && err == SK_OK) {
            err = submit_rw(q, r, now);
        }
    }
    if (err == SK_EAGAIN) {
        q->stalled = r;
        return false;
    }
    if (err) {
        r->result = VIRTIO_BLK_S_IOERR;
    }
    q->stalled = NULL;
    req_unref(r); /* its own reference */
    return true;
}

/* --- decoding --- */

/* The segments of a chain, as header and status are taken off. */
struct blk_chain {
    struct vring_seg *seg; /* readable ones first */
    unsigned count;
    unsigned readable;
};

static bool take_header(const struct gmem *mem, struct blk_chain *c, struct virtio_blk_req *out)
{
    uint8_t *to = (uint8_t *)out;
    uint32_t left = sizeof(*out);

    while (left > 0) {
        if (c->readable == 0) {
            return false;
        }
        uint32_t n = min(left, c->seg->len);

        if (!gmem_read(mem, c->seg->gpa, to, n)) {
            return false;
        }
        to += n;
        left -= n;
        c->seg->gpa += n;
        c->seg->len -= n;
        if (c->seg->len == 0) {
            c->seg++;
            c->count--;
            c->readable--;
        }
    }
    return true;
}

/* The last writable byte, or NULL. */
static volatile uint8_t *take_status(const struct gmem *mem, struct blk_chain *c)
{
    if (c->count == c->readable) {
        return NULL;
    }
    struct vring_seg *last = &c->seg[c->count - 1];

    last->len--;
    if (last->len == 0) {
        c->count--;
    }
    return gmem_ptr(mem, last->gpa + last->len, 1);
}

/* Device addresses of the data. Return: bytes, or -1 when some of it is no memory. */
static int64_t map_data(struct blk_queue *q, const struct vring_seg *seg, unsigned count)
{
    struct dma_seg *out = q->dma;
    uint32_t n = 0;
    int64_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t gpa = seg[i].gpa;
        uint32_t left = seg[i].len;

        while (left > 0) {
            const struct gmem_region *r = gmem_find(&q->dev->mem, gpa, 1);

            if (!r || n == ARRAY_SIZE(q->dma)) {
                return -1;
            }
            uint64_t off = gpa - r->gpa, dev = r->dev + off;
            uint32_t len = (uint32_t)min((uint64_t)left, r->size - off);

            if (n > 0 && out[n - 1].addr + out[n - 1].len == dev && len <= UINT32_MAX - out[n - 1].len) {
                out[n - 1].len += len;
            } else {
                out[n++] = (struct dma_seg){.addr = dev, .len = len};
            }
            gpa += len;
            left -= len;
            bytes += len;
        }
    }
    q->cursor = (struct dma_cursor){.seg = out, .count = n};
    return bytes;
}

static bool prepare_rw(struct blk_queue *q, struct blk_req *r, const struct virtio_blk_req *h,
                       const struct blk_chain *c)
{
    struct blkdev *d = q->dev;
    bool write = h->type == VIRTIO_BLK_T_OUT;

    r->kind = write ? STAT_WRITE : STAT_READ;
    uint32_t per_block = d->target.ns->info.block_size / VIRTIO_BLK_SECTOR;

    if (write && d->target.readonly) {
        blkdev_refuse(d, "a write is");
        return false;
    }
    if (c->readable != (write ? c->count : 0)) {
        return false; /* data in the wrong direction */
    }
    int64_t bytes = map_data(q, c->seg, c->count);

    if (bytes <= 0 || bytes % (per_block * VIRTIO_BLK_SECTOR) || h->sector % per_block ||
        !range_ok(h->sector, (uint64_t)bytes / VIRTIO_BLK_SECTOR, d->config.capacity)) {
        return false;
    }
    q->lba = d->target.first + h->sector / per_block;
    r->bytes = (uint64_t)bytes;
    r->written = write ? 1 : (uint32_t)bytes + 1;
    return true;
}

static bool answer_id(struct blk_queue *q, struct blk_req *r, const struct blk_chain *c)
{
    const char *id = q->dev->target.id;
    uint32_t left = VIRTIO_BLK_ID_BYTES;

    for (unsigned i = c->readable; i < c->count && left > 0; i++) {
        uint32_t n = min(left, c->seg[i].len);

        if (!gmem_write(&q->dev->mem, c->seg[i].gpa, id, n)) {
            return false;
        }
        id += n;
        left -= n;
        r->written += n;
    }
    return left < VIRTIO_BLK_ID_BYTES;
}

/* Decides about the request: true: commands must be submitted; false: r->result is its end. */
static bool req_prepare(struct blk_queue *q, struct blk_req *r, struct blk_chain *c)
{
    struct virtio_blk_req h;

    r->result = VIRTIO_BLK_S_IOERR;
    if (!take_header(&q->dev->mem, c, &h)) {
        return false;
    }
    r->type = (uint8_t)h.type;
    switch (h.type) {
    case VIRTIO_BLK_T_IN:
    case VIRTIO_BLK_T_OUT:
        if (!prepare_rw(q, r, &h, c)) {
            return false;
        }
        break;
    case VIRTIO_BLK_T_FLUSH:
        r->kind = STAT_FLUSH;
        break;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        r->kind = h.type == VIRTIO_BLK_T_DISCARD ? STAT_DISCARD : STAT_ZEROES;
        if (c->readable == c->count) {
            r->result = blkrange_prepare(q, r, c->seg, c->count);
        }
        return r->result == VIRTIO_BLK_S_OK;
    case VIRTIO_BLK_T_GET_ID:
        if (answer_id(q, r, c)) {
            r->result = VIRTIO_BLK_S_OK;
        }
        return false;
    default:
        r->result = VIRTIO_BLK_S_UNSUPP;
        return false;
    }
    r->result = VIRTIO_BLK_S_OK;
    return true;
}

/* The next chain and the place of its request: what must be done again first. Return: as vring_pop(). */
static int queue_take(struct blk_queue *q, struct vring_chain *vc, uint16_t *slot)
{
    if (q->again < INFLIGHT_SLOTS && inflight_next(q->record, &q->again)) {
        *slot = (uint16_t)q->again++;
        return inflight_again(q->record, *slot, &q->vq, q->seg, ARRAY_SIZE(q->seg), vc);
    }
    int n = vring_pop(&q->vq, q->seg, ARRAY_SIZE(q->seg), vc);

    *slot = q->free_req;
    if (n > 0 && *slot < BLK_QUEUE_SIZE) {
        q->free_req = q->req[*slot].next_free;
        if (q->record) {
            inflight_take(q->record, *slot, &q->vq, vc);
        }
    }
    return n;
}

/* Takes one chain. 1: go on; 0: empty; SK_EAGAIN: stalled; SK_EMSG: broken. */
static int queue_step(struct blk_queue *q, uint64_t now)
{
    struct vring_chain vc;
    uint16_t slot;
    int n = queue_take(q, &vc, &slot);

    if (n <= 0) {
        return n;
    }
    struct blk_chain c = {.seg = q->seg, .count = (unsigned)n, .readable = vc.readable};
    volatile uint8_t *status = take_status(&q->dev->mem, &c);

    if (!status || slot == BLK_QUEUE_SIZE) {
        return vring_fail(&q->vq, status ? "more requests than entries" : "request without room for its status");
    }
    struct blk_req *r = &q->req[slot];

    q->busy++;
    r->status = status;
    r->head = vc.head;
    r->pending = 1;
    r->written = 1;
    r->start_ns = now;
    r->bytes = 0;
    r->kind = STAT_OTHER;
    q->admitted = false;
    stat_begin(&q->dev->qos->stat);
    if (!req_prepare(q, r, &c)) {
        req_unref(r);
        return 1;
    }
    return req_submit(q, r, now) ? 1 : SK_EAGAIN;
}

/* Takes chains until the ring is empty, a request stalls, or the queue breaks. */
static void queue_run(struct blk_queue *q)
{
    struct nvme_ns *ns = q->dev->target.ns;
    struct nvme_ctrl *ctrl = ns->ctrl;
    uint64_t now = ctrl->hw->ops->now_ns(ctrl->hw);
    int result = 1;

    if (q->wants_pair) {
        q->nq = nvme_pool_better(ns, q->nq, &q->wants_pair);
    }
    fair_enter(&ctrl->fair, &q->dev->qos->fair, now);
    if (q->stalled && !req_submit(q, q->stalled, now)) {
        result = SK_EAGAIN;
    }
    while (result >= 0 && q->enabled) {
        vring_kick_disable(&q->vq);
        while ((result = queue_step(q, now)) > 0) {
        }
        if (result == 0 && !vring_kick_enable(&q->vq)) {
            break;
        }
    }
    if (result == SK_EAGAIN) {
        if (q->why == STALL_RESOURCES) {
            mark_waiting(q);
        }
    } else if (result < 0) {
        blkdev_queue_break(q, vring_error(&q->vq));
    }
    nvme_queue_ring(q->nq);
    if (q->nq->in_flight > 0) {
        nvme_ctrl_watch(ctrl, now);
    }
}

void blkdev_kick(struct blk_queue *q)
{
    if (q->enabled && !q->stalled) {
        queue_run(q);
        blkdev_flush();
    }
}

void blkdev_flush(void)
{
    struct blk_queue *q = waiting_queues;

    waiting_queues = NULL;
    waiting_end = &waiting_queues;
    while (q) {
        struct blk_queue *next = q->next_waiting;

        q->waiting = false;
        queue_run(q);
        q = next;
    }
    while ((q = dirty_queues)) {
        dirty_queues = q->next_dirty;
        q->dirty = false;
        struct blkdev *d = q->dev;

        if (q->record && !d->needs_reset) {
            inflight_show(q->record, &q->vq);
        }
        if (!d->needs_reset && vring_publish(&q->vq) && q->call) {
            q->call(q->call_ctx);
        }
        queue_account(q);
        if (q->record && !d->needs_reset) {
            inflight_shown(q->record, &q->vq);
        }
        if (!q->enabled && q->busy == 0 && d->changed) {
            d->changed(d->changed_ctx); /* the owner may release everything now */
        }
    }
}

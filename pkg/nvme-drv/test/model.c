// SPDX-License-Identifier: MIT
/* Model of an NVMe controller: see model.h. Here: queues, registers, time. Deliberately shares nothing with the driver
 * but nvme.h. */
#include "model_priv.h"

#include "../src/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct model *of(struct nvme_hw *hw)
{
    return (struct model *)hw;
}

void model_post(struct model *m, uint16_t sqid, uint16_t cid, uint16_t status, uint32_t dw0)
{
    struct model_sq *sq = &m->sq[sqid];
    struct model_cq *cq = &m->cq[sq->cq];
    struct nvme_cqe *e = (struct nvme_cqe *)model_dev_ptr(cq->base) + cq->tail;
    uint16_t phase = cq->phase ^ (m->bad_phase && sqid ? 1 : 0);

    e->dw0 = dw0;
    e->sqhd = (uint16_t)sq->head;
    e->sqid = sqid;
    e->cid = m->wrong_cid && sqid ? cid ^ 0x55 : cid;
    m->lied |= e->cid != cid;
    e->status = (uint16_t)(status << 1 | phase);
    if (++cq->tail == cq->entries) {
        cq->tail = 0;
        cq->phase ^= 1;
    }
    if (!m->no_irq) {
        m->irq |= 1u << cq->vector;
    }
}

static void execute(struct model *m, uint16_t sqid, const struct nvme_sqe *e)
{
    uint32_t dw0 = 0;
    uint16_t status;

    if (sqid == 0) {
        if (m->drop_admin) {
            return;
        }
        if (e->opcode == 0x0c && m->aer_count <= m->id.aerl) {
            m->aer[m->aer_count++] = e->cid;
            if (m->event_flood) {
                model_event(m, 0x070707);
                m->event_masked = 0;
            }
            return;
        }
        status = e->opcode == 0x0c ? 0x105 : model_admin(m, e, &dw0);
    } else {
        if (m->fatal_io) {
            m->fatal_io--;
            m->csts |= 2;
        }
        if ((m->csts & 2) || m->isolated) {
            return;
        }
        if (m->drop_io) {
            m->drop_io--;
            if (m->dropped_count < ARRAY_SIZE(m->dropped)) {
                m->dropped[m->dropped_count].sqid = sqid;
                m->dropped[m->dropped_count++].cid = e->cid;
            }
            return;
        }
        status = model_io(m, e);
    }
    model_post(m, sqid, e->cid, status, dw0);
    if (m->duplicate && sqid) {
        m->lied = true; /* it may be another command's by the time it is looked at */
        model_post(m, sqid, e->cid, status, dw0);
    }
}

void model_release(struct model *m, bool reverse)
{
    unsigned n = m->held_count;

    m->held_count = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned k = reverse ? n - 1 - i : i;

        execute(m, m->held[k].sqid, &m->held[k].sqe);
    }
}

static void release_admin(struct model *m)
{
    unsigned kept = 0, n = m->held_count;

    for (unsigned i = 0; i < n; i++) {
        if (m->held[i].sqid == 0) {
            execute(m, 0, &m->held[i].sqe);
        } else {
            m->held[kept++] = m->held[i];
        }
    }
    m->held_count = kept;
}

static void sq_doorbell(struct model *m, uint16_t qid, uint32_t tail)
{
    struct model_sq *sq = &m->sq[qid];

    m->sq_doorbells += qid > 0;
    if (sq->entries == 0 || tail >= sq->entries || (m->csts & 0xc)) {
        fprintf(stderr, "model: bad tail %u of queue %u\n", tail, qid);
        abort();
    }
    sq->tail = tail;
    while (sq->head != sq->tail) {
        struct nvme_sqe e = ((struct nvme_sqe *)model_dev_ptr(sq->base))[sq->head];

        sq->head = sq->head + 1 == sq->entries ? 0 : sq->head + 1;
        if (qid ? m->hold : m->slow_admin) {
            m->held[m->held_count].sqid = qid;
            m->held[m->held_count++].sqe = e;
        } else {
            execute(m, qid, &e);
        }
    }
}

/* --- registers --- */

static void write_cc(struct model *m, uint32_t v)
{
    if ((v & 1) && !(m->cc & 1)) {
        m->enables++;
        m->sq[0] = (struct model_sq){.base = m->asq, .entries = (m->aqa & 0xfff) + 1};
        m->cq[0] = (struct model_cq){.base = m->acq, .entries = (m->aqa >> 16 & 0xfff) + 1, .phase = 1};
        if ((v >> 16 & 0xf) != 6 || (v >> 20 & 0xf) != 4 || (v >> 7 & 0xf) != 0) {
            m->csts = 2;
        } else if (m->fail_resets) {
            m->fail_resets--;
        } else if (!m->never_ready) {
            m->csts = m->fatal ? 2 : 1;
        }
    } else if (!(v & 1) && (m->cc & 1)) {
        memset(m->sq, 0, sizeof(m->sq));
        memset(m->cq, 0, sizeof(m->cq));
        m->held_count = m->dropped_count = m->aer_count = m->event_masked = 0;
        memset(m->event_pending, 0, sizeof(m->event_pending));
        m->irq = 0;
        m->csts = m->never_stops ? 1 : 0;
    } else if ((v >> 14 & 3) == 1 && (m->cc >> 14 & 3) != 1) {
        m->shutdowns++;
        for (unsigned i = 1; i < MODEL_QUEUES; i++) {
            m->shut_queues += m->sq[i].entries > 0;
        }
        m->csts |= m->never_shut ? 1u << 2 : 2u << 2;
    }
    m->cc = v;
}

static uint32_t model_read32(struct nvme_hw *hw, uint32_t off)
{
    struct model *m = of(hw);

    if (m->all_ones) {
        return UINT32_MAX;
    }
    switch (off) {
    case 0x00:
        return (uint32_t)m->cap;
    case 0x04:
        return (uint32_t)(m->cap >> 32);
    case 0x08:
        return 0x10400;
    case 0x14:
        return m->cc;
    case 0x1c:
        return m->csts;
    default:
        abort();
    }
}

static void model_write32(struct nvme_hw *hw, uint32_t off, uint32_t v)
{
    struct model *m = of(hw);
    uint32_t stride = 4u << (m->cap >> 32 & 0xf);

    if (m->all_ones) {
        return;
    }
    if (off >= 0x1000) {
        uint32_t n = (off - 0x1000) / stride;

        if ((off - 0x1000) % stride || n / 2 >= MODEL_QUEUES) {
            abort();
        }
        if (n & 1) {
            m->cq_doorbells += n / 2 > 0;
            m->cq[n / 2].head = v;
        } else {
            sq_doorbell(m, (uint16_t)(n / 2), v);
        }
        return;
    }
    switch (off) {
    case 0x14:
        write_cc(m, v);
        break;
    case 0x24:
        m->aqa = v;
        break;
    case 0x28:
        m->asq = (m->asq & ~0xffffffffull) | v;
        break;
    case 0x2c:
        m->asq = (uint32_t)m->asq | (uint64_t)v << 32;
        break;
    case 0x30:
        m->acq = (m->acq & ~0xffffffffull) | v;
        break;
    case 0x34:
        m->acq = (uint32_t)m->acq | (uint64_t)v << 32;
        break;
    default:
        abort();
    }
}

/* --- the rest of the driver's world --- */

static uint64_t model_now(struct nvme_hw *hw)
{
    return of(hw)->now;
}

static int64_t model_dma_alloc(struct nvme_hw *hw, size_t size, struct nvme_dma *out)
{
    out->size = align_up(size, 4096);
    out->mem = aligned_alloc(4096, out->size);
    memset(out->mem, 0, out->size);
    out->dev = (uintptr_t)out->mem + MODEL_DEV;
    of(hw)->dma_live++;
    return SK_OK;
}

static void model_dma_free(struct nvme_hw *hw, struct nvme_dma *dma)
{
    free(dma->mem);
    of(hw)->dma_live--;
}

bool model_interrupt(struct model *m)
{
    uint32_t irq = m->irq;

    m->irq = 0;
    for (uint16_t v = 0; v < 32; v++) {
        if (irq >> v & 1) {
            nvme_ctrl_interrupt(m->ctrl, v);
        }
    }
    blkdev_flush();
    return irq != 0;
}

static void run_check(struct model *m)
{
    m->now = max(m->now, m->armed);
    m->armed = 0;
    nvme_ctrl_check(m->ctrl);
}

bool model_check(struct model *m)
{
    if (!m->armed) {
        return false;
    }
    run_check(m);
    if (nvme_ctrl_has_work(m->ctrl)) {
        nvme_ctrl_work(m->ctrl);
    }
    blkdev_flush();
    return true;
}

void model_timeout(struct model *m)
{
    for (unsigned i = 0; model_check(m); i++) {
        model_interrupt(m);
        if (i == 100000) {
            fprintf(stderr, "model: time-out checks go on for ever\n");
            abort();
        }
    }
}

static void model_wait(struct nvme_hw *hw, uint64_t deadline)
{
    struct model *m = of(hw);

    if (m->meanwhile) {
        m->meanwhile(m);
    }
    release_admin(m);
    if (model_interrupt(m)) {
        return;
    }
    if (m->armed && m->armed <= deadline) {
        run_check(m);
        return;
    }
    if (deadline == UINT64_MAX) {
        fprintf(stderr, "model: the driver waits for ever\n");
        abort();
    }
    m->now = max(m->now, deadline);
}

static int64_t model_vector(struct nvme_hw *hw, uint16_t *vector)
{
    struct model *m = of(hw);

    *vector = m->next_vector < m->vectors ? m->next_vector++ : 0;
    return SK_OK;
}

static void model_arm(struct nvme_hw *hw, uint64_t deadline)
{
    of(hw)->armed = max(deadline, 1ull); /* 0 is over, as are all times that have passed */
}
static void model_isolate(struct nvme_hw *hw)
{
    of(hw)->isolated++;
}

static const struct nvme_hw_ops model_ops = {
    .read32 = model_read32,
    .write32 = model_write32,
    .now_ns = model_now,
    .dma_alloc = model_dma_alloc,
    .dma_free = model_dma_free,
    .wait = model_wait,
    .vector = model_vector,
    .arm = model_arm,
    .isolate = model_isolate,
};

/* --- set-up --- */

void model_add_ns(struct model *m, unsigned nsid, uint64_t blocks, uint32_t block_size)
{
    m->ns[nsid - 1] = (struct model_ns){.data = calloc(blocks, block_size), .blocks = blocks, .block_size = block_size};
}

struct model *model_new(uint64_t blocks)
{
    struct model *m = calloc(1, sizeof(*m));

    m->hw = (struct nvme_hw){.ops = &model_ops, .name = "model", .bar_size = 0x2000};
    m->now = 1000;
    m->cap = 0x004018200f0107ff & ~(0xfull << 52);
    m->vectors = 8;
    m->next_vector = 1;
    m->queues_granted = 8;
    memset(&m->id, ' ', 72);
    memcpy(m->id.sn, "MODEL1", 6);
    memcpy(m->id.mn, "Model controller", 16);
    memcpy(m->id.fr, "1.0", 3);
    m->id.mdts = 7;
    m->id.acl = 3;
    m->id.sqes = 0x66;
    m->id.cqes = 0x44;
    m->id.nn = MODEL_NS;
    m->id.vwc = 7;
    m->id.oncs = 0x0c;
    m->id.oaes = 0x100;
    m->id.aerl = 3;
    m->id.sgls = 1;
    model_add_ns(m, 1, blocks, 512);
    return m;
}

void model_free(struct model *m)
{
    for (unsigned i = 0; i < MODEL_NS; i++) {
        free(m->ns[i].data);
    }
    free(m);
}

struct nvme_ctrl *model_start(struct model *m, int64_t *err)
{
    m->ctrl = calloc(1, sizeof(*m->ctrl));
    m->ctrl->hw = &m->hw;
    nvme_ctrl_use(m->ctrl); /* the test is a client */
    *err = nvme_ctrl_start(m->ctrl);
    return m->ctrl;
}

void model_clear(struct model *m)
{
    struct nvme_ctrl *c = m->ctrl;

    for (unsigned i = 0; i < c->ns_count; i++) {
        for (struct nvme_part *p = c->ns[i]->parts, *next; p; p = next) {
            next = p->next;
            free(p);
        }
        free(c->ns[i]->past);
        free(c->ns[i]);
    }
    for (unsigned i = 0; i < c->io_count; i++) {
        nvme_queue_destroy(c->io[i]);
        free(c->io[i]);
    }
    if (c->admin.entries) {
        nvme_queue_destroy(&c->admin);
    }
    if (c->meta.mem) {
        model_dma_free(&m->hw, &c->meta);
    }
    if (c->scratch.mem) {
        model_dma_free(&m->hw, &c->scratch);
    }
    free(c->io);
    free(c->ns);
}

void model_stop(struct model *m)
{
    model_clear(m);
    free(m->ctrl);
}

// SPDX-License-Identifier: MIT
// Model of an NVMe controller: see model.h. Deliberately shares nothing with the driver but nvme.h.
#include "model.h"

#include "../src/pool.h"

#include <abi/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct model *of(struct nvme_hw *hw)
{
    return (struct model *)hw;
}

static void *dev_ptr(uint64_t dev)
{
    if (dev < MODEL_DEV) {
        fprintf(stderr, "model: %#llx is no device address\n", (unsigned long long)dev);
        abort();
    }
    return (void *)(uintptr_t)(dev - MODEL_DEV);
}

/* --- data transfer --- */

struct pieces {
    struct {
        uint8_t *p;
        uint32_t len;
    } at[2048];
    unsigned count;
};

static void piece_add(struct pieces *out, uint64_t dev, uint32_t len)
{
    if (out->count == ARRAY_SIZE(out->at)) {
        abort();
    }
    out->at[out->count].p = dev_ptr(dev);
    out->at[out->count++].len = len;
}

static uint16_t walk_prp(struct model *m, const struct nvme_sqe *e, uint32_t bytes, struct pieces *out)
{
    uint32_t n = min(bytes, 4096 - (uint32_t)(e->dptr[0] & 4095));

    if (e->dptr[0] & 3) {
        return 0x13;
    }
    piece_add(out, e->dptr[0], n);
    bytes -= n;
    if (bytes == 0) {
        return 0;
    }
    if (bytes <= 4096) {
        if (e->dptr[1] & 4095) {
            return 0x13;
        }
        piece_add(out, e->dptr[1], bytes);
        return 0;
    }
    m->lists++;
    for (uint64_t list = e->dptr[1];;) {
        for (unsigned i = (unsigned)(list & 4095) / 8; i < 512; i++) {
            uint64_t entry = ((uint64_t *)dev_ptr(list & ~4095ull))[i];

            if (entry & 4095) {
                return 0x13;
            }
            if (i == 511 && bytes > 4096) {
                list = entry;
                break;
            }
            n = min(bytes, 4096u);
            piece_add(out, entry, n);
            bytes -= n;
            if (bytes == 0) {
                return 0;
            }
        }
    }
}

static uint16_t walk_sgl(struct model *m, const struct nvme_sqe *e, uint32_t bytes, struct pieces *out)
{
    struct nvme_sgl d;
    uint32_t total = 0;

    memcpy(&d, e->dptr, sizeof(d));
    if (d.type == 0x00) {
        piece_add(out, d.addr, d.len);
        return d.len == bytes ? 0 : 0x0f;
    }
    if (d.type != 0x30 || d.len % 16 || d.len > 4096) {
        return 0x0d;
    }
    m->lists++;
    for (unsigned i = 0; i < d.len / 16; i++) {
        struct nvme_sgl s = ((struct nvme_sgl *)dev_ptr(d.addr))[i];

        if (s.type != 0) {
            return 0x11;
        }
        piece_add(out, s.addr, s.len);
        total += s.len;
    }
    return total == bytes ? 0 : 0x0f;
}

static uint16_t transfer(struct model *m, const struct nvme_sqe *e, uint8_t *data, uint32_t bytes, bool to_host)
{
    static struct pieces p;
    uint16_t status;

    p.count = 0;
    if (e->flags >> 6 == 1) {
        status = (m->id.sgls & 3) ? walk_sgl(m, e, bytes, &p) : 2;
    } else {
        status = walk_prp(m, e, bytes, &p);
    }
    for (unsigned i = 0; i < p.count && status == 0; i++) {
        if (m->lied && m->reachable && !m->reachable(p.at[i].p, p.at[i].len)) {
            return 4; /* data transfer error */
        }
        memcpy(to_host ? p.at[i].p : data, to_host ? data : p.at[i].p, p.at[i].len);
        data += p.at[i].len;
    }
    m->max_bytes = max(m->max_bytes, bytes);
    return status;
}

/* --- commands --- */

static uint16_t send_page(struct model *m, const struct nvme_sqe *e, uint8_t *page, uint32_t bytes)
{
    if (m->forge) {
        m->forge(m, e, page);
    }
    return transfer(m, e, page, bytes, true);
}

static bool ns_active(const struct model *m, uint32_t nsid)
{
    return nsid > 0 && nsid <= MODEL_NS && m->ns[nsid - 1].data && !m->ns[nsid - 1].detached;
}

static void identify_ns(struct model *m, uint32_t nsid, struct nvme_id_ns *id)
{
    struct model_ns *ns = &m->ns[nsid - 1];

    id->nsze = id->ncap = id->nuse = ns->blocks;
    id->nlbaf = 1;
    id->flbas = 1 | (ns->extended ? 0x10 : 0);
    id->lbaf[1] = (uint32_t)__builtin_ctz(ns->block_size) << 16 | ns->metadata;
    id->dps = ns->dps;
    id->nsattr = ns->write_protected;
    id->dlfeat = ns->dlfeat;
    id->nsfeat = ns->nsfeat;
    id->npwg = ns->npwg;
    id->npdg = ns->npdg;
    id->nows = ns->nows;
}

static uint16_t run_identify(struct model *m, const struct nvme_sqe *e)
{
    uint8_t page[4096] = {0};
    uint32_t *list = (uint32_t *)(void *)page;

    switch (e->cdw10 & 0xff) {
    case 0:
        if (!ns_active(m, e->nsid)) {
            return 0x0b;
        }
        identify_ns(m, e->nsid, (void *)page);
        break;
    case 1:
        memcpy(page, &m->id, sizeof(page));
        break;
    case 2:
        for (unsigned i = e->nsid; i < MODEL_NS; i++) {
            if (ns_active(m, i + 1)) {
                *list++ = i + 1;
            }
        }
        break;
    case 3:
        if (!ns_active(m, e->nsid)) {
            return 0x0b;
        }
        page[0] = 3, page[1] = 16; /* UUID */
        page[19] = m->ns[e->nsid - 1].uuid;
        page[20] = 4, page[21] = 1, page[24] = m->ns[e->nsid - 1].csi;
        break;
    default:
        return 2;
    }
    return send_page(m, e, page, 4096);
}

static uint16_t run_create(struct model *m, const struct nvme_sqe *e, bool cq)
{
    uint32_t qid = e->cdw10 & 0xffff, entries = (e->cdw10 >> 16) + 1;

    if (qid == 0 || qid >= MODEL_QUEUES || qid > m->queues_granted) {
        return 0x101;
    }
    if (entries < 2 || entries > (m->cap & 0xffff) + 1) {
        return 0x102;
    }
    if (!(e->cdw11 & 1) || (e->dptr[0] & 4095)) {
        return 2;
    }
    if (cq) {
        if (e->cdw11 >> 16 >= m->vectors) {
            return 0x108;
        }
        m->cq[qid] =
            (struct model_cq){.base = e->dptr[0], .entries = entries, .phase = 1, .vector = (uint16_t)(e->cdw11 >> 16)};
    } else {
        if (e->cdw11 >> 16 != qid || m->cq[qid].entries == 0) {
            return 0x100;
        }
        m->sq[qid] = (struct model_sq){.base = e->dptr[0], .entries = entries, .cq = (uint16_t)qid};
    }
    return 0;
}

/* Submission queues first [NVMe-1.4 5.5, 5.6]. */
static uint16_t run_delete(struct model *m, const struct nvme_sqe *e, bool cq)
{
    uint32_t qid = e->cdw10 & 0xffff;

    if (qid == 0 || qid >= MODEL_QUEUES || (cq ? m->cq[qid].entries : m->sq[qid].entries) == 0) {
        return 0x101;
    }
    if (cq) {
        if (m->sq[qid].entries) {
            return 0x10c;
        }
        m->cq[qid].entries = 0;
    } else {
        m->sq[qid].entries = 0;
    }
    return 0;
}

static void post(struct model *m, uint16_t sqid, uint16_t cid, uint16_t status, uint32_t dw0);

/* dw0: 0 aborted, 1 not. */
static uint32_t run_abort(struct model *m, const struct nvme_sqe *e)
{
    m->aborts++;
    for (unsigned i = 0; i < m->dropped_count && m->abort_works; i++) {
        if (m->dropped[i].sqid == (e->cdw10 & 0xffff) && m->dropped[i].cid == e->cdw10 >> 16) {
            m->dropped[i] = m->dropped[--m->dropped_count];
            post(m, (uint16_t)(e->cdw10 & 0xffff), (uint16_t)(e->cdw10 >> 16), 0x07, 0);
            return 0;
        }
    }
    return 1;
}

/* An event of that type is reported once until its log page is read [NVMe-1.4 5.2]. */
void model_event(struct model *m, uint32_t dw0)
{
    unsigned type = dw0 & 7;

    if (m->event_masked >> type & 1 || m->aer_count == 0) {
        m->event_pending[type] = dw0 | 0x80000000;
        return;
    }
    m->event_masked |= 1u << type;
    m->event_pending[type] = 0;
    m->events++;
    post(m, 0, m->aer[--m->aer_count], 0, dw0);
}

static void events_release(struct model *m)
{
    for (unsigned type = 0; type < 8; type++) {
        if (m->event_pending[type]) {
            model_event(m, m->event_pending[type] & 0x7fffffff);
        }
    }
}

void model_ns_notice(struct model *m, uint32_t nsid)
{
    if (m->changed_count < ARRAY_SIZE(m->changed)) {
        m->changed[m->changed_count++] = nsid;
    }
    if (m->event_config & 0x100) {
        model_event(m, 0x040002);
    }
}

static uint16_t run_log(struct model *m, const struct nvme_sqe *e)
{
    uint8_t page[4096] = {0}, lid = (uint8_t)e->cdw10;
    uint32_t bytes = ((e->cdw10 >> 16) + 1) * 4;

    if (bytes > sizeof(page) || e->nsid != 0xffffffff) {
        return 2;
    }
    m->log_reads[lid & 7]++;
    if (lid == 1) {
        memcpy(page, &m->error, sizeof(m->error));
        m->event_masked &= ~1u;
    } else if (lid == 2) {
        memcpy(page, &m->smart, sizeof(m->smart));
        m->event_masked &= ~2u;
    } else if (lid == 4) {
        memcpy(page, m->changed, m->changed_count * 4);
        m->changed_count = 0;
        m->event_masked &= ~4u;
    } else {
        return 0x109;
    }
    uint16_t status = send_page(m, e, page, bytes);

    events_release(m);
    return status;
}

static uint16_t run_admin(struct model *m, const struct nvme_sqe *e, uint32_t *dw0)
{
    if (m->fail_admin && e->opcode == m->fail_admin_opcode) {
        return 6;
    }
    switch (e->opcode) {
    case 0x06:
        return run_identify(m, e);
    case 0x01:
        return run_create(m, e, false);
    case 0x05:
        return run_create(m, e, true);
    case 0x02:
        return run_log(m, e);
    case 0x00:
        return run_delete(m, e, false);
    case 0x04:
        return run_delete(m, e, true);
    case 0x08:
        *dw0 = run_abort(m, e);
        return 0;
    case 0x0a:
        if (e->cdw10 != 6) {
            return 2;
        }
        *dw0 = !m->cache_off;
        return 0;
    case 0x09:
        if (e->cdw10 == 6) {
            m->cache_off = !(e->cdw11 & 1);
            return 0;
        }
        if (e->cdw10 == 0x0b) {
            m->event_config = e->cdw11;
            return (e->cdw11 & ~0xffu & ~(m->id.oaes & 0x100)) ? 2 : 0; /* only what it supports */
        }
        if (e->cdw10 != 7 || (e->cdw11 & 0xffff) == 0xffff || e->cdw11 >> 16 == 0xffff) {
            return 2;
        }
        *dw0 = (m->queues_granted - 1) * 0x10001u;
        return 0;
    default:
        return 1;
    }
}

static uint16_t run_deallocate(struct model *m, const struct nvme_sqe *e, struct model_ns *ns)
{
    uint32_t range[256][4], n = (e->cdw10 & 0xff) + 1;
    uint16_t status = transfer(m, e, (uint8_t *)range, n * 16, false);

    if (status || e->cdw11 != 4) {
        return status ? status : 2;
    }
    m->deallocates++;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t lba = range[i][2] | (uint64_t)range[i][3] << 32;

        if (!range_ok(lba, range[i][1], ns->blocks)) {
            return 0x80;
        }
        memset(ns->data + lba * ns->block_size, 0, (size_t)range[i][1] * ns->block_size);
    }
    return 0;
}

/* Metadata in a buffer of their own, or protection information that the controller handles itself. */
static uint16_t run_metadata(const struct model_ns *ns, const struct nvme_sqe *e, uint32_t blocks)
{
    bool pract = e->cdw12 >> 29 & 1;

    if (ns->dps & 7) {
        uint16_t status = !pract ? 0x181 : (ns->dps & 7) < 3 && e->cdw14 != e->cdw10 ? 0x284 : 0;

        if (status || ns->metadata == 8) {
            return status;
        }
        pract = false; /* it fills in a part of the metadata */
    }
    if (ns->metadata && !ns->extended) {
        uint8_t *p = dev_ptr(e->mptr);

        for (uint32_t i = 0; i < blocks * ns->metadata; i++) {
            if (e->opcode == 1 && p[i] != 0) {
                abort(); /* what would become of that? */
            }
            p[i] = e->opcode == 2 ? 0xee : p[i];
        }
    }
    return pract ? 2 : 0;
}

static uint16_t run_io(struct model *m, const struct nvme_sqe *e)
{
    if (!ns_active(m, e->nsid)) {
        return 0x400b; /* for good */
    }
    struct model_ns *ns = &m->ns[e->nsid - 1];
    uint64_t lba = e->cdw10 | (uint64_t)e->cdw11 << 32;
    uint32_t blocks = (e->cdw12 & 0xffff) + 1;

    if (e->opcode == 0) {
        m->flushes++;
        return 0;
    }
    if (ns->write_protected && e->opcode != 2) {
        return 0x4020;
    }
    if (e->opcode == 9) {
        return run_deallocate(m, e, ns);
    }
    if (e->opcode > 2 && e->opcode != 8) {
        return 1;
    }
    if (!range_ok(lba, blocks, ns->blocks)) {
        return 0x80;
    }
    if (m->fail_status && m->fail_lba >= lba && m->fail_lba < lba + blocks) {
        uint16_t status = m->fail_status;

        if (m->fail_times && --m->fail_times == 0) {
            m->fail_status = 0;
        }
        return status;
    }
    if (e->opcode == 8) {
        m->zeroes++;
        m->deac += e->cdw12 >> 25 & 1;
        m->fua_writes += e->cdw12 >> 30 & 1;
        m->max_bytes = max(m->max_bytes, blocks * ns->block_size);
        memset(ns->data + lba * ns->block_size, 0, (size_t)blocks * ns->block_size);
        return 0;
    }
    uint16_t bad = run_metadata(ns, e, blocks);

    if (bad) {
        return bad;
    }
    m->reads += e->opcode == 2;
    m->writes += e->opcode == 1;
    m->fua_writes += e->opcode == 1 && (e->cdw12 >> 30 & 1);
    return transfer(m, e, ns->data + lba * ns->block_size, blocks * ns->block_size, e->opcode == 2);
}

static void post(struct model *m, uint16_t sqid, uint16_t cid, uint16_t status, uint32_t dw0)
{
    struct model_sq *sq = &m->sq[sqid];
    struct model_cq *cq = &m->cq[sq->cq];
    struct nvme_cqe *e = (struct nvme_cqe *)dev_ptr(cq->base) + cq->tail;
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
        status = e->opcode == 0x0c ? 0x105 : run_admin(m, e, &dw0);
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
        status = run_io(m, e);
    }
    post(m, sqid, e->cid, status, dw0);
    if (m->duplicate && sqid) {
        m->lied = true; /* it may be another command's by the time it is looked at */
        post(m, sqid, e->cid, status, dw0);
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
        struct nvme_sqe e = ((struct nvme_sqe *)dev_ptr(sq->base))[sq->head];

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
    of(hw)->armed = deadline;
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

// SPDX-License-Identifier: MIT
// Admin commands of the model controller: see model.h.
#include "model_priv.h"
#include <string.h>

static uint16_t send_page(struct model *m, const struct nvme_sqe *e, uint8_t *page, uint32_t bytes)
{
    if (m->forge) {
        m->forge(m, e, page);
    }
    return model_transfer(m, e, page, bytes, true);
}

bool model_ns_active(const struct model *m, uint32_t nsid)
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
        if (!model_ns_active(m, e->nsid)) {
            return 0x0b;
        }
        identify_ns(m, e->nsid, (void *)page);
        break;
    case 1:
        memcpy(page, &m->id, sizeof(page));
        break;
    case 2:
        for (unsigned i = e->nsid; i < MODEL_NS; i++) {
            if (model_ns_active(m, i + 1)) {
                *list++ = i + 1;
            }
        }
        break;
    case 3:
        if (!model_ns_active(m, e->nsid)) {
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

/* dw0: 0 aborted, 1 not. */
static uint32_t run_abort(struct model *m, const struct nvme_sqe *e)
{
    m->aborts++;
    for (unsigned i = 0; i < m->dropped_count && m->abort_works; i++) {
        if (m->dropped[i].sqid == (e->cdw10 & 0xffff) && m->dropped[i].cid == e->cdw10 >> 16) {
            m->dropped[i] = m->dropped[--m->dropped_count];
            model_post(m, (uint16_t)(e->cdw10 & 0xffff), (uint16_t)(e->cdw10 >> 16), 0x07, 0);
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
    model_post(m, 0, m->aer[--m->aer_count], 0, dw0);
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

uint16_t model_admin(struct model *m, const struct nvme_sqe *e, uint32_t *dw0)
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

// SPDX-License-Identifier: MIT
// Data transfer and I/O commands of the model controller: see model.h.
#include "model_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *model_dev_ptr(uint64_t dev)
{
    if (dev < MODEL_DEV) {
        fprintf(stderr, "model: %#llx is no device address\n", (unsigned long long)dev);
        abort();
    }
    return (void *)(uintptr_t)(dev - MODEL_DEV);
}

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
    out->at[out->count].p = model_dev_ptr(dev);
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
            uint64_t entry = ((uint64_t *)model_dev_ptr(list & ~4095ull))[i];

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
        struct nvme_sgl s = ((struct nvme_sgl *)model_dev_ptr(d.addr))[i];

        if (s.type != 0) {
            return 0x11;
        }
        piece_add(out, s.addr, s.len);
        total += s.len;
    }
    return total == bytes ? 0 : 0x0f;
}

uint16_t model_transfer(struct model *m, const struct nvme_sqe *e, uint8_t *data, uint32_t bytes, bool to_host)
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

static uint16_t run_deallocate(struct model *m, const struct nvme_sqe *e, struct model_ns *ns)
{
    uint32_t range[256][4], n = (e->cdw10 & 0xff) + 1;
    uint16_t status = model_transfer(m, e, (uint8_t *)range, n * 16, false);

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
        uint8_t *p = model_dev_ptr(e->mptr);

        for (uint32_t i = 0; i < blocks * ns->metadata; i++) {
            if (e->opcode == 1 && p[i] != 0) {
                abort(); /* what would become of that? */
            }
            p[i] = e->opcode == 2 ? 0xee : p[i];
        }
    }
    return pract ? 2 : 0;
}

uint16_t model_io(struct model *m, const struct nvme_sqe *e)
{
    if (!model_ns_active(m, e->nsid)) {
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
    return model_transfer(m, e, ns->data + lba * ns->block_size, blocks * ns->block_size, e->opcode == 2);
}

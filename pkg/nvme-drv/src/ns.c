// SPDX-License-Identifier: MIT
// Namespaces: reading by the driver itself, and the partition table.
#include "ctrl.h"
#include "log.h"
#include <abi/types.h>
#include <gpt/mbr.h>
#include <stdlib.h>
#include <string.h>

struct read_wait {
    struct nvme_ctrl *ctrl;
    bool done;
    uint32_t status;
};

static void read_done(struct nvme_cmd *cmd, uint32_t status, uint32_t dw0)
{
    struct read_wait *w = cmd->ctx;

    (void)dw0;
    w->status = status;
    w->done = true;
    w->ctrl->wake = true;
}

/* Reads blocks into the scratch buffer; the caller has checked the range and that they fit. */
static int64_t ns_read_scratch(struct nvme_ns *ns, uint64_t lba, uint32_t blocks)
{
    struct nvme_ctrl *c = ns->ctrl;
    struct read_wait w = {.ctrl = c};
    struct dma_seg seg = {.addr = c->scratch.dev, .len = blocks * ns->info.block_size};
    struct dma_cursor cur = {.seg = &seg, .count = 1};
    struct nvme_sqe *sqe;
    /* a dead one's time-outs are not watched: nothing would end the command */
    struct nvme_cmd *cmd = c->state != CTRL_DEAD ? nvme_queue_get(ns->queue, &sqe) : NULL;
    uint64_t now = c->hw->ops->now_ns(c->hw);

    if (!cmd) {
        return c->state == CTRL_DEAD ? SK_ENODEV : SK_EBUSY;
    }
    if (dptr_build(ns->queue, cmd, sqe, DPTR_PRP, &cur, seg.len, ns->info.block_size) != seg.len) {
        nvme_queue_unget(ns->queue, cmd);
        return SK_EBUSY;
    }
    sqe->opcode = NVME_IO_READ;
    sqe->nsid = ns->nsid;
    sqe->cdw10 = (uint32_t)lba;
    sqe->cdw11 = (uint32_t)(lba >> 32);
    sqe->cdw12 = (uint32_t)field_prep(NVME_RW_NLB, blocks - 1);
    nvme_ns_finish(ns, sqe);
    cmd->lba = lba;
    cmd->done = read_done;
    cmd->ctx = &w;
    nvme_queue_put(ns->queue, cmd, now);
    nvme_queue_ring(ns->queue);
    nvme_ctrl_watch(c, now);
    while (!w.done) { /* the time-out check ends it at the latest */
        nvme_queue_process(ns->queue);
        if (!w.done && c->reset_wanted) {
            nvme_ctrl_recover(c);
        }
        if (!w.done) {
            c->hw->ops->wait(c->hw, UINT64_MAX);
        }
    }
    if (NVME_STATUS_CODE(w.status) != 0) {
        log_warn("NVMe[%s]: NSID %u: reading block %llu failed: %s", c->id.serial, ns->nsid, (unsigned long long)lba,
                 nvme_status_text(w.status));
        return SK_EIO;
    }
    return SK_OK;
}

/* For lib/gpt. */
static int64_t ns_read(void *ctx, uint64_t lba, uint32_t blocks, void *buf)
{
    struct nvme_ns *ns = ctx;
    uint32_t most = min(NVME_SCRATCH_BYTES, ns->max_transfer) / ns->info.block_size;

    if (!range_ok(lba, blocks, ns->info.blocks)) {
        return SK_ERANGE;
    }
    while (blocks > 0) {
        uint32_t n = min(blocks, most);
        int64_t err = ns_read_scratch(ns, lba, n);

        if (err) {
            return err;
        }
        memcpy(buf, ns->ctrl->scratch.mem, (size_t)n * ns->info.block_size);
        buf = (uint8_t *)buf + (size_t)n * ns->info.block_size;
        lba += n;
        blocks -= n;
    }
    return SK_OK;
}

static void part_add(struct nvme_part ***tail, const struct gpt_part *p, const char *uuid)
{
    struct nvme_part *part = malloc(sizeof(*part));

    if (!part) {
        log_error("libblock[]: Memory for partition %u (%s): none left; it is not there", p->number, uuid);
        return;
    }
    log_info("libblock[]: Partition %u: %s, \"%s\", blocks %llu to %llu", p->number, uuid, p->label,
             (unsigned long long)p->first, (unsigned long long)p->last);
    *part = (struct nvme_part){.gpt = *p};
    memcpy(part->uuid, uuid, strlen(uuid) + 1);
    **tail = part;
    *tail = &part->next;
}

static void scan_gpt(struct nvme_ns *ns, const struct gpt_table *t)
{
    struct nvme_part **tail = &ns->parts;
    char guid[GPT_GUID_TEXT];
    struct gpt_part p;

    for (uint32_t i = 0; i < t->count; i++) {
        int64_t err = gpt_entry(t, i, &p);

        if (err == SK_OK) {
            gpt_guid_format(&p.guid, guid);
            part_add(&tail, &p, guid);
        } else if (err != SK_ENOENT) {
            log_warn("libblock[]: Partition %u of NSID %u (blocks %llu to %llu) is not used: it %s", p.number, ns->nsid,
                     (unsigned long long)p.first, (unsigned long long)p.last,
                     err == SK_EEXIST ? "overlaps another one" : "lies outside the usable blocks");
        }
    }
}

/* A legacy record's partitions, with type EEh among them none. */
static void scan_mbr(struct nvme_ns *ns, const struct mbr_table *t)
{
    struct nvme_part **tail = &ns->parts;
    char uuid[MBR_UUID_TEXT];

    log_info("libblock[]: MBR found, disk signature %08x.", t->signature);
    for (unsigned i = 0; i < t->count; i++) {
        const struct mbr_part *p = &t->part[i];
        struct gpt_part part = {.number = p->number, .first = p->first, .last = p->last};

        if (p->refused) {
            log_warn("libblock[]: Partition %u of NSID %u (blocks %llu to %llu) is not used: it %s", p->number,
                     ns->nsid, (unsigned long long)p->first, (unsigned long long)p->last, p->refused);
            continue;
        }
        mbr_uuid_format(t->signature, p->number, uuid);
        part_add(&tail, &part, uuid);
    }
    if (t->damage) {
        log_warn("libblock[]: NSID %u: the logical partitions are damaged (%s); those behind that are not used",
                 ns->nsid, t->damage);
    }
}

/* Which of the two is in force [UEFI-2.9 5.2, 5.3]: the GPT needs a protective record, a legacy record without one
 * rules a GPT left over out. A GPT whose MBR is no record at all is used all the same. */
static void scan_tables(struct nvme_ns *ns, int64_t gpt_err, const struct gpt_table *g, int64_t mbr_err,
                        const struct mbr_table *m)
{
    bool legacy = mbr_err == SK_OK && !m->protective;

    if (gpt_err == SK_OK && !legacy) {
        log_info("libblock[]: GUID partition header found with %u entries.", g->count);
        if (g->backup) {
            log_warn("libblock[]: NSID %u: the primary partition table is damaged (%s); the backup is used. Repair it, "
                     "for example with sgdisk -e",
                     ns->nsid, g->damage);
        } else if (g->backup_damage) {
            log_warn("libblock[]: NSID %u: the backup of the partition table is damaged (%s); the primary is used. "
                     "Repair it, for example with sgdisk -e",
                     ns->nsid, g->backup_damage);
        }
        if (mbr_err == SK_OK && m->hybrid) {
            log_warn("libblock[]: NSID %u: the MBR is a hybrid one; the GUID partition table counts", ns->nsid);
        }
        scan_gpt(ns, g);
        return;
    }
    if (gpt_err == SK_ENOENT) {
        log_info("libblock[]: No GUID partition header found.");
    } else if (!legacy) {
        log_warn("libblock[]: NSID %u: both copies of the partition table are damaged (%s); no partition is used",
                 ns->nsid, g->damage ? g->damage : "signature");
    } else {
        log_warn("libblock[]: NSID %u: its MBR has no protective entry, so the GUID partition table is not in force",
                 ns->nsid);
    }
    if (legacy) {
        scan_mbr(ns, m);
    } else if (mbr_err == SK_ENOENT) {
        log_info("libblock[]: No MBR found.");
    } else if (gpt_err == SK_ENOENT) {
        log_warn("libblock[]: NSID %u: the MBR says that there is a GUID partition table; no partition is used",
                 ns->nsid);
    }
}

void nvme_ns_scan(struct nvme_ns *ns)
{
    struct gpt_disk disk = {.read = ns_read, .ctx = ns, .blocks = ns->info.blocks, .block_size = ns->info.block_size};
    size_t size = gpt_buffer_size(ns->info.block_size);
    struct mbr_table *mbr = malloc(sizeof(*mbr));
    void *buf = malloc(size);
    struct gpt_table gpt;

    while (ns->parts) {
        struct nvme_part *p = ns->parts;

        ns->parts = p->next;
        free(p);
    }
    if (!buf || !mbr) {
        log_error("libblock[]: Memory for the partition table of NSID %u: none left", ns->nsid);
    } else {
        int64_t mbr_err = mbr_read(&disk, buf, size, mbr);
        int64_t gpt_err = gpt_read(&disk, buf, size, &gpt); /* last: it keeps buf */
        bool failed = (mbr_err && mbr_err != SK_ENOENT) || (gpt_err && gpt_err != SK_ENOENT && gpt_err != SK_EINVAL);

        if (failed) {
            log_warn("libblock[]: NSID %u: the partition table cannot be read; no partition is used", ns->nsid);
        } else {
            scan_tables(ns, gpt_err, &gpt, mbr_err, mbr);
        }
    }
    free(mbr);
    free(buf);
}

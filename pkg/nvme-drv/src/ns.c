// SPDX-License-Identifier: MIT
// Namespaces: reading by the driver itself, and the partition table.
#include "ctrl.h"
#include "log.h"
#include <abi/types.h>
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
    struct nvme_cmd *cmd = nvme_queue_get(ns->queue, &sqe);
    uint64_t now = c->hw->ops->now_ns(c->hw);

    if (!cmd) {
        return SK_EBUSY;
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

static void part_add(struct nvme_part ***tail, const struct gpt_part *p)
{
    struct nvme_part *part = malloc(sizeof(*part));
    char guid[GPT_GUID_TEXT];

    gpt_guid_format(&p->guid, guid);
    if (!part) {
        log_error("libblock[]: Memory for partition %u (%s): none left; it is not there", p->number, guid);
        return;
    }
    log_info("libblock[]: Partition %u: %s, \"%s\", blocks %llu to %llu", p->number, guid, p->label,
             (unsigned long long)p->first, (unsigned long long)p->last);
    *part = (struct nvme_part){.gpt = *p};
    **tail = part;
    *tail = &part->next;
}

static void scan_entries(struct nvme_ns *ns, const struct gpt_table *t)
{
    struct nvme_part **tail = &ns->parts;
    struct gpt_part p;

    for (uint32_t i = 0; i < t->count; i++) {
        int64_t err = gpt_entry(t, i, &p);

        if (err == SK_OK) {
            part_add(&tail, &p);
        } else if (err != SK_ENOENT) {
            log_warn("libblock[]: Partition %u of NSID %u (blocks %llu to %llu) is not used: it %s", p.number, ns->nsid,
                     (unsigned long long)p.first, (unsigned long long)p.last,
                     err == SK_EEXIST ? "overlaps another one" : "lies outside the usable blocks");
        }
    }
}

void nvme_ns_scan(struct nvme_ns *ns)
{
    struct gpt_disk disk = {.read = ns_read, .ctx = ns, .blocks = ns->info.blocks, .block_size = ns->info.block_size};
    size_t size = gpt_buffer_size(ns->info.block_size);
    struct gpt_table t;
    void *buf = malloc(size);

    if (!buf) {
        log_error("libblock[]: Memory for the partition table of NSID %u: none left", ns->nsid);
        return;
    }
    int64_t err = gpt_read(&disk, buf, size, &t);

    if (err == SK_OK) {
        log_info("libblock[]: GUID partition header found with %u entries.", t.count);
        if (t.backup) {
            log_warn("libblock[]: NSID %u: the primary partition table is damaged (%s); the backup is used. Repair it, "
                     "for example with sgdisk -e",
                     ns->nsid, t.damage);
        }
        scan_entries(ns, &t);
    } else if (err == SK_EINVAL) {
        log_warn("libblock[]: NSID %u: both copies of the partition table are damaged (%s); no partition is used",
                 ns->nsid, t.damage ? t.damage : "signature");
    } else if (err == SK_ENOENT) {
        log_info("libblock[]: No GUID partition header found.");
    } else {
        log_warn("libblock[]: NSID %u: the partition table cannot be read (%lld); no partition is used", ns->nsid,
                 (long long)err);
    }
    free(buf);
}

// SPDX-License-Identifier: MIT
// Controller bring-up, admin commands, recovery: see ctrl.h.
#include "ctrl_priv.h"

#include "log.h"
#include <abi/types.h>
#include <stdlib.h>
#include <string.h>

/* --- registers --- */

/* Waits for CSTS.RDY as long as CAP.TO allows [NVMe-1.4 3.1.1]. */
static int64_t wait_ready(struct nvme_ctrl *c, bool ready, const char *doing)
{
    uint64_t limit_ms = max(field_get(NVME_CAP_TO, c->cap), 1ull) * 500;
    uint64_t deadline = ctrl_now(c) + limit_ms * 1000000;

    for (;;) {
        uint32_t csts = hw_r32(c->hw, NVME_CSTS);

        if (csts == NVME_ALL_ONES) {
            log_error("NVMe[%s]: %s: the controller does not answer (all registers read as ones); is it still there?",
                      c->hw->name, doing);
            return SK_ENODEV;
        }
        if (ready && (csts & NVME_CSTS_CFS)) {
            log_error("NVMe[%s]: %s: the controller reports a fatal error (CSTS %#x); it needs a power cycle",
                      c->hw->name, doing, csts);
            return SK_EIO;
        }
        if (((csts & NVME_CSTS_RDY) != 0) == ready) {
            return SK_OK;
        }
        uint64_t t = ctrl_now(c);

        if (t >= deadline) {
            log_error(
                "NVMe[%s]: %s: the controller is not %s after %u ms, its own limit (CAP.TO); it needs a power cycle",
                c->hw->name, doing, ready ? "ready" : "stopped", (unsigned)limit_ms);
            return SK_ETIMEDOUT;
        }
        c->hw->ops->wait(c->hw, min(t + CTRL_POLL_NS, deadline));
    }
}

int64_t ctrl_disable(struct nvme_ctrl *c)
{
    uint32_t cc = hw_r32(c->hw, NVME_CC);

    /* EN must not be cleared while the controller still becomes ready [NVMe-1.4 3.1.5] (firmware may just have set it);
     * if it never does, clearing is the only way on. Later it was ready, or has had its time */
    if (c->state == CTRL_INIT && cc != NVME_ALL_ONES && (cc & NVME_CC_EN) && !(cc & NVME_CC_SHN) &&
        wait_ready(c, true, "Waiting before the reset") == SK_ENODEV) {
        return SK_ENODEV;
    }
    hw_w32(c->hw, NVME_CC, 0);
    return wait_ready(c, false, "Stopping the controller");
}

int64_t ctrl_enable(struct nvme_ctrl *c)
{
    hw_w32(c->hw, NVME_AQA,
           (uint32_t)(field_prep(NVME_AQA_ASQS, NVME_ADMIN_ENTRIES - 1) |
                      field_prep(NVME_AQA_ACQS, NVME_ADMIN_ENTRIES - 1)));
    hw_w64(c->hw, NVME_ASQ, c->admin.sq_mem.dev);
    hw_w64(c->hw, NVME_ACQ, c->admin.cq_mem.dev);
    hw_w32(c->hw, NVME_CC, (uint32_t)(NVME_CC_EN | field_prep(NVME_CC_IOSQES, 6) | field_prep(NVME_CC_IOCQES, 4)));
    return wait_ready(c, true, "Enabling the controller");
}

/* --- admin commands --- */

struct admin_wait {
    struct nvme_ctrl *ctrl;
    bool done;
    uint32_t status, dw0;
};

static void admin_done(struct nvme_cmd *cmd, uint32_t status, uint32_t dw0)
{
    struct admin_wait *w = cmd->ctx;

    w->status = status;
    w->dw0 = dw0;
    w->done = true;
    w->ctrl->wake = true;
}

static void admin_abandoned(struct nvme_cmd *cmd, uint32_t status, uint32_t dw0)
{
    (void)cmd, (void)status, (void)dw0;
}

int64_t ctrl_admin(struct nvme_ctrl *c, const struct nvme_sqe *command, const char *what, uint32_t *dw0)
{
    struct admin_wait w = {.ctrl = c};
    struct nvme_sqe *sqe;
    struct nvme_cmd *cmd = nvme_queue_get(&c->admin, &sqe);

    if (!cmd) {
        return SK_EBUSY; /* only after many time-outs: the reset frees the slots */
    }
    uint16_t cid = sqe->cid;
    uint64_t deadline = ctrl_now(c) + NVME_ADMIN_TIMEOUT_NS;

    *sqe = *command;
    sqe->cid = cid;
    cmd->done = admin_done;
    cmd->ctx = &w;
    nvme_queue_put(&c->admin, cmd, ctrl_now(c));
    nvme_queue_ring(&c->admin);
    while (!w.done) {
        nvme_queue_process(&c->admin);
        if (w.done) {
            break;
        }
        uint64_t t = ctrl_now(c);

        if (t >= deadline || ctrl_stopped(hw_r32(c->hw, NVME_CSTS))) {
            cmd->done = admin_abandoned;
            log_error("NVMe[%s]: %s: no answer within %u s (CSTS %#x)", c->hw->name, what,
                      (unsigned)(NVME_ADMIN_TIMEOUT_NS / 1000000000), hw_r32(c->hw, NVME_CSTS));
            return SK_ETIMEDOUT;
        }
        c->hw->ops->wait(c->hw, min(deadline, t + NVME_HEALTH_NS));
    }
    if (dw0) {
        *dw0 = w.dw0;
    }
    c->admin_status = w.status;
    if (NVME_STATUS_CODE(w.status) != 0) {
        log_error("NVMe[%s]: %s failed: %s (SCT %u, SC %#x)", c->hw->name, what, nvme_status_text(w.status),
                  NVME_STATUS_SCT(w.status), NVME_STATUS_SC(w.status));
        return SK_EIO;
    }
    return SK_OK;
}

int64_t ctrl_identify_page(struct nvme_ctrl *c, uint8_t cns, uint32_t nsid, const char *what)
{
    struct nvme_sqe sqe = {
        .opcode = NVME_ADMIN_IDENTIFY,
        .nsid = nsid,
        .dptr = {c->scratch.dev, 0},
        .cdw10 = cns,
    };

    return ctrl_admin(c, &sqe, what, NULL);
}

int64_t ctrl_log_page(struct nvme_ctrl *c, uint8_t page, uint32_t bytes, bool keep)
{
    struct nvme_sqe sqe = {
        .opcode = NVME_ADMIN_GET_LOG_PAGE,
        .nsid = NVME_NSID_ALL,
        .dptr = {c->scratch.dev, 0},
        .cdw10 = (uint32_t)(field_prep(NVME_LOG_LID, page) | field_prep(NVME_LOG_NUMDL, bytes / 4 - 1)) |
                 (keep ? (uint32_t)NVME_LOG_RAE : 0),
    };

    return ctrl_admin(c, &sqe, "Reading a log page", NULL);
}

/* --- queues --- */

int64_t ctrl_queue_announce(struct nvme_ctrl *c, struct nvme_queue *q)
{
    uint32_t id = (uint32_t)(field_prep(NVME_CREATE_QID, q->qid) | field_prep(NVME_CREATE_QSIZE, q->entries - 1u));
    struct nvme_sqe cq = {
        .opcode = NVME_ADMIN_CREATE_CQ,
        .dptr = {q->cq_mem.dev, 0},
        .cdw10 = id,
        .cdw11 = (uint32_t)(NVME_CREATE_PC | NVME_CREATE_IEN | field_prep(NVME_CREATE_IV, q->vector)),
    };
    struct nvme_sqe sq = {
        .opcode = NVME_ADMIN_CREATE_SQ,
        .dptr = {q->sq_mem.dev, 0},
        .cdw10 = id,
        .cdw11 = (uint32_t)(NVME_CREATE_PC | field_prep(NVME_CREATE_CQID, q->qid)),
    };
    int64_t err = ctrl_admin(c, &cq, "Creating a completion queue", NULL);

    return err ? err : ctrl_admin(c, &sq, "Creating a submission queue", NULL);
}

/* By demand, as far as the controller goes: a client queue's requests fit into a pair of its own, one slot less than
 * entries; where there are not enough pairs for one client, they are shared from the start. */
static uint16_t queue_entries(const struct nvme_ctrl *c)
{
    uint32_t most = (uint32_t)field_get(NVME_CAP_MQES, c->cap) + 1;

    return (uint16_t)min(most, c->io_granted < NVME_SHARED_PAIRS ? NVME_QUEUE_ENTRIES_MAX : NVME_IO_ENTRIES);
}

struct nvme_queue *ctrl_queue_create(struct nvme_ctrl *c)
{
    struct nvme_queue *q = calloc(1, sizeof(*q));
    struct nvme_queue **io = realloc(c->io, (c->io_count + 1) * sizeof(*io));

    if (io) {
        c->io = io;
    }
    if (!q || !io ||
        nvme_queue_init(q, c->hw, (uint16_t)(c->io_count + 1), queue_entries(c), true, c->doorbell_stride,
                        c->io_timeout_ns)) {
        log_error("NVMe[%s]: Memory for I/O queue %u: none left; give the program more", c->hw->name, c->io_count + 1);
        free(q);
        return NULL;
    }
    q->repeat = true;
    q->broken = true;
    c->io[c->io_count++] = q; /* in any case: the controller may come to know half of it */
    if (c->hw->ops->vector(c->hw, &q->vector) || ctrl_queue_announce(c, q)) {
        return NULL;
    }
    q->broken = false;
    return q;
}

struct nvme_queue *ctrl_queue_first(struct nvme_ctrl *c)
{
    return c->io_count > 0 ? c->io[0] : ctrl_queue_create(c);
}

int64_t ctrl_queue_count(struct nvme_ctrl *c)
{
    uint32_t want = 0xfffe, got;
    struct nvme_sqe sqe = {
        .opcode = NVME_ADMIN_SET_FEATURES,
        .cdw10 = NVME_FEAT_NUM_QUEUES,
        .cdw11 = (uint32_t)(field_prep(NVME_NUM_QUEUES_NSQ, want) | field_prep(NVME_NUM_QUEUES_NCQ, want)),
    };
    int64_t err = ctrl_admin(c, &sqe, "Asking for I/O queues", &got);

    if (!err) {
        /* as many as it grants, and as have their doorbells in the part of the BAR that we can reach */
        unsigned pairs = (c->hw->bar_size - NVME_DOORBELLS) / (2 * c->doorbell_stride);
        unsigned granted = (unsigned)min(field_get(NVME_NUM_QUEUES_NSQ, got), field_get(NVME_NUM_QUEUES_NCQ, got)) + 1;

        granted = min(granted, NVME_IO_QUEUES_MAX);
        c->io_granted = min(granted, pairs - 1);
    }
    return err;
}

/* --- identification --- */

static int64_t ctrl_identify(struct nvme_ctrl *c)
{
    int64_t err = ctrl_identify_page(c, NVME_CNS_CONTROLLER, 0, "Identify Controller");

    if (err) {
        return err;
    }
    const char *why = ident_ctrl_parse(c->scratch.mem, &c->id);

    log_info("Serial Number: %s", c->id.serial);
    log_info("Model Number: %s", c->id.model);
    log_info("Firmware Revision: %s", c->id.firmware);
    log_info("Controller ID: %d", c->id.cntlid);
    log_info("SGL Support: %s", c->id.dptr != DPTR_PRP ? "yes" : "no");
    log_info("Number of Namespaces: %d", (int)c->id.nn);
    if (why) {
        log_error("NVMe[%s]: The controller cannot be used: %s", c->hw->name, why);
        return SK_ENODEV;
    }
    if (c->no_sgl) {
        c->id.dptr = DPTR_PRP;
    }
    return SK_OK;
}

int64_t ctrl_write_cache(struct nvme_ctrl *c, bool first)
{
    struct nvme_sqe get = {.opcode = NVME_ADMIN_GET_FEATURES, .cdw10 = NVME_FEAT_WRITE_CACHE};
    struct nvme_sqe set = {.opcode = NVME_ADMIN_SET_FEATURES, .cdw10 = NVME_FEAT_WRITE_CACHE, .cdw11 = c->id.vwc};
    uint32_t dw0;

    if (!c->id.cache) {
        return SK_OK; /* there is none */
    }
    int64_t err = ctrl_admin(c, &get, "Asking for the state of the write cache", &dw0);

    if (err) {
        return err == SK_EIO ? SK_OK : err; /* taken to be on: flushes cannot do harm */
    }
    bool on = (dw0 & NVME_WRITE_CACHE_WCE) != 0;

    if (first) {
        c->id.vwc = on;
        log_info("Write Cache: %s", on ? "on" : "off");
    } else if (on != c->id.vwc) { /* clients were told something else */
        err = ctrl_admin(c, &set, "Setting the write cache as it was", NULL);
    }
    return err;
}

/* --- start --- */

/* Nothing goes to the controller any more; everything in flight ends. */
void ctrl_die(struct nvme_ctrl *c)
{
    c->state = CTRL_DEAD;
    c->hw->ops->isolate(c->hw);
    for (unsigned i = 0; i < c->io_count; i++) {
        nvme_queue_reset(c->io[i]);
    }
    if (c->admin.entries) {
        nvme_queue_reset(&c->admin);
    }
}

static int64_t ctrl_check_cap(struct nvme_ctrl *c)
{
    c->cap = hw_r64(c->hw, NVME_CAP);
    if (c->cap == UINT64_MAX) {
        log_error("NVMe[%s]: The controller does not answer (all registers read as ones); is it still there?",
                  c->hw->name);
        return SK_ENODEV;
    }
    c->doorbell_stride = 4u << field_get(NVME_CAP_DSTRD, c->cap);
    if (c->hw->bar_size < NVME_CQ_DOORBELL(1, c->doorbell_stride) + 4) {
        log_error("NVMe[%s]: The controller cannot be used: its BAR 0 has no room for an I/O queue's doorbells",
                  c->hw->name);
        return SK_ENODEV;
    }
    if (field_get(NVME_CAP_MPSMIN, c->cap) != 0 || !(field_get(NVME_CAP_CSS, c->cap) & 1) ||
        field_get(NVME_CAP_MQES, c->cap) == 0) {
        log_error(
            "NVMe[%s]: The controller cannot be used: it lacks 4 KiB pages, the NVM command set, or queues of two "
            "entries (CAP %#llx)",
            c->hw->name, (unsigned long long)c->cap);
        return SK_ENODEV;
    }
    return SK_OK;
}

static int64_t ctrl_bring_up(struct nvme_ctrl *c)
{
    int64_t err = ctrl_check_cap(c);

    if (err || (err = ctrl_disable(c))) {
        return err;
    }
    if (c->hw->ops->dma_alloc(c->hw, NVME_SCRATCH_BYTES, &c->scratch) ||
        nvme_queue_init(&c->admin, c->hw, 0, NVME_ADMIN_ENTRIES, false, c->doorbell_stride, NVME_ADMIN_TIMEOUT_NS)) {
        log_error("NVMe[%s]: Memory for the admin queue: none left; give the program more", c->hw->name);
        return SK_ENOMEM;
    }
    if ((err = ctrl_enable(c)) || (err = ctrl_identify(c)) || (err = ctrl_write_cache(c, true)) ||
        (err = ctrl_event_config(c)) || (err = ctrl_queue_count(c))) {
        return err;
    }
    return ctrl_namespaces(c, NULL);
}

int64_t nvme_ctrl_start(struct nvme_ctrl *c)
{
    if (c->io_timeout_ns == 0) {
        c->io_timeout_ns = NVME_IO_TIMEOUT_NS;
    }
    c->armed_ns = UINT64_MAX;
    int64_t err = ctrl_bring_up(c);

    if (err) {
        log_error("NVMe[%s]: The controller is not used; its disks are not there", c->hw->name);
        ctrl_die(c);
        return err;
    }
    c->state = CTRL_READY;
    ctrl_scan_tables(c);
    c->idle_at_ns = c->users > 0 ? UINT64_MAX : ctrl_now(c) + NVME_IDLE_NS;
    return SK_OK;
}

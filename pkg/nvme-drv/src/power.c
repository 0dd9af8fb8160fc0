// SPDX-License-Identifier: MIT
/* A controller without clients is shut down, and started again for the next one: see ctrl.h. So the drive has seen a
 * normal shutdown whenever the machine is switched off after the clients have ended.
 *
 * Documents: [NVMe-1.4] 7.6.2 (shutdown; in [NVMe-2.0] 3.6.1): nothing in flight, the I/O queues deleted, CC.SHN 01b,
 * CSTS.SHST 10b within RTD3 Entry Latency. From there on only a reset brings the controller back. */
#include "ctrl_priv.h"

#include "log.h"
#include <abi/types.h>

void nvme_ctrl_use(struct nvme_ctrl *c)
{
    c->users++;
    c->idle_at_ns = UINT64_MAX;
    if (c->state == CTRL_OFF) {
        ctrl_wake(c);
    }
}

void nvme_ctrl_unuse(struct nvme_ctrl *c)
{
    if (--c->users == 0) {
        c->idle_at_ns = ctrl_now(c);
        ctrl_wake(c);
    }
}

void nvme_ctrl_stop(struct nvme_ctrl *c)
{
    c->stopping = true;
    ctrl_wake(c);
}

bool ctrl_power_wanted(struct nvme_ctrl *c)
{
    return (c->state == CTRL_READY && c->users == 0 && (c->stopping || ctrl_now(c) >= c->idle_at_ns)) ||
           (c->state == CTRL_OFF && c->users > 0 && !c->stopping);
}

static int64_t queue_delete(struct nvme_ctrl *c, uint8_t opcode, const struct nvme_queue *q)
{
    struct nvme_sqe sqe = {.opcode = opcode, .cdw10 = q->qid};

    return ctrl_admin(c, &sqe, "Deleting a queue", NULL);
}

/* First the submission queues [NVMe-1.4 7.6.2]. What fails here is logged and does not prevent the shutdown. */
static void queues_delete(struct nvme_ctrl *c)
{
    int64_t err = SK_OK;

    for (unsigned i = 0; i < c->io_count && err != SK_ETIMEDOUT; i++) {
        err = c->io[i]->broken ? SK_OK : queue_delete(c, NVME_ADMIN_DELETE_SQ, c->io[i]);
    }
    for (unsigned i = 0; i < c->io_count && err != SK_ETIMEDOUT; i++) {
        err = c->io[i]->broken ? SK_OK : queue_delete(c, NVME_ADMIN_DELETE_CQ, c->io[i]);
    }
}

static int64_t wait_shut_down(struct nvme_ctrl *c)
{
    uint64_t deadline = ctrl_now(c) + c->id.shutdown_ms * 1000000ull;

    for (;;) {
        uint32_t csts = hw_r32(c->hw, NVME_CSTS);
        uint64_t now = ctrl_now(c);

        if (ctrl_lost(csts)) {
            log_error("NVMe[%s]: The controller was lost while it was shut down (CSTS %#x)", c->id.serial, csts);
            return SK_ENODEV;
        }
        if (field_get(NVME_CSTS_SHST, csts) == NVME_CSTS_SHST_COMPLETE) {
            return SK_OK;
        }
        if (now >= deadline) {
            log_error("NVMe[%s]: The shutdown has not ended within %u ms (CSTS %#x); what was not flushed may be lost",
                      c->id.serial, c->id.shutdown_ms, csts);
            return SK_ETIMEDOUT;
        }
        c->hw->ops->wait(c->hw, min(now + CTRL_POLL_NS, deadline));
    }
}

void ctrl_shut_down(struct nvme_ctrl *c)
{
    c->state = CTRL_RESETTING; /* nothing may be submitted; without clients nothing is in flight */
    queues_delete(c);
    uint32_t cc = hw_r32(c->hw, NVME_CC);

    if (cc == NVME_ALL_ONES) {
        ctrl_die(c);
        return;
    }
    hw_w32(c->hw, NVME_CC, (cc & ~(uint32_t)NVME_CC_SHN) | (uint32_t)field_prep(NVME_CC_SHN, NVME_CC_SHN_NORMAL));
    int64_t err = wait_shut_down(c);

    if (err == SK_ENODEV) {
        ctrl_die(c);
        return;
    }
    c->state = CTRL_OFF;
    if (!err) {
        log_info("NVMe[%s]: The controller has no clients and is shut down", c->id.serial);
    }
}

// SPDX-License-Identifier: MIT
/* Time-outs, Abort, reset and replay: see ctrl.h. Documents: [NVMe-1.4] 5.1 (Abort), 7.3.2 (controller level
 * reset), 9.5 (fatal status). */
#include "ctrl_priv.h"

#include "log.h"
#include "pool.h"
#include <abi/types.h>

#define RESET_PAUSE_NS 100000000ull /* between attempts */

/* --- reset --- */

static int64_t ctrl_restart(struct nvme_ctrl *c)
{
    int64_t err = ctrl_disable(c);

    if (err) {
        return err;
    }
    for (unsigned i = 0; i < c->io_count; i++) {
        nvme_queue_rewind(c->io[i]);
    }
    nvme_queue_reset(&c->admin);
    if ((err = ctrl_enable(c)) || (err = ctrl_write_cache(c, false)) || (err = ctrl_event_config(c)) ||
        (err = ctrl_queue_count(c))) {
        return err;
    }
    c->rescan = true; /* events may have been lost */
    for (unsigned i = 0; i < c->io_count && !err; i++) {
        err = ctrl_queue_announce(c, c->io[i]);
    }
    return err;
}

/* The worker may be woken earlier by events. */
static void ctrl_pause(struct nvme_ctrl *c, uint64_t ns)
{
    uint64_t until = ctrl_now(c) + ns;

    while (ctrl_now(c) < until) {
        c->hw->ops->wait(c->hw, until);
    }
}

int64_t ctrl_reset(struct nvme_ctrl *c)
{
    int64_t err = SK_OK;

    for (unsigned i = 0; i < NVME_RESET_TRIES; i++) {
        if (i > 0) {
            ctrl_pause(c, RESET_PAUSE_NS);
        }
        c->resets++;
        err = ctrl_restart(c);
        if (err == SK_OK || err == SK_ENODEV) {
            break;
        }
    }
    return err;
}

/* Counts resets between which nothing was completed: true when there were too many. */
static bool ctrl_is_barren(struct nvme_ctrl *c)
{
    uint64_t completed = 0;

    for (unsigned i = 0; i < c->io_count; i++) {
        completed += c->io[i]->completed;
    }
    c->barren = completed == c->completed ? c->barren + 1 : 0;
    c->completed = completed;
    return c->barren > NVME_BARREN_RESETS;
}

static void ctrl_replay(struct nvme_ctrl *c)
{
    unsigned again = 0;

    for (unsigned i = 0; i < c->io_count; i++) {
        again += c->io[i]->in_flight;
        nvme_queue_replay(c->io[i], ctrl_now(c));
    }
    nvme_ctrl_watch(c, ctrl_now(c));
    if (c->users == 0) {
        c->idle_at_ns = ctrl_now(c);
    }
    log_warn(
        "NVMe[%s]: The controller was reset and works again (reset %u); %u requests were in flight and are repeated",
        c->id.serial, c->resets, again);
}

static void ctrl_give_up(struct nvme_ctrl *c)
{
    log_error("NVMe[%s]: The controller is not used any more and all its requests fail; it needs a power cycle",
              c->id.serial);
    ctrl_die(c);
}

void nvme_ctrl_recover(struct nvme_ctrl *c)
{
    c->reset_wanted = false;
    if (c->state == CTRL_DEAD || c->state == CTRL_OFF) {
        return;
    }
    c->state = CTRL_RESETTING;
    if (ctrl_is_barren(c)) {
        log_error("NVMe[%s]: %u resets in a row were of no use", c->id.serial, c->barren - 1);
    } else if (ctrl_reset(c) == SK_OK) {
        c->state = CTRL_READY;
        ctrl_replay(c);
        return;
    }
    ctrl_give_up(c);
}

/* From CTRL_OFF. */
static void ctrl_switch_on(struct nvme_ctrl *c)
{
    c->state = CTRL_RESETTING;
    if (ctrl_reset(c) != SK_OK) {
        ctrl_give_up(c);
        return;
    }
    c->state = CTRL_READY;
    log_info("NVMe[%s]: The controller works again", c->id.serial);
}

void nvme_ctrl_request(struct nvme_ctrl *c, struct nvme_request *r)
{
    c->request = r;
    ctrl_wake(c);
}

static bool request_ready(const struct nvme_ctrl *c)
{
    return c->request && (c->state == CTRL_READY || c->state == CTRL_DEAD);
}

bool nvme_ctrl_has_work(struct nvme_ctrl *c)
{
    return c->reset_wanted || c->pairs_wanted > 0 || ctrl_power_wanted(c) || ctrl_events_wanted(c) || request_ready(c);
}

void nvme_ctrl_work(struct nvme_ctrl *c)
{
    if (c->reset_wanted) {
        nvme_ctrl_recover(c);
    }
    while (ctrl_power_wanted(c)) { /* a client may come while it is shut down */
        if (c->state == CTRL_OFF) {
            ctrl_switch_on(c);
        } else {
            ctrl_shut_down(c);
        }
    }
    nvme_pool_fill(c);
    ctrl_events(c);
    if (request_ready(c)) {
        struct nvme_request *r = c->request;

        c->request = NULL;
        r->run(c, r);
        r->done(r);
    }
}

static void ctrl_want_reset(struct nvme_ctrl *c)
{
    c->state = CTRL_RESETTING;
    c->reset_wanted = c->wake = true;
}

/* --- Abort --- */

static void abort_done(struct nvme_cmd *cmd, uint32_t status, uint32_t dw0)
{
    struct nvme_ctrl *c = cmd->ctx;

    (void)status, (void)dw0; /* what counts is whether the aborted command ends */
    c->aborting--;
}

/* Asks the controller to end the command, if it takes one more such wish. */
static void abort_send(struct nvme_ctrl *c, const struct nvme_queue *q, const struct nvme_cmd *victim)
{
    struct nvme_sqe *sqe;
    struct nvme_cmd *cmd = c->aborting < c->id.abort_limit ? nvme_queue_get(&c->admin, &sqe) : NULL;

    if (!cmd) {
        return;
    }
    sqe->opcode = NVME_ADMIN_ABORT;
    sqe->cdw10 = q->qid | (uint32_t)victim->sqe.cid << 16;
    cmd->done = abort_done;
    cmd->ctx = c;
    c->aborting++;
    c->aborts++;
    nvme_queue_put(&c->admin, cmd, ctrl_now(c));
    nvme_queue_ring(&c->admin);
}

/* --- watching --- */

static void log_overdue(struct nvme_ctrl *c, const struct nvme_queue *q, const struct nvme_cmd *cmd, const char *then)
{
    log_error("NVMe[%s]: %s at LBA %llu on queue %u has not ended within %u ms%s", c->id.serial,
              nvme_opcode_text(cmd->opcode), (unsigned long long)cmd->lba, q->qid, (unsigned)(q->timeout_ns / 1000000),
              then);
}

/* A command is past its deadline. False: the controller must be reset. */
static bool cmd_expired(struct nvme_ctrl *c, struct nvme_queue *q, struct nvme_cmd *cmd, uint64_t now)
{
    if (cmd->aborted) {
        log_overdue(c, q, cmd, ", nor after an Abort: resetting the controller");
        return false;
    }
    if (c->aborting == 0) { /* one line for all that expire at a time */
        log_overdue(c, q, cmd, ": aborting it");
    }
    abort_send(c, q, cmd);
    cmd->aborted = true;
    cmd->deadline_ns = now + min(q->timeout_ns, NVME_ABORT_NS);
    return true;
}

/* Parked commands whose time has come are sent again. *next: the earliest deadline. False: a reset is needed. */
static bool queue_check(struct nvme_ctrl *c, struct nvme_queue *q, uint64_t now, uint64_t *next)
{
    uint16_t slot = 0;

    q->retry_at_ns = UINT64_MAX;
    for (struct nvme_cmd *cmd; (cmd = nvme_queue_next(q, &slot));) {
        if (cmd->parked && now >= cmd->deadline_ns) {
            nvme_queue_again(q, cmd, now);
        } else if (!cmd->parked && now >= cmd->deadline_ns && !cmd_expired(c, q, cmd, now)) {
            return false;
        }
        if (cmd->parked) {
            q->retry_at_ns = min(q->retry_at_ns, cmd->deadline_ns);
        }
        *next = min(*next, cmd->deadline_ns);
    }
    nvme_queue_ring(q);
    return true;
}

void nvme_ctrl_check(struct nvme_ctrl *c)
{
    uint64_t now = ctrl_now(c), next = UINT64_MAX;

    c->armed_ns = UINT64_MAX;
    if (c->state != CTRL_READY) {
        return;
    }
    nvme_queue_process(&c->admin);
    for (unsigned i = 0; i < c->io_count; i++) {
        nvme_queue_process(c->io[i]); /* was only the interrupt lost? */
        if (!queue_check(c, c->io[i], now, &next)) {
            ctrl_want_reset(c);
            return;
        }
    }
    if (next == UINT64_MAX) {
        return; /* nothing is in flight */
    }
    uint32_t csts = hw_r32(c->hw, NVME_CSTS);

    if (ctrl_stopped(csts)) {
        log_error("NVMe[%s]: The controller %s (CSTS %#x): resetting it", c->id.serial,
                  csts == NVME_ALL_ONES      ? "does not answer"
                  : (csts & NVME_CSTS_CFS) ? "reports a fatal error"
                                             : "has stopped by itself",
                  csts);
        ctrl_want_reset(c);
        return;
    }
    nvme_ctrl_arm(c, min(next, now + NVME_HEALTH_NS));
}

/* --- interrupts --- */

static void queue_event(struct nvme_ctrl *c, struct nvme_queue *q)
{
    nvme_queue_process(q);
    if (q->retry_at_ns != UINT64_MAX) {
        nvme_ctrl_arm(c, q->retry_at_ns);
    }
}

void nvme_ctrl_interrupt(struct nvme_ctrl *c, uint16_t vector)
{
    if (vector == 0 && c->admin.entries) {
        nvme_queue_process(&c->admin);
    }
    for (unsigned i = 0; i < c->io_count; i++) {
        if (c->io[i]->vector == vector) {
            queue_event(c, c->io[i]);
        }
    }
}

// SPDX-License-Identifier: MIT
/* What the files of the controller layer (ctrl.c, ns_list.c, recover.c, power.c, event.c) share with each other and
 * with nobody else. All but the inline functions run in the worker. Errors (SK_E*) have been logged. */
#pragma once

#include "ctrl.h"

#define CTRL_POLL_NS 1000000ull /* CSTS has no interrupt */

static inline uint64_t ctrl_now(struct nvme_ctrl *c)
{
    return c->hw->ops->now_ns(c->hw);
}
/* Does CSTS say that the controller is gone, or in a fatal state? */
static inline bool ctrl_lost(uint32_t csts)
{
    return csts == NVME_ALL_ONES || (csts & NVME_CSTS_CFS);
}
/* Does it say that nothing will ever be completed by one that was enabled? Also when somebody else has reset it. */
static inline bool ctrl_stopped(uint32_t csts)
{
    return ctrl_lost(csts) || !(csts & NVME_CSTS_RDY);
}

/* Event: lets the worker run on. */
static inline void ctrl_wake(struct nvme_ctrl *c)
{
    c->wake = true;
    nvme_ctrl_arm(c, ctrl_now(c));
}

/* Reset and its end: wait as long as CAP.TO says. SK_ENODEV: gone; SK_EIO: fatal error; SK_ETIMEDOUT. */
__attribute__((warn_unused_result)) int64_t ctrl_disable(struct nvme_ctrl *c);
__attribute__((warn_unused_result)) int64_t ctrl_enable(struct nvme_ctrl *c);
/* Runs one admin command; its identifier is filled in here. SK_EIO: it failed; SK_ETIMEDOUT; SK_EBUSY: none is free. */
__attribute__((warn_unused_result)) int64_t ctrl_admin(struct nvme_ctrl *c, const struct nvme_sqe *command,
                                                       const char *what, uint32_t *dw0);
/* A page of Identify data (CNS), a log page (which arms its events again, unless they are kept): into the scratch
 * buffer. */
__attribute__((warn_unused_result)) int64_t ctrl_identify_page(struct nvme_ctrl *c, uint8_t cns, uint32_t nsid,
                                                               const char *what);
__attribute__((warn_unused_result)) int64_t ctrl_log_page(struct nvme_ctrl *c, uint8_t page, uint32_t bytes, bool keep);
/* Asks for as many I/O queues as there may be. */
__attribute__((warn_unused_result)) int64_t ctrl_queue_count(struct nvme_ctrl *c);
/* Reads the state of the volatile write cache into id.vwc; later (not first) makes it the same again. */
__attribute__((warn_unused_result)) int64_t ctrl_write_cache(struct nvme_ctrl *c, bool first);
/* Makes the queue pair known to the controller. */
__attribute__((warn_unused_result)) int64_t ctrl_queue_announce(struct nvme_ctrl *c, struct nvme_queue *q);
/* One more I/O queue pair, known to the controller; NULL: it was not to be had. */
struct nvme_queue *ctrl_queue_create(struct nvme_ctrl *c);
/* The pair that all namespaces begin with, for their partition tables and their first client; clients beyond it get
 * further ones when they start (pool.h). NULL as above. */
struct nvme_queue *ctrl_queue_first(struct nvme_ctrl *c);
/* Compares what is known with the active namespaces; of those that are known, it looks at the `changed` ones (as of
 * log page 04h; NULL: all). Sets ns_changed, ns.unscanned. */
__attribute__((warn_unused_result)) int64_t ctrl_namespaces(struct nvme_ctrl *c, const uint32_t *changed);
/* Reads the partition tables of unscanned namespaces. */
void ctrl_scan_tables(struct nvme_ctrl *c);
/* That and that again; not all: those that the controller says have changed. */
void ctrl_rescan(struct nvme_ctrl *c, bool all);
/* Says which events there shall be. Behind each reset. */
__attribute__((warn_unused_result)) int64_t ctrl_event_config(struct nvme_ctrl *c);
/* Has the worker to call ctrl_events()? It does what events say, a rescan, and asks for further ones. */
bool ctrl_events_wanted(struct nvme_ctrl *c);
void ctrl_events(struct nvme_ctrl *c);
/* Resets the controller and makes its queues again, in NVME_RESET_TRIES attempts. */
__attribute__((warn_unused_result)) int64_t ctrl_reset(struct nvme_ctrl *c);
/* Has the worker to call ctrl_shut_down() or to switch on? */
bool ctrl_power_wanted(struct nvme_ctrl *c);
/* CTRL_READY to CTRL_OFF, or CTRL_DEAD. */
void ctrl_shut_down(struct nvme_ctrl *c);
/* Nothing goes to the controller any more; everything in flight ends. */
void ctrl_die(struct nvme_ctrl *c);

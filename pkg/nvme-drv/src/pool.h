// SPDX-License-Identifier: MIT
/* The controller's I/O queue pairs and the clients' queues on them. Each client queue gets a pair of its own: one that
 * nobody uses, or, as long as the controller grants more, a new one, which the worker makes; until it is there, and
 * when there is none, the client queue shares the pair of its namespace. Commands in flight end on the pair that they
 * were put on, so a client queue may change to another at any time between two commands. */
#pragma once

#include "ctrl.h"

/* A pair for one more client queue, never NULL. *wait: it is shared, nvme_pool_better() may find another later. */
struct nvme_queue *nvme_pool_take(struct nvme_ns *ns, bool *wait);
/* A pair that nobody uses in place of a shared one, or q itself; *wait as above. */
struct nvme_queue *nvme_pool_better(struct nvme_ns *ns, struct nvme_queue *q, bool *wait);
void nvme_pool_put(struct nvme_queue *q);
/* Worker, when pairs_wanted is set: makes the pairs. */
void nvme_pool_fill(struct nvme_ctrl *c);

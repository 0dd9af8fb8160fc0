// SPDX-License-Identifier: MIT
// Queue pairs for clients: see pool.h.
#include "pool.h"

#include "ctrl_priv.h"
#include "log.h"

static struct nvme_queue *pool_unused(struct nvme_ns *ns)
{
    struct nvme_ctrl *c = ns->ctrl;

    if (ns->queue->users == 0) {
        return ns->queue;
    }
    for (unsigned i = 0; i < c->io_count; i++) {
        if (c->io[i]->users == 0 && !c->io[i]->broken) {
            return c->io[i];
        }
    }
    return NULL;
}

/* One more pair is wanted. False: the controller grants no more. */
static bool pool_want(struct nvme_ctrl *c)
{
    if (c->io_count + c->pairs_wanted >= c->io_granted) {
        return false;
    }
    c->pairs_wanted++;
    ctrl_wake(c);
    return true;
}

static void say_shared(const struct nvme_ns *ns)
{
    log_info("NVMe[%s]: No more I/O queues than %u: queues of clients of n%u share one", ns->ctrl->id.serial,
             ns->ctrl->io_count, ns->nsid);
}

struct nvme_queue *nvme_pool_take(struct nvme_ns *ns, bool *wait)
{
    struct nvme_queue *q = pool_unused(ns);

    *wait = false;
    if (!q) {
        q = ns->queue;
        *wait = pool_want(ns->ctrl);
        if (!*wait) {
            say_shared(ns);
        }
    }
    q->users++;
    return q;
}

struct nvme_queue *nvme_pool_better(struct nvme_ns *ns, struct nvme_queue *q, bool *wait)
{
    struct nvme_queue *other = q->users > 1 ? pool_unused(ns) : NULL;

    *wait = false;
    if (q->users == 1) {
        return q; /* the others have gone elsewhere */
    }
    if (!other) { /* not yet, or a queue that started later has taken it */
        *wait = ns->ctrl->pairs_wanted > 0 || pool_want(ns->ctrl);
        return q;
    }
    nvme_pool_put(q);
    other->users++;
    return other;
}

void nvme_pool_put(struct nvme_queue *q)
{
    q->users--;
}

void nvme_pool_fill(struct nvme_ctrl *c)
{
    while (c->pairs_wanted > 0 && c->state == CTRL_READY && c->io_count < c->io_granted) {
        if (!ctrl_queue_create(c)) {
            log_warn("NVMe[%s]: No more I/O queues than %u: clients share them", c->id.serial, c->io_count);
            c->io_granted = c->io_count;
            break;
        }
        c->pairs_wanted--;
    }
    c->pairs_wanted = 0;
}

// SPDX-License-Identifier: MIT
/* A virtio block device on a namespace or a partition: features, configuration, the client's memory, its queues, and
 * the requests [virtio-1.2 5.2]. Knows nothing of capabilities: session.c carries the protocol (proto/blk.h).
 *
 *  attach(target) -> add_memory... -> set_features -> queue num, addr, base -> queue_enable(1)
 *     -> kick: chains become NVMe commands on the client's own pages; one SQ doorbell for all
 *     -> controller's interrupt: nvme_ctrl_interrupt() completes requests; blkdev_flush() shows each used ring once and
 *        interrupts its driver once
 *
 * A request needs command slots and list pages of its NVMe queue pair (pool.h). When there are none it is kept as the
 * queue's `stalled` request and goes on in blkdev_flush() after the next completions; later chains wait in the ring.
 * While the controller is reset the queue waits the same way. What is beyond the client's share of the drive (fair.h)
 * waits as the stalled request until one of the client's own commands has ended, and what is beyond its limits
 * (limit.h) until qos->arm()'s time.
 *
 * A violation of the virtio protocol breaks the queue: nothing more is taken or returned, needs_reset is set and
 * changed() called; blkdev_reset() repairs it. `busy` counts the requests that have not ended, whatever happened to the
 * ring: memory and rings may go only when it is 0. */
#pragma once

#include "ctrl.h"
#include "qos.h"
#include <virtio/blk.h>
#include <virtio/inflight.h>
#include <virtio/vring.h>

#define BLK_QUEUES 4u
#define BLK_QUEUE_SIZE 256u
#define BLK_SEG_MAX 126u
#define BLK_SIZE_MAX (1u << 20)        /* bytes of a data segment */
#define BLK_RANGES_MAX 64u             /* ranges of a discard or write zeroes request, */
#define BLK_DISCARD_SECTORS (1u << 22) /* and sectors of each: what one request may keep the drive busy with */
#define BLK_ZEROES_SECTORS (1u << 16)
#define BLK_DISCARD_CHARGE (1u << 20) /* most bytes that a discarded range counts for in the limits */

_Static_assert(NVME_IO_ENTRIES == BLK_QUEUE_SIZE + 1, "a command for each request");
_Static_assert(NVME_SHARED_PAIRS == BLK_QUEUES, "a pair for each queue");
_Static_assert(INFLIGHT_SLOTS == BLK_QUEUE_SIZE, "a slot for each request");

struct blk_target {
    struct nvme_ns *ns;
    uint64_t first, blocks;
    uint32_t live; /* of ns when it was found: blk_target_lost() */
    bool readonly, whole;
    bool packed;                      /* packed rings are offered */
    char id[VIRTIO_BLK_ID_BYTES + 1]; /* for GET_ID */
};

/* The namespace is gone, or another one is in its place. */
static inline bool blk_target_lost(const struct blk_target *t)
{
    return t->ns->live != t->live;
}

struct blk_queue;

struct blk_req {
    struct blk_queue *queue;
    volatile uint8_t *status; /* in the client's memory */
    uint64_t start_ns;        /* its chain was taken */
    uint64_t bytes;           /* for the statistics */
    uint32_t written;         /* bytes to report when it succeeds */
    uint32_t head;            /* of its chain, for vring_push() */
    uint16_t pending;         /* commands in flight, and 1 while it is being submitted */
    uint16_t next_free;
    uint8_t type;   /* enum virtio_blk_type */
    uint8_t kind;   /* enum stat_kind */
    uint8_t result; /* enum virtio_blk_status */
};

struct blk_queue {
    struct blkdev *dev;
    struct vring vq;
    struct vring_config config;
    struct nvme_queue *nq; /* its commands go there (pool.h); NULL: it was not started */
    bool wants_pair;       /* nq is shared, a better one may come */
    bool ready;            /* addresses are set and checked */
    bool enabled;          /* takes chains */
    bool dirty, waiting;   /* in the lists of blkdev_flush() */
    bool admitted;         /* the request being submitted is within the limits */
    uint16_t finished;     /* requests whose used entries are not shown yet; BLK_QUEUE_SIZE ends the list */
    struct blk_queue *next_dirty, *next_waiting;
    uint32_t busy;
    volatile struct inflight *record; /* NULL: nobody would do again what is in flight when we end */
    unsigned again;                   /* next slot of the record to do again; INFLIGHT_SLOTS: none is left */
    /* the request being submitted, also across a stall */
    struct blk_req *stalled;
    enum { STALL_RESOURCES, STALL_SHARE, STALL_LIMIT } why;
    struct dma_cursor cursor;
    uint64_t lba;
    struct blk_range {
        uint64_t lba;
        uint32_t blocks;
        bool unmap;
    } range[BLK_RANGES_MAX];
    uint32_t range_count, range_index; /* blkrange.c */
    uint16_t free_req;
    struct dma_seg dma[BLK_SEG_MAX + 2 + GMEM_MAX_REGIONS];
    struct vring_seg seg[BLK_SEG_MAX + 2];
    struct blk_req req[BLK_QUEUE_SIZE];
    void (*call)(void *ctx); /* interrupts the driver; may be NULL */
    void *call_ctx;
};

struct blkdev {
    struct qos *qos;          /* stays over blkdev_init() */
    struct blk_target target; /* ns == NULL: not attached */
    struct gmem mem;
    uint64_t offered, features;
    struct virtio_blk_config config;
    uint32_t generation; /* of the configuration */
    bool needs_reset;
    unsigned breaks;            /* of the virtio protocol by the driver; every 1st, 2nd, 4th, ... is reported */
    bool wants_share;           /* a queue waits for a command of this client to end */
    bool fua;                   /* writes must be durable when they end: the driver sends no flush */
    void (*changed)(void *ctx); /* needs_reset was set, or the last busy request of a stopped queue has ended */
    void *changed_ctx;
    uint32_t errors;
    struct blk_queue queue[BLK_QUEUES];
};

void blkdev_init(struct blkdev *d, struct qos *qos);
void blkdev_attach(struct blkdev *d, const struct blk_target *target);

/* The disk has another size: shows in the configuration. Requests in flight are not affected. */
void blkdev_resize(struct blkdev *d, uint64_t blocks);
/* The disk cannot be written any more, or again; the features that were offered stay. */
void blkdev_protect(struct blkdev *d, bool readonly);

/* SK_EINVAL: not a subset of what is offered, or without VIRTIO_F_VERSION_1; SK_EBUSY: a queue runs. */
__attribute__((warn_unused_result)) int64_t blkdev_set_features(struct blkdev *d, uint64_t features);
/* SK_EPERM: cannot be written; SK_EINVAL. */
__attribute__((warn_unused_result)) int64_t blkdev_set_config(struct blkdev *d, uint64_t off, const uint8_t *data,
                                                              size_t len);
/* SK_ERANGE: no such queue; SK_EBUSY: it runs; SK_EINVAL: size or alignment; SK_ERANGE: an area outside the memory. */
__attribute__((warn_unused_result)) int64_t blkdev_vring_num(struct blkdev *d, uint64_t index, uint64_t num);
__attribute__((warn_unused_result)) int64_t blkdev_vring_addr(struct blkdev *d, uint64_t index, uint64_t desc,
                                                              uint64_t avail, uint64_t used);
__attribute__((warn_unused_result)) int64_t blkdev_vring_base(struct blkdev *d, uint64_t index, uint64_t base);
/* Starts or stops taking chains; started again it goes on where it stopped. Starting: SK_EINVAL when addresses are
 * missing, SK_EBUSY while it is broken. */
__attribute__((warn_unused_result)) int64_t blkdev_vring_enable(struct blkdev *d, uint64_t index, bool enable);

/* Memory of INFLIGHT_BYTES for the record of the queue's requests in flight, until a reset; NULL: none. What an earlier
 * server left there is done again when the queue starts, and decides about its base. Errors as blkdev_vring_num(). */
__attribute__((warn_unused_result)) int64_t blkdev_vring_record(struct blkdev *d, uint64_t index,
                                                                volatile struct inflight *record);

/* Work has arrived in the queue. */
void blkdev_kick(struct blk_queue *q);
/* After completions or a recovery: continues waiting queues, publishes used rings, interrupts drivers. */
void blkdev_flush(void);

/* The time that qos->arm() was told has come. */
void blkdev_limit_over(struct blkdev *d);

/* Stops one queue (an index that blkdev_vring_num() takes). True: its requests have ended, *base is where it stands. */
bool blkdev_queue_stop(struct blkdev *d, uint64_t index, uint32_t *base);
/* Stops all queues; their requests do not wait for limits any more. True: all requests have ended; false: call again
 * later (changed() tells when). */
bool blkdev_stop(struct blkdev *d);
/* Back to the state after attach; memory stays. Only when blkdev_stop() was true. */
void blkdev_reset(struct blkdev *d);
/* Gives the queue pairs back. Before blkdev_init() or blkdev_reset() of a device that ran. */
void blkdev_pairs_release(struct blkdev *d);
/* For blkrange.c: may the queue put one more command now? Otherwise it stalls. */
bool blkdev_may_put(struct blk_queue *q);
/* Puts a command of the request, which moves so many bytes. */
void blkdev_put(struct blk_queue *q, struct blk_req *r, struct nvme_cmd *cmd, uint32_t bytes, uint64_t now);
/* For blkrange.c: a request is refused since the disk is read-only. Says so. */
void blkdev_refuse(struct blkdev *d, const char *what);
/* Breaks the queue from outside (its memory went away). */
void blkdev_queue_break(struct blk_queue *q, const char *why);

// SPDX-License-Identifier: MIT
/* A submission and completion queue pair and the commands in flight on it [NVMe-1.4 4.1].
 *
 *     struct nvme_sqe *sqe; struct nvme_cmd *cmd = nvme_queue_get(q, &sqe);   // NULL: full
 *     sqe->opcode = ...; cmd->done = ...;
 *     nvme_queue_put(q, cmd, now);      // or nvme_queue_unget(q, cmd)
 *     nvme_queue_ring(q);               // once per batch
 * and at the interrupt nvme_queue_process(q), which calls done() for each and rings the CQ doorbell once.
 *
 * Every command in flight has a slot (struct nvme_cmd), which keeps the command itself, its list pages and its
 * deadline. The command identifier is slot | generation << 10: a completion with a wrong, free or stale identifier is
 * counted, reported and ignored, it can never complete another request. There are fewer slots than queue entries, so
 * that the submission queue cannot overflow and SQHD need not be believed.
 *
 * Life of a command:
 *
 *     free --get--> prepared --put--> in flight --completion--> done(): free
 *                                      |     ^
 *          a failure that may pass     v     | nvme_queue_again(): when its time has come, or after a reset
 *                                     parked
 *
 * In flight and parked are both `busy`. On queues with `repeat` set, a command that fails without DNR is parked with a
 * growing delay, and sent again NVME_TRIES_MAX times at most; only then done() gets the status. All commands that the
 * driver uses on I/O queues have the same effect when they run twice.
 *
 * Ordering: entries are written before the doorbell (release fence; pairs with the controller's fetch after the
 * doorbell); the phase is read before the rest of a completion (acquire; pairs with the controller's single write). */
#pragma once

#include "hw.h"
#include <stdbool.h>

#define NVME_QUEUE_ENTRIES_MAX 1024u
#define NVME_SLOT_MASK 0x3ffu
#define NVME_LIST_PAGES 64u /* PRP or SGL list pages of an I/O queue */
#define NVME_LIST_NONE 0xffffu
#define NVME_PAGE_SIZE 4096u
#define NVME_TRIES_MAX 5u               /* how often a command is sent again; a time-out counts for two */
#define NVME_RETRY_NS (10 * 1000000ull) /* before the first time; each further delay is four times as long */

/* The status of a command as done() gets it: the status field without the phase [NVMe-1.4 4.6.1], or: */
#define NVME_STATUS_LOST 0x10000u /* no completion: the controller was reset or is dead */
#define NVME_STATUS_SC(s) ((s)&0xffu)
#define NVME_STATUS_SCT(s) (((s) >> 8) & 7u)
#define NVME_STATUS_DNR(s) (((s) >> 14) & 1u)
#define NVME_STATUS_CODE(s) ((s)&0x107ffu) /* 0: success */
#define NVME_SC_ABORTED 0x007u             /* Command Abort Requested */

struct nvme_cmd;
typedef void (*nvme_done_fn)(struct nvme_cmd *cmd, uint32_t status, uint32_t dw0);

struct nvme_cmd {
    nvme_done_fn done;
    void *ctx;
    uint64_t deadline_ns;
    uint64_t lba;    /* for messages */
    uint32_t cost;   /* the client's: fair.h */
    uint16_t list;   /* first list page, or NVME_LIST_NONE */
    uint16_t bounce; /* bounce.c: the page that tells where a read's data go, or NVME_LIST_NONE */
    uint16_t next_free;
    uint8_t generation; /* 6 bits */
    uint8_t opcode;
    uint8_t tries; /* how often it was sent again */
    bool busy;
    bool parked;         /* the controller does not have it; deadline_ns says when it is sent again */
    bool aborted;        /* its time is over: an Abort was sent, deadline_ns is the end of patience */
    struct nvme_sqe sqe; /* as it is or was sent */
};

struct nvme_queue {
    struct nvme_hw *hw;
    struct nvme_sqe *sq;
    volatile struct nvme_cqe *cq;
    struct nvme_cmd *cmd; /* entries - 1 slots */
    uint64_t timeout_ns;
    uint32_t sq_doorbell, cq_doorbell;
    uint16_t entries, qid, vector;
    uint16_t sq_tail;
    uint16_t sq_rung; /* the tail that the controller knows */
    uint16_t cq_head;
    uint16_t phase;     /* of new entries at cq_head */
    uint16_t free_slot; /* head of the free list, NVME_LIST_NONE: full */
    uint16_t in_flight;
    uint16_t users;     /* client queues on it (pool.c) */
    bool broken;        /* the controller refused it */
    uint16_t free_list; /* list pages */
    uint16_t list_next[NVME_LIST_PAGES];
    bool repeat;          /* failures that may pass are tried again */
    uint32_t strays;      /* completions ignored */
    uint32_t repeated;    /* commands sent again */
    uint64_t completed;   /* completions taken */
    uint64_t retry_at_ns; /* when the first parked command is due; UINT64_MAX: none */
    struct nvme_dma sq_mem, cq_mem, list_mem;
};

/* Allocates memory for a queue pair of that many entries (2..NVME_QUEUE_ENTRIES_MAX); lists: with list pages. The
 * controller does not know of it yet. SK_ENOMEM. */
__attribute__((warn_unused_result)) int64_t nvme_queue_init(struct nvme_queue *q, struct nvme_hw *hw, uint16_t qid,
                                                            uint16_t entries, bool lists, uint32_t doorbell_stride,
                                                            uint64_t timeout_ns);
/* Must not be known to the controller any more. */
void nvme_queue_destroy(struct nvme_queue *q);
/* The controller was reset or is dead: commands in flight end as NVME_STATUS_LOST, the rings are empty again. */
void nvme_queue_reset(struct nvme_queue *q);
/* The controller was reset: the rings are empty again, commands in flight are parked for nvme_queue_replay(). */
void nvme_queue_rewind(struct nvme_queue *q);
/* Sends all parked commands again; those that were sent too often end as NVME_STATUS_LOST. */
void nvme_queue_replay(struct nvme_queue *q, uint64_t now_ns);
/* Sends one parked command again. The caller rings. */
void nvme_queue_again(struct nvme_queue *q, struct nvme_cmd *cmd, uint64_t now_ns);

/* A slot and its zeroed submission queue entry with the identifier filled in, or NULL when the queue is full. One
 * get is followed by its put or unget before the next. */
struct nvme_cmd *nvme_queue_get(struct nvme_queue *q, struct nvme_sqe **sqe);
void nvme_queue_unget(struct nvme_queue *q, struct nvme_cmd *cmd);
void nvme_queue_put(struct nvme_queue *q, struct nvme_cmd *cmd, uint64_t now_ns);
void nvme_queue_ring(struct nvme_queue *q);

/* Handles all new completions: true if there was any. */
bool nvme_queue_process(struct nvme_queue *q);
/* The next busy command from slot *slot on, which is set behind it; NULL at the end. */
struct nvme_cmd *nvme_queue_next(struct nvme_queue *q, uint16_t *slot);

/* A list page for a command in preparation; *next links it to another. NVME_LIST_NONE: none is left. */
uint16_t nvme_list_get(struct nvme_queue *q);
void nvme_list_free(struct nvme_queue *q, uint16_t first);
static inline void *nvme_list_mem(struct nvme_queue *q, uint16_t page)
{
    return (uint8_t *)q->list_mem.mem + (size_t)page * NVME_PAGE_SIZE;
}
static inline uint64_t nvme_list_dev(struct nvme_queue *q, uint16_t page)
{
    return q->list_mem.dev + (uint64_t)page * NVME_PAGE_SIZE;
}

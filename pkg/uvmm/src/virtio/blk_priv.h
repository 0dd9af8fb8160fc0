// SPDX-License-Identifier: MIT
/* The virtio block device's session with its block server (proto/blk.h): blk.c is the device, blk_session.c makes the
 * calls, blk_read.c reads from the disk before the guest runs. Errors are those of the calls; each waits at most
 * BLK_CALL_NS. */
#pragma once

#include "../gmem.h"
#include "virtio.h"
#include <proto/blk.h>
#include <sk/msg.h>
#include <sk/server.h>
#include <sk/thread.h>
#include <virtio/blk.h>
#include <virtio/inflight.h>

#define BLK_SECOND_NS 1000000000ull
#define BLK_CALL_NS (10 * BLK_SECOND_NS) /* until a running server takes a call */

struct blk_queue {
    struct blk *blk;
    cap_t kick;                /* ours; the server binds it */
    struct server_source call; /* ours; the server raises it */
};

#define BLK_LOST_SEGMENTS 256u /* of a request that ends without a server */
#define BLK_PATIENCE_NS (60 * BLK_SECOND_NS)

/* What blk_lost.c has while there is no server. */
struct blk_lost {
    bool waiting;         /* since the patience timer was set */
    bool calling, called; /* a thread waits for a server; it has ended */
    bool failing;         /* requests end with errors */
    int64_t result;       /* of the thread's call */
    struct sk_thread caller;
    struct server_source patience;
    struct gmem mem;
    struct vring ring[VIRTIO_QUEUES_MAX];
    struct server_source kick[VIRTIO_QUEUES_MAX];
};

struct blk {
    struct virtio_dev dev;
    const char *name, *cap_name;
    cap_t gate;
    bool mmio;        /* the transport */
    bool bound;       /* a server has our state signal and the lifeline */
    bool open;        /* the server knows our memory */
    bool server_lost; /* it has ended; blk_lost.c looks for the next one */
    uint64_t patience_ns;
    struct server_source lifeline; /* gate that the server holds as long as it lives */
    cap_t record_cap;              /* INFLIGHT_BYTES for each queue */
    uint8_t *record;
    struct blk_lost lost;
    unsigned queue_count, config_size;
    uint16_t queue_size;
    uint64_t features;
    uint8_t config[VIRTIO_CONFIG_MAX];
    struct server_source state;
    struct blk_queue queue[VIRTIO_QUEUES_MAX];
    struct blk *next;
};

/* Sends a request; its answer is in m, to be read. A server that does not answer any more is reported, once. */
int64_t blk_call(struct blk *b, struct msg *m);
/* For replies without content. */
int64_t blk_call_plain(struct blk *b, struct msg *m);
/* A request about queue q with up to three words; count says how many. */
int64_t blk_queue_call(struct blk *b, enum blk_op op, unsigned q, const uint64_t *word, unsigned count);
int64_t blk_queue_call_cap(struct blk *b, enum blk_op op, unsigned q, cap_t cap, uint32_t rights);

/* Whether the error means that the server is not there, or does not serve any more. */
bool blk_means_lost(int64_t err);
/* The server has ended. */
void blk_server_lost(struct blk *b, int64_t err);

int64_t blk_config_read(struct blk *b, uint8_t *buf, unsigned size);
int64_t blk_memory_add(struct blk *b);
int64_t blk_bind_state(struct blk *b, uint64_t deadline);
/* SK_EAGAIN, SK_ENODEV, SK_EBUSY as in proto/blk.h. */
int64_t blk_status(struct blk *b, uint64_t deadline, uint8_t *status);
/* A server has taken our state signal: gives it the lifeline. */
int64_t blk_bound(struct blk *b);
/* Begins a session with a server that is ready for it. */
int64_t blk_begin(struct blk *b);
int64_t blk_set_features(struct blk *b, uint64_t features);
#define CONFIG_WRITEBACK ((unsigned)offsetof(struct virtio_blk_config, writeback))
int64_t blk_set_writeback(struct blk *b, uint8_t on);
/* SK_EAGAIN: requests are in flight; the state signal tells when to try again. */
int64_t blk_session_reset(struct blk *b);
/* The same for one queue. Its base is of no use: the driver makes the queue anew. */
int64_t blk_session_queue_stop(struct blk *b, unsigned q);

/* Gives the server all about the queue, which then runs. What its record says was in flight is done again. */
int64_t blk_session_queue_start(struct blk *b, unsigned q);

static inline volatile struct inflight *blk_record(struct blk *b, unsigned q)
{
    return (volatile struct inflight *)(void *)(b->record + q * INFLIGHT_BYTES);
}

/* blk_lost.c: the state signal while the server is lost. */
void blk_lost_event(struct blk *b);
/* Instead of blk_session_queue_start(): the next server starts the queue. */
int64_t blk_lost_queue_start(struct blk *b, unsigned q);
/* The queue is reset. */
void blk_lost_queue_stop(struct blk *b, unsigned q);
int64_t blk_lost_init(struct blk *b);
void blk_lost_drop(struct blk *b);

/* The disks, in the order of their nodes. */
extern struct blk *blk_list;

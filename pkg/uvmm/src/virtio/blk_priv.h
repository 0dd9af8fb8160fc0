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

#define BLK_SECOND_NS 1000000000ull
#define BLK_CALL_NS (10 * BLK_SECOND_NS) /* until a running server takes a call */

struct blk_queue {
    struct blk *blk;
    cap_t kick;                /* ours; the server binds it */
    struct server_source call; /* ours; the server raises it */
};

struct blk {
    struct virtio_dev dev;
    const char *name, *cap_name;
    cap_t gate;
    bool mmio; /* the transport */
    bool open; /* the server knows our memory */
    bool lost; /* the server's end has been reported */
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
/* The device needs a reset; says so once. */
void blk_server_lost(struct blk *b, int64_t err);

int64_t blk_config_read(struct blk *b, uint8_t *buf, unsigned size);
int64_t blk_memory_add(struct blk *b);
int64_t blk_bind_state(struct blk *b, uint64_t deadline);
/* SK_EAGAIN, SK_ENODEV, SK_EBUSY as in proto/blk.h. */
int64_t blk_status(struct blk *b, uint64_t deadline, uint8_t *status);
/* When there is no session, as with a new server, which knows neither our memory nor our state signal: begins one. */
int64_t blk_open(struct blk *b);
int64_t blk_set_features(struct blk *b, uint64_t features);
/* SK_EAGAIN: requests are in flight; the state signal tells when to try again. */
int64_t blk_session_reset(struct blk *b);
/* The same for one queue. Its base is of no use: the driver makes the queue anew. */
int64_t blk_session_queue_stop(struct blk *b, unsigned q);

/* The disks, in the order of their nodes. */
extern struct blk *blk_list;

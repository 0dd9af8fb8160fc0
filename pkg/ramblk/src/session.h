// SPDX-License-Identifier: MIT
/* The block protocol (proto/blk.h) of one client of a disk in memory.
 *
 * A request is executed when it is taken from its ring, so nothing is ever in flight: no operation has to wait,
 * SK_EAGAIN does not occur. A queue takes a limited number of requests a turn (session_work), so that no client starves
 * another. The content of the disk outlives the session. */
#pragma once

#include "request.h"
#include <sk/server.h>

#define SESSION_QUEUES 4u
#define SESSION_QUEUE_SIZE 256u

struct session_queue {
    struct session *session;
    struct vring vq;
    struct vring_config config;
    bool ready, enabled;
    bool kicked; /* has perhaps something to do */
    struct server_source kick;
    cap_t call;
};

struct session {
    const char *name;
    struct disk disk;
    struct server_source gate;
    struct gmem mem;
    cap_t changed; /* signal of BLK_BIND_READY */
    uint64_t features;
    bool needs_reset;
    struct virtio_blk_config config;
    struct session_queue queue[SESSION_QUEUES];
};

/* Serves the gate cap for s, whose name and disk are set. */
__attribute__((warn_unused_result)) int64_t session_open(struct session *s, cap_t cap);
/* A turn of every queue that was kicked. True: there is more to do. */
bool session_work(struct session *s);

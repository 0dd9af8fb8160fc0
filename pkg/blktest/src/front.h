// SPDX-License-Identifier: MIT
/* The front-end of a block session (proto/blk.h) with a virtio driver's side of its split queues, without a VM. */
#pragma once

#include <abi/types.h>
#include <stdbool.h>
#include <virtio/blk.h>
#include <virtio/defs.h>

#define FRONT_LANES 256u  /* requests in flight at most */
#define FRONT_PIECES 126u /* data descriptors of a request at most */
#define FRONT_NUM 256u    /* queue size */
#define FRONT_QUEUES 4u
#define FRONT_DATA 0xc0000u /* where the lanes' data begin */
#define FRONT_GPA 0x100000ull

struct front_seg {
    uint32_t off, len; /* in the lane's data */
};

struct front {
    cap_t gate;
    uint64_t features;
    struct virtio_blk_config config;
    uint8_t *mem; /* shared with the server, at FRONT_GPA */
    cap_t mem_cap;
    uint64_t mem_size;
    uint32_t lane_bytes; /* data of each lane */
    uint32_t pieces;     /* of a request at most; set before front_start() */
    uint32_t lane_descs; /* in the queue, for each lane; 1: all requests are indirect */
    bool indirect;       /* the next request is, if it could be either */
    cap_t state;
    uint32_t queues; /* lane l is on queue l % queues, as number l / queues */
    struct front_queue {
        cap_t kick, call;
        struct virtq_desc *desc;
        struct virtq_avail *avail;
        struct virtq_used *used;
        uint16_t used_seen;
        bool posted; /* since the last kick */
    } queue[FRONT_QUEUES];
    uint64_t kicks, calls;
};

/* Waits until the server has decided about the disk: its status; with patience also until no other client has it. */
int64_t front_wait(struct front *f, cap_t gate, bool patient);
/* Features, configuration, memory, queue. Prints what fails. */
int64_t front_start(struct front *f, uint32_t lanes, uint32_t lane_bytes);
int64_t front_status(struct front *f, uint8_t *status);
int64_t front_reset(struct front *f);
/* The write cache's switch, where the server has one. */
int64_t front_writeback(struct front *f, bool on);
/* After a reset: features and queues again. */
int64_t front_queue(struct front *f);

static inline uint8_t *front_data(struct front *f, uint32_t lane)
{
    return f->mem + FRONT_DATA + (size_t)lane * f->lane_bytes;
}
/* Makes a request available in the lane; returns its descriptors: header, pieces, status. */
struct virtq_desc *front_post(struct front *f, uint32_t lane, uint32_t type, uint64_t sector,
                              const struct front_seg *seg, uint32_t pieces);
void front_kick(struct front *f);
/* The next completed lane and its status byte; blocks. False: nothing within 40 s. */
bool front_complete(struct front *f, uint32_t *lane, uint8_t *status, uint32_t *written);

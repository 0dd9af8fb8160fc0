// SPDX-License-Identifier: MIT
/* The front-end of a block session (proto/blk.h) with a virtio driver's side of its queues (ring.c), without a VM. */
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

/* A queue as its driver has it. A request in it has a slot, and is a chain of direct descriptors or an indirect one. */
struct ring {
    uint8_t *mem; /* RING_BYTES of the shared memory, at gpa */
    uint64_t gpa;
    uint64_t features;
    uint32_t slot_descs;       /* places of each slot (split) */
    uint16_t next, used;       /* split: free-running; packed: places */
    bool next_wrap, used_wrap; /* packed, as all below */
    uint16_t unkicked;         /* made available since the last kick; packed: descriptors */
    uint16_t head[FRONT_NUM];  /* where the slot's chain begins, */
    bool head_wrap[FRONT_NUM]; /* in which lap, */
    uint16_t count[FRONT_NUM]; /* and its length */
};

#define RING_BYTES 0x4000u

/* A buffer of a request. */
struct ring_buf {
    uint64_t gpa;
    uint32_t len;
    bool write;
};

/* Zeroes the memory. */
void ring_init(struct ring *r, uint8_t *mem, uint64_t gpa, uint64_t features, uint32_t slot_descs);
/* Guest-physical addresses of the three areas, for SET_VRING_ADDR. */
void ring_areas(const struct ring *r, uint64_t area[3]);
/* The base of a new queue. */
uint64_t ring_base(const struct ring *r);
/* Makes a chain available; table: shared memory for an indirect table, which is at table_gpa, or NULL. */
void ring_post(struct ring *r, uint32_t slot, const struct ring_buf *buf, uint32_t count, void *table,
               uint64_t table_gpa);
/* Does the device want to be told of what was made available since the last time? */
bool ring_wants_kick(struct ring *r);
bool ring_has_used(const struct ring *r);
/* The device is to interrupt when it returns the next chain. */
void ring_ask(struct ring *r);
/* Takes the next used chain. False: it is none that was made available. */
bool ring_take(struct ring *r, uint32_t *slot, uint32_t *written);
/* Breaks the rules in one of RING_WAYS ways, about the request posted last, of three buffers. */
#define RING_WAYS 4u
void ring_break(struct ring *r, uint32_t slot, void *table, unsigned way);

struct front {
    cap_t gate;
    bool packed; /* an option */
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
        struct ring ring;
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
/* Stops one queue when its requests in flight have ended: *base is where it stands. */
int64_t front_queue_stop(struct front *f, uint32_t i, uint64_t *base);
/* Starts one queue, as new. */
int64_t front_queue_start(struct front *f, uint32_t i);

static inline uint8_t *front_data(struct front *f, uint32_t lane)
{
    return f->mem + FRONT_DATA + (size_t)lane * f->lane_bytes;
}
/* The lane's status byte as it is now; FRONT_NO_STATUS: the request has not ended. */
#define FRONT_NO_STATUS 0xff
uint8_t front_lane_status(const struct front *f, uint32_t lane);
/* Makes a request available in the lane: header, pieces, status. */
void front_post(struct front *f, uint32_t lane, uint32_t type, uint64_t sector, const struct front_seg *seg,
                uint32_t pieces);
/* Breaks the ring about the lane's request, which was posted last and has one piece. */
void front_break(struct front *f, uint32_t lane, unsigned way);
void front_kick(struct front *f);
/* The next completed lane and its status byte; blocks. False: nothing within 40 s. */
bool front_complete(struct front *f, uint32_t *lane, uint8_t *status, uint32_t *written);

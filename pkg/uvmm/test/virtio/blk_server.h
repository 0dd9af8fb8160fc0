// SPDX-License-Identifier: MIT
/* A block server as uvmm's block device sees it: it answers calls as `srv` says and keeps what it was told. Beside it a
 * driver, `drv`, that starts the device. */
#pragma once

#include "../../src/device.h"
#include "../../src/virtio/blk_priv.h"
#include "fakes.h"

#define VERSION_1 (1ull << 32)
#define RING_RESET (1ull << 40)
#define OFFERED                                                                                                        \
    (VERSION_1 | RING_RESET | 1ull << 29 | 1ull << 28 | 1ull << 38 | 1ull << 33 | 1ull << 12 | 1ull << 11 | 1ull << 9)
#define CONFIG 72u

struct server_queue {
    uint64_t num, addr[3], base;
    cap_t kick, call;
    bool enabled;
};

struct block_server {
    int64_t status; /* of BLK_GET_STATUS; DEVICE_NEEDS_RESET in device_status */
    uint8_t device_status;
    bool bound; /* takes calls */
    bool dead;  /* calls end with SK_EGONE */
    bool begun; /* since BLK_BIND_READY */
    int64_t fail_op, fail_with;
    int64_t next_op; /* this call, once, comes to the next server already */
    unsigned resets, regions, calls, lifelines;
    unsigned busy; /* so many BLK_GET_VRING_BASE say that requests are in flight */
    uint64_t features;
    uint8_t config[CONFIG];
    uint16_t queues;
    cap_t ready;
    struct server_queue queue[VIRTIO_QUEUES_MAX];
};
extern struct block_server srv;
extern struct driver drv;
extern unsigned slot; /* of the device */

/* For cmocka_unit_test_setup_teardown(). */
int setup(void **state);
int teardown(void **state);

int probe(void);
/* The device runs with one queue of 128 entries at 0x1000, 0x2000, 0x3000. */
void start(void);
void start_with(uint64_t features);

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

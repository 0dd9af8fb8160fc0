// SPDX-License-Identifier: MIT
/* A driver and a device on one virtqueue, for weave.h. The driver follows the rules of virtio 1.2 in the way of an
 * operating system's: it adds requests in batches, kicks when the device wants it, and takes used ones in its interrupt
 * handler, with the callback enabled again at the end and the ring looked at once more. The device side is the code
 * under test, used as a block server does, with the record of requests in flight if it may die.
 *
 * Every request is found by its number in the address of its first buffer. It must end exactly once at the driver,
 * after the device has executed it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pair_config {
    unsigned num; /* of the ring, PAIR_NUM_MAX at most; split: a power of two */
    bool packed, event_idx, indirect;
    bool direct; /* also chains of several direct descriptors */
    bool mortal; /* the device side dies and is started again */
    bool stalls; /* it leaves requests in the ring now and then, and goes on without a kick */
    unsigned requests;
};

#define PAIR_NUM_MAX 16u
#define PAIR_SEGMENTS_MAX 4u /* a ring of direct chains must be as large */

/* NULL, or what went wrong. weave_choices() was called. */
const char *pair_run(const struct pair_config *c);

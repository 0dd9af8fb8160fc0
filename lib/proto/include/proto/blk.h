// SPDX-License-Identifier: MIT
/* Block service: virtio-blk over capabilities, in the vocabulary of vhost-user ("front-end": the client, a VMM;
 * "back-end": the block server). The names are those of the vhost-user specification; file descriptors are
 * capabilities: memory regions are OBJ_MEMORY, kick and call are OBJ_SIGNAL made by the front-end.
 *
 * Life of a session: BLK_BIND_READY (ends and forgets what an earlier holder of the gate left) -> BLK_GET_STATUS
 * until it is not SK_EAGAIN (the back-end still looks for the disk; the signal is raised when that changes) ->
 * BLK_GET_FEATURES -> BLK_SET_FEATURES -> BLK_ADD_MEM_REG for all guest memory -> per queue SET_VRING_NUM, ADDR,
 * BASE, CALL, KICK, ENABLE. The queue runs from ENABLE(1) on. With LIFELINE and INFLIGHT a front-end survives the end
 * of the back-end: it opens a session with the next one behind the same gate, and nothing is lost; that one answers
 * whatever is not BIND_READY by SK_EGONE, so that no call is taken for another session's. BLK_RESET at any
 * time ends all queues after their requests in flight have ended, and forgets features and queues, but not memory. The session ends when nobody can
 * call the gate any more. An operation that must wait for requests in flight (RESET, GET_VRING_BASE, BIND_READY)
 * does so for a moment; then it says SK_EAGAIN, nothing has changed but that the queues take no more, and the
 * ready signal is raised when it is worth trying again. A violation of the virtio protocol by the guest breaks the
 * queue: the back-end stops it, and raises `config` with DEVICE_NEEDS_RESET in BLK_GET_STATUS. Addresses in
 * SET_VRING_ADDR and in descriptors are guest-physical. */
#pragma once

#include <proto/range.h>
#include <stdint.h>

enum blk_op {
    /* out: device status bits (DEVICE_NEEDS_RESET = 0x40), config generation. Status SK_EAGAIN: not found yet;
     * SK_ENODEV: not there (all devices scanned); SK_EBUSY: claimed by another client. */
    BLK_GET_STATUS = PROTO_BLK,
    BLK_BIND_READY,    /* Begins a session. in: cap signal (CALL): raised when BLK_GET_STATUS changes (ready, gone,
                          needs reset, config). */
    BLK_GET_FEATURES,  /* out: virtio feature bits 63:0 offered [virtio-1.2 5.2.3, 6]. */
    BLK_SET_FEATURES,  /* in: subset. SK_EINVAL otherwise, or without VIRTIO_F_VERSION_1. */
    BLK_GET_QUEUE_NUM, /* out: number of queues, largest size of each. */
    BLK_GET_CONFIG,    /* in: offset, size. out: bytes of struct virtio_blk_config, generation. SK_ERANGE. */
    BLK_SET_CONFIG,    /* in: offset, bytes. Only writeback (offset 32). SK_EPERM. */
    BLK_ADD_MEM_REG,   /* in: guest-physical address, size, offset in the memory object, cap memory (R, W).
                          SK_ENOMEM (more than --ds-max regions), SK_EEXIST (overlap). */
    BLK_REM_MEM_REG,   /* in: guest-physical address, size. SK_EBUSY while a queue runs. */
    BLK_SET_VRING_NUM, /* in: queue, size (power of two for split queues). */
    BLK_SET_VRING_ADDR,/* in: queue, descriptor, driver (avail), device (used) area addresses. SK_ERANGE: outside memory. */
    BLK_SET_VRING_BASE,/* in: queue, next avail index (with packed rings: with wrap counters as vhost-user). */
    BLK_GET_VRING_BASE,/* in: queue. Stops the queue after its requests in flight. out: next avail index. */
    BLK_SET_VRING_KICK,/* in: queue, cap signal (BIND): the front-end, or the kernel by a doorbell, raises it. */
    BLK_SET_VRING_CALL,/* in: queue, cap signal (CALL): raised when the guest wants an interrupt. */
    BLK_SET_VRING_ENABLE, /* in: queue, 0/1. */
    BLK_RESET,
    BLK_SET_INFLIGHT, /* in: queue, offset, cap memory (R, W): INFLIGHT_BYTES for the record of the queue's requests in
                         flight [virtio/inflight.h], before ENABLE(1); a reset forgets it. The front-end zeroes it for a
                         new queue. With what an earlier back-end left, the queue goes on where that one ended, whatever
                         SET_VRING_BASE said, and what was in flight is done again. SK_EINVAL, SK_ERANGE. */
    BLK_SET_LIFELINE, /* in: cap gate (CALL). The back-end keeps it, and never calls it, until the session ends: whoever
                         bound the gate with GATE_NOTIFY_UNUSED learns of the back-end's end, however that came. At any
                         time after BLK_BIND_READY, also before the disk has been found. */
};

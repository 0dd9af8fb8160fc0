// SPDX-License-Identifier: MIT
/* Split virtqueue, device side [virtio-1.2 2.7], for queues in the memory of a hostile driver.
 *
 *     struct vring_chain c;
 *     do {
 *         vring_kick_disable(&vq);
 *         while ((n = vring_pop(&vq, seg, ARRAY_SIZE(seg), &c)) > 0) { ... vring_push(&vq, c.head, written); }
 *     } while (n == 0 && vring_kick_enable(&vq));      // true: more came before the driver could see it
 *     if (n < 0) { ... stop the queue, set DEVICE_NEEDS_RESET }
 *     if (vring_publish(&vq)) { ... interrupt the driver }
 *
 * Chains may be pushed later and in any order. Nothing is visible to the driver before vring_publish().
 *
 * Rules against hostile rings: each field in shared memory is read once, and the copy is checked; indices are
 * checked against the size of their table; a chain has at most as many descriptors as the queue (an indirect
 * table: VRING_INDIRECT_MAX) and as many segments as the caller has room for; readable segments come before
 * writable ones; no more chains are in flight than the queue has entries. Any violation breaks the queue:
 * vring_pop() gives SK_EMSG from then on, and vring_error() a text for the log. Ring memory was checked by
 * vring_init() and stays mapped while the queue is in use (the owner of the gmem sees to that).
 *
 * Ordering: reading avail.idx (acquire) pairs with the driver's barrier before it advances idx [virtio-1.2
 * 2.7.13.3]; storing used.idx (release) pairs with the driver's barrier after it has read idx [2.7.14]. The full
 * fences in vring_publish() and vring_kick_enable() pair with the driver's own between writing its event or flags
 * field and reading the index [2.7.7.2, 2.7.10]: one of the two sides always sees the other's store. */
#pragma once

#include <abi/types.h>
#include <stdbool.h>
#include <virtio/defs.h>
#include <virtio/gmem.h>

#define VRING_INDIRECT_MAX 1024u /* entries of an indirect table that we are willing to walk */

struct vring_seg {
    uint64_t gpa;
    uint32_t len;   /* never 0: empty descriptors are left out */
    uint32_t write; /* 1: device-writable */
};

struct vring_chain {
    uint16_t head;     /* for vring_push() */
    uint16_t readable; /* so many segments at the beginning are device-readable, */
    uint16_t writable; /* the rest device-writable */
};

struct vring_config {
    uint32_t num;
    uint64_t desc, avail, used; /* guest-physical */
    uint64_t features;          /* VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX count */
    uint16_t base;              /* next avail index; the used index is taken from the ring */
};

struct vring {
    const struct gmem *mem;
    volatile struct virtq_desc *desc;
    volatile struct virtq_avail *avail;
    volatile struct virtq_used *used;
    volatile uint16_t *used_event;  /* written by the driver */
    volatile uint16_t *avail_event; /* written by us */
    uint32_t num;
    uint16_t next_avail;  /* next entry of avail.ring to take */
    uint16_t avail_seen;  /* avail.idx as last read */
    uint16_t used_next;   /* next entry of used.ring to fill */
    uint16_t used_shown;  /* used.idx as last published */
    uint16_t used_signal; /* used.idx at the last interrupt decision */
    uint16_t in_flight;
    bool indirect, event_idx, signal_valid;
    const char *error; /* NULL: not broken */
};

/* SK_EINVAL (size not a power of two or above 32768; misaligned area), SK_ERANGE (an area is not wholly in one
 * region of mem). mem must outlive the queue; nothing else is owned. */
__attribute__((warn_unused_result)) int64_t vring_init(struct vring *vq, const struct gmem *mem,
                                                       const struct vring_config *cfg);

/* Takes the next available chain. Return: number of segments (0: none available, or a chain without any byte,
 * which breaks the queue), SK_EMSG: the queue is broken. */
__attribute__((warn_unused_result)) int vring_pop(struct vring *vq, struct vring_seg *seg, unsigned max,
                                                  struct vring_chain *chain);
/* Puts back the chain taken last (nothing taken or pushed in between). */
void vring_unpop(struct vring *vq);
/* Returns a chain taken before, with the number of bytes written to it. Not visible before vring_publish(). */
void vring_push(struct vring *vq, uint16_t head, uint32_t written);
/* Shows all pushed chains to the driver. True: the driver wants an interrupt. */
__attribute__((warn_unused_result)) bool vring_publish(struct vring *vq);

/* The driver need not kick (a hint) ... */
void vring_kick_disable(struct vring *vq);
/* ... and must kick again. True: there are chains already that it may not have kicked for. */
__attribute__((warn_unused_result)) bool vring_kick_enable(struct vring *vq);

/* Breaks the queue for a reason that its user found. Return: SK_EMSG. */
int vring_fail(struct vring *vq, const char *why);
static inline const char *vring_error(const struct vring *vq)
{
    return vq->error;
}

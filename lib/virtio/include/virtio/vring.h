// SPDX-License-Identifier: MIT
/* Virtqueue, device side, split [virtio-1.2 2.7] or packed [2.8], for queues in the memory of a hostile driver.
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
 * writable ones; no more chains (packed: descriptors) are in flight than the queue has entries. Any violation breaks
 * the queue: vring_pop() gives SK_EMSG from then on, and vring_error() a text for the log. Ring memory was checked by
 * vring_init() and stays mapped while the queue is in use (the owner of the gmem sees to that).
 *
 * Ordering: reading avail.idx or the flags of a packed descriptor (acquire) pairs with the driver's barrier before it
 * writes them [virtio-1.2 2.7.13.3, 2.8.21.2]; storing used.idx or those flags (release) pairs with the driver's
 * barrier after it has read them [2.7.14, 2.8.21.3]. A batch of used packed descriptors becomes visible with the flags
 * of its first one, which are written last. The full fences in vring_publish() and vring_kick_enable() pair with the
 * driver's own between writing its event or flags field and reading the index or descriptor [2.7.7.2, 2.7.10, 2.8.14]:
 * one of the two sides always sees the other's store. */
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
    uint32_t head;     /* for vring_push(): index of the first descriptor; packed: buffer id | descriptors << 16 */
    uint16_t readable; /* so many segments at the beginning are device-readable, */
    uint16_t writable; /* the rest device-writable */
};

/* Where a queue stands, as vhost-user says it. Split: the next avail index (the used index is taken from the ring).
 * Packed: position and wrap counter, next available in 14:0 and 15, next used in 30:16 and 31. */
#define VRING_BASE_SPLIT 0u
#define VRING_BASE_PACKED 0x80008000u /* of a new queue */

struct vring_config {
    uint32_t num;
    uint64_t desc, avail, used; /* guest-physical; packed: descriptor ring, driver and device event suppression */
    uint64_t features;          /* VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED count */
    uint32_t base;
};

/* A place in a packed ring. */
struct vring_pos {
    uint16_t index;
    bool wrap;
};

struct vring {
    const struct gmem *mem;
    uint32_t num;
    bool packed, indirect, event_idx, signal_valid;
    uint16_t in_flight; /* chains; packed: descriptors */
    const char *error;  /* NULL: not broken */
    union {
        struct {
            volatile struct virtq_desc *desc;
            volatile struct virtq_avail *avail;
            volatile struct virtq_used *used;
            volatile uint16_t *used_event;  /* written by the driver */
            volatile uint16_t *avail_event; /* written by us */
            uint16_t next_avail;            /* next entry of avail.ring to take */
            uint16_t avail_seen;            /* avail.idx as last read */
            uint16_t used_next;             /* next entry of used.ring to fill */
            uint16_t used_shown;            /* used.idx as last published */
            uint16_t used_told;             /* used.idx as of the last decision about an interrupt */
        };
        struct {
            volatile struct virtq_pdesc *ring;
            volatile uint32_t *driver_event, *device_event; /* struct virtq_pevent in one access */
            struct vring_pos avail_pos;                     /* next descriptor to take */
            struct vring_pos used_pos;                      /* next descriptor to return */
            uint32_t batch;                                 /* descriptors returned since they were last shown, ... */
            uint16_t first, first_flags;                    /* ... and what shows them: not written yet */
            uint32_t untold; /* descriptors shown since the last decision about an interrupt */
        };
    };
};

/* SK_EINVAL (size not a power of two unless packed, or above 32768; misaligned area; base outside the ring), SK_ERANGE
 * (an area is not wholly in one region of mem). mem must outlive the queue; nothing else is owned. */
__attribute__((warn_unused_result)) int64_t vring_init(struct vring *vq, const struct gmem *mem,
                                                       const struct vring_config *cfg);

/* Takes the next available chain. Return: number of segments (0: none available), SK_EMSG: the queue is broken. */
__attribute__((warn_unused_result)) int vring_pop(struct vring *vq, struct vring_seg *seg, unsigned max,
                                                  struct vring_chain *chain);
/* Puts back the chain taken last (nothing taken or pushed in between). */
void vring_unpop(struct vring *vq, const struct vring_chain *chain);
/* Takes a chain that an earlier device side had taken and not returned (virtio/inflight.h): the queue's base is behind
 * it already. Packed: desc is a copy of its only descriptor. Return: as vring_pop(). */
__attribute__((warn_unused_result)) int vring_again(struct vring *vq, uint32_t head, const struct virtq_pdesc *desc,
                                                    struct vring_seg *seg, unsigned max, struct vring_chain *chain);
/* Packed: the last descriptor of the chain that was taken last. */
struct virtq_pdesc vring_last(const struct vring *vq);
/* Returns a chain taken before, with the number of bytes written to it. Not visible before vring_show(). */
void vring_push(struct vring *vq, uint32_t head, uint32_t written);
/* Shows all pushed chains to the driver. */
void vring_show(struct vring *vq);
/* Does the driver want an interrupt for what has been shown since the last call? The longer one waits with the
 * question, the more drivers have found their chains without one. */
__attribute__((warn_unused_result)) bool vring_interrupt_due(struct vring *vq);
/* Both at once. */
__attribute__((warn_unused_result)) bool vring_publish(struct vring *vq);

/* The driver need not kick (a hint) ... */
void vring_kick_disable(struct vring *vq);
/* ... and must kick again. True: there are chains already that it may not have kicked for. */
__attribute__((warn_unused_result)) bool vring_kick_enable(struct vring *vq);

/* The used position, with what is pushed and not published: split, the used index; packed, as the base has it. */
uint32_t vring_used(const struct vring *vq);
/* Where the queue stands: a base for vring_init(). */
uint32_t vring_base(const struct vring *vq);

/* Breaks the queue for a reason that its user found. Return: SK_EMSG. */
int vring_fail(struct vring *vq, const char *why);
static inline const char *vring_error(const struct vring *vq)
{
    return vq->error;
}

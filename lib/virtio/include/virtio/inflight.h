// SPDX-License-Identifier: MIT
/* Record of the requests in flight on one queue, in memory that outlives the device side: when a server ends without
 * having returned what it took, the next one finds here what it has to do, as with vhost-user's in-flight descriptors.
 *
 * Life of a slot: FREE -> TAKEN (vring_pop) -> PUSHED (vring_push) -> FREE (after vring_publish). The device side may
 * end between any two stores; inflight_recover() then makes out where the queue stands:
 *
 * - What was taken and not returned is TAKEN; each entry of the ring up to the next available one is either returned or
 *   in a slot, so the base is the used position plus what the slots hold.
 * - A batch is PUSHED, `shown` says where the used position will be, then the batch becomes visible with one store in
 *   the ring, its slots are freed, and `used` follows. If the two differ, the ring tells whether that store was made:
 *   split, used.idx is `shown`; packed, the descriptor at `used` carries the used bit of its lap, be it as used
 *   descriptor or, overwritten by the driver in the meantime, as available one of the next lap. PUSHED slots are then
 *   free, else TAKEN again.
 *
 * Done again, a request that had reached the disk already reads or writes the same blocks a second time. This is right
 * as long as nobody was told that it ended: a driver does not know in which order requests in flight at the same time
 * take effect, and sends one that must come later (overlapping data, a flush) only when it has seen the earlier one
 * end. What ended before is not in the record and is not repeated.
 *
 * In a packed ring only the first descriptor of a batch hides the batch; the others carry their used bits already. Those
 * of a batch that was not shown are taken back, as the next side returns requests in another order and number.
 *
 * A used descriptor of a packed ring overwrites others: the record keeps a copy of the descriptor. Chains of several
 * direct descriptors are not kept: vring_again() refuses them (indirect ones, which drivers use, are one descriptor).
 *
 * The record is shared with a client, and may hold anything: all of it is checked. */
#pragma once

#include <virtio/vring.h>

#define INFLIGHT_SLOTS 256u
#define INFLIGHT_BYTES 8192u /* of a record, page-aligned */
#define INFLIGHT_VERSION 1u

enum inflight_state { INFLIGHT_FREE, INFLIGHT_TAKEN, INFLIGHT_PUSHED };

struct inflight_slot {
    struct virtq_pdesc desc; /* packed: the chain's only descriptor */
    uint32_t head;           /* struct vring_chain */
    uint32_t state;
};

struct inflight {
    uint32_t version; /* 0: nothing is recorded, as in zeroed memory */
    uint32_t num;     /* of the queue */
    uint32_t used;    /* position of the used entry that comes next */
    uint32_t shown;   /* the same after the batch that is being shown */
    struct inflight_slot slot[INFLIGHT_SLOTS];
};
_Static_assert(sizeof(struct inflight) <= INFLIGHT_BYTES, "a record fits");

/* A new queue: nothing is in flight. */
void inflight_init(volatile struct inflight *r, const struct vring *vq);
/* Brings the record in order and sets cfg->base. SK_ENOENT: nothing is recorded; SK_EMSG: the record or the ring is
 * garbage; SK_ERANGE: the ring is outside memory. */
__attribute__((warn_unused_result)) int64_t inflight_recover(volatile struct inflight *r, const struct gmem *mem,
                                                             struct vring_config *cfg);
/* The next slot from *slot on whose request must be done again; false: there is none. */
bool inflight_next(const volatile struct inflight *r, unsigned *slot);
/* Takes the request in the slot once more, like vring_pop(). */
__attribute__((warn_unused_result)) int inflight_again(const volatile struct inflight *r, unsigned slot,
                                                       struct vring *vq, struct vring_seg *seg, unsigned max,
                                                       struct vring_chain *chain);

/* The chain that was popped last is in this slot. */
static inline void inflight_take(volatile struct inflight *r, unsigned slot, const struct vring *vq,
                                 const struct vring_chain *chain)
{
    volatile struct inflight_slot *s = &r->slot[slot];

    s->head = chain->head;
    if (vq->packed) {
        struct virtq_pdesc d = vring_last(vq);

        s->desc.addr = d.addr;
        s->desc.len = d.len;
        s->desc.id = d.id;
        s->desc.flags = d.flags;
    }
    __atomic_store_n(&s->state, INFLIGHT_TAKEN, __ATOMIC_RELEASE); /* pairs with the next server's start */
}

/* vring_push() was called for it. */
static inline void inflight_push(volatile struct inflight *r, unsigned slot)
{
    r->slot[slot].state = INFLIGHT_PUSHED;
}

/* Before vring_publish(). */
static inline void inflight_show(volatile struct inflight *r, const struct vring *vq)
{
    __atomic_store_n(&r->shown, vring_used(vq), __ATOMIC_RELEASE);
}

/* After it, for each slot of the batch, ... */
static inline void inflight_free(volatile struct inflight *r, unsigned slot)
{
    r->slot[slot].state = INFLIGHT_FREE;
}

/* ... and in the end. */
static inline void inflight_shown(volatile struct inflight *r, const struct vring *vq)
{
    __atomic_store_n(&r->used, vring_used(vq), __ATOMIC_RELEASE);
}

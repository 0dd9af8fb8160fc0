// SPDX-License-Identifier: MIT
// Record of requests in flight: see virtio/inflight.h.
#include "vring_priv.h"

#include <virtio/inflight.h>

void inflight_init(volatile struct inflight *r, const struct vring *vq)
{
    for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
        r->slot[i].state = INFLIGHT_FREE;
    }
    r->num = vq->num;
    r->used = r->shown = vring_used(vq);
    __atomic_store_n(&r->version, INFLIGHT_VERSION, __ATOMIC_RELEASE);
}

/* Where the used position of the ring is, by the ring itself. SK_EMSG: nowhere near the record's. */
static int64_t used_position(const struct vring *vq, uint32_t used, uint32_t shown, bool *visible)
{
    if (vq->packed) {
        if ((used & 0x7fff) >= vq->num || (shown & 0x7fff) >= vq->num || used > UINT16_MAX || shown > UINT16_MAX) {
            return SK_EMSG;
        }
        bool bit = (vq->ring[used & 0x7fff].flags & VIRTQ_PDESC_F_USED) != 0;

        *visible = used != shown && bit == ((used & 0x8000) != 0);
        return *visible ? shown : used;
    }
    uint16_t idx = vq->used->idx;

    if (idx != used && idx != shown) {
        return SK_EMSG;
    }
    *visible = used != shown && idx == shown;
    return idx;
}

/* Slots in their places; the entries (packed: descriptors) that they hold. */
static uint32_t slots_settle(volatile struct inflight *r, bool packed, bool visible)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
        volatile struct inflight_slot *s = &r->slot[i];
        uint32_t state = s->state;

        if (state == INFLIGHT_PUSHED) {
            state = visible ? INFLIGHT_FREE : INFLIGHT_TAKEN;
        }
        s->state = state == INFLIGHT_TAKEN ? INFLIGHT_TAKEN : INFLIGHT_FREE;
        count += state != INFLIGHT_TAKEN ? 0 : packed ? (s->head >> 16) : 1;
    }
    return count;
}

int64_t inflight_recover(volatile struct inflight *r, const struct gmem *mem, struct vring_config *cfg)
{
    struct vring vq;
    bool visible = false;

    cfg->base = (cfg->features & VIRTIO_F_RING_PACKED) ? VRING_BASE_PACKED : VRING_BASE_SPLIT;
    if (r->version != INFLIGHT_VERSION) {
        return SK_ENOENT;
    }
    if (r->num != cfg->num) {
        return SK_EMSG;
    }
    int64_t err = vring_init(&vq, mem, cfg);
    int64_t used = err ? err : used_position(&vq, r->used, r->shown, &visible);

    if (used < 0) {
        return used;
    }
    uint32_t count = slots_settle(r, vq.packed, visible);

    r->used = r->shown = (uint32_t)used;
    if (count > cfg->num) {
        return SK_EMSG;
    }
    if (vq.packed) {
        packed_unshow(&vq, (uint32_t)used, count);
    }
    cfg->base = vq.packed ? packed_base_after((uint32_t)used, count, cfg->num) : (uint16_t)((uint32_t)used + count);
    return SK_OK;
}

bool inflight_next(const volatile struct inflight *r, unsigned *slot)
{
    while (*slot < INFLIGHT_SLOTS && r->slot[*slot].state != INFLIGHT_TAKEN) {
        ++*slot;
    }
    return *slot < INFLIGHT_SLOTS;
}

int inflight_again(const volatile struct inflight *r, unsigned slot, struct vring *vq, struct vring_seg *seg,
                   unsigned max, struct vring_chain *chain)
{
    const volatile struct inflight_slot *s = &r->slot[slot];
    struct virtq_pdesc d = {.addr = s->desc.addr, .len = s->desc.len, .id = s->desc.id, .flags = s->desc.flags};

    return vring_again(vq, s->head, &d, seg, max, chain);
}

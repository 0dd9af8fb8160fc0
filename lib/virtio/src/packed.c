// SPDX-License-Identifier: MIT
/* The packed format [virtio-1.2 2.8]: see virtio/vring.h.
 *
 * One ring of descriptors that both sides walk with a wrap counter each, which begins as 1 and changes at the end of
 * the ring. Where the wrap counter is w, a descriptor is available when AVAIL == w and USED != w, and used when AVAIL
 * == USED == w. A chain's descriptors lie behind each other; returning it takes one used descriptor, and as many places
 * as the chain had. */
#include "vring_priv.h"

#include <util/bits.h>

#define HEAD(id, count) ((uint32_t)(count) << 16 | (id))
#define HEAD_ID(head) ((uint16_t)(head))
#define HEAD_COUNT(head) ((head) >> 16)

static struct vring_pos pos_add(const struct vring *vq, struct vring_pos p, uint32_t n)
{
    uint32_t index = p.index + n; /* n is at most num */
    bool over = index >= vq->num;

    return (struct vring_pos){.index = (uint16_t)(over ? index - vq->num : index), .wrap = p.wrap != over};
}

static struct vring_pos pos_decode(uint32_t half)
{
    return (struct vring_pos){.index = half & 0x7fff, .wrap = (half & 0x8000) != 0};
}

static uint32_t pos_encode(struct vring_pos p)
{
    return p.index | (p.wrap ? 0x8000u : 0);
}

/* How far a lies before b, on a circle of two laps. */
static uint32_t pos_distance(const struct vring *vq, struct vring_pos a, struct vring_pos b)
{
    uint32_t laps = 2 * vq->num;

    return (b.index + (a.wrap != b.wrap ? vq->num : 0) + laps - a.index) % laps;
}

int64_t packed_init(struct vring *vq, const struct vring_config *cfg)
{
    if (cfg->desc % VIRTQ_DESC_ALIGN || cfg->avail % VIRTQ_PEVENT_ALIGN || cfg->used % VIRTQ_PEVENT_ALIGN) {
        return SK_EINVAL;
    }
    vq->ring = gmem_ptr(vq->mem, cfg->desc, VIRTQ_DESC_BYTES(cfg->num));
    vq->driver_event = gmem_ptr(vq->mem, cfg->avail, VIRTQ_PEVENT_BYTES);
    vq->device_event = gmem_ptr(vq->mem, cfg->used, VIRTQ_PEVENT_BYTES);
    vq->avail_pos = pos_decode(cfg->base & 0xffff);
    vq->used_pos = pos_decode(cfg->base >> 16);
    if (!vq->ring || !vq->driver_event || !vq->device_event) {
        return SK_ERANGE;
    }
    return vq->avail_pos.index < vq->num && vq->used_pos.index < vq->num ? SK_OK : SK_EINVAL;
}

static bool is_available(uint16_t flags, bool wrap)
{
    return !!(flags & VIRTQ_PDESC_F_AVAIL) == wrap && !!(flags & VIRTQ_PDESC_F_USED) != wrap;
}

/* Entries of an indirect table follow one another; only their WRITE flag counts [virtio-1.2 2.8.7]. */
static int indirect_walk(struct vring *vq, struct vring_walk *w, const struct virtq_pdesc *d)
{
    uint32_t entries;
    volatile virtq_pdesc_any *table = vring_indirect_table(vq, d->addr, d->len, d->flags, &entries);

    if (!table) {
        return SK_EMSG;
    }
    for (uint32_t i = 0; i < entries; i++) {
        uint16_t flags = table[i].flags;

        if (flags & VIRTQ_DESC_F_INDIRECT) {
            return vring_fail(vq, "indirect descriptor inside an indirect table");
        }
        if (vring_walk_add(vq, w, table[i].addr, table[i].len, flags) < 0) {
            return SK_EMSG;
        }
    }
    return 0;
}

/* The descriptors of a chain from avail_pos on; flags: of the first one, which the caller has read. *count: how many.
 */
static int packed_walk(struct vring *vq, struct vring_walk *w, uint16_t flags, uint32_t *count)
{
    struct vring_pos at = vq->avail_pos;

    for (*count = 1;; ++*count) {
        volatile struct virtq_pdesc *p = &vq->ring[at.index];
        struct virtq_pdesc d = {.addr = p->addr, .len = p->len, .id = p->id, .flags = flags};

        if (vq->in_flight + *count > vq->num) {
            return vring_fail(vq, "more descriptors in flight than the queue has entries");
        }
        if (!(flags & VIRTQ_DESC_F_INDIRECT)) {
            if (vring_walk_add(vq, w, d.addr, d.len, flags) < 0) {
                return SK_EMSG;
            }
        } else if (*count > 1) {
            return vring_fail(vq, "indirect descriptor behind a direct one");
        } else if (indirect_walk(vq, w, &d) < 0) {
            return SK_EMSG;
        }
        if (!(flags & VIRTQ_DESC_F_NEXT)) {
            w->chain->head = HEAD(d.id, *count);
            return vring_walk_end(vq, w);
        }
        at = pos_add(vq, at, 1);
        flags = vq->ring[at.index].flags;
        if (!is_available(flags, at.wrap)) {
            return vring_fail(vq, "chain goes on in a descriptor that is not available");
        }
    }
}

int packed_pop(struct vring *vq, struct vring_walk *w)
{
    uint32_t count;
    /* pairs with the driver's barrier before it wrote the flags */
    uint16_t flags = __atomic_load_n(&vq->ring[vq->avail_pos.index].flags, __ATOMIC_ACQUIRE);

    if (!is_available(flags, vq->avail_pos.wrap)) {
        return 0;
    }
    *w->chain = (struct vring_chain){0};
    int n = packed_walk(vq, w, flags, &count);

    if (n > 0) {
        vq->avail_pos = pos_add(vq, vq->avail_pos, count);
        vq->in_flight = (uint16_t)(vq->in_flight + count);
    }
    return n;
}

void packed_unpop(struct vring *vq, const struct vring_chain *chain)
{
    uint32_t count = HEAD_COUNT(chain->head);

    vq->avail_pos = pos_add(vq, vq->avail_pos, vq->num - count);
    vq->avail_pos.wrap = !vq->avail_pos.wrap; /* one lap forward was one too many */
    vq->in_flight = (uint16_t)(vq->in_flight - count);
}

void packed_push(struct vring *vq, uint32_t head, uint32_t written)
{
    struct vring_pos at = vq->used_pos;
    volatile struct virtq_pdesc *d = &vq->ring[at.index];
    uint16_t flags =
        (uint16_t)((at.wrap ? VIRTQ_PDESC_F_AVAIL | VIRTQ_PDESC_F_USED : 0) | (written ? VIRTQ_DESC_F_WRITE : 0));

    d->id = HEAD_ID(head);
    d->len = written;
    if (vq->batch == 0) {
        vq->first = at.index;
        vq->first_flags = flags;
    } else {
        d->flags = flags;
    }
    vq->batch += HEAD_COUNT(head);
    vq->used_pos = pos_add(vq, at, HEAD_COUNT(head));
    vq->in_flight = (uint16_t)(vq->in_flight - HEAD_COUNT(head));
}

/* Did the batch pass the place that the driver waits for [virtio-1.2 2.8.14]? */
static bool event_passed(const struct vring *vq, uint32_t event, uint32_t batch)
{
    struct vring_pos at = pos_decode(event & 0xffff);
    uint32_t behind = pos_distance(vq, at, vq->used_pos) - vq->batch; /* of what is shown; wraps if that is before it */

    return at.index >= vq->num || (behind >= 1 && behind <= batch);
}

void packed_show(struct vring *vq)
{
    if (vq->batch > 0) {
        /* pairs with the driver's read of the flags */
        __atomic_store_n(&vq->ring[vq->first].flags, vq->first_flags, __ATOMIC_RELEASE);
        vq->untold = min(vq->untold + vq->batch, 2 * vq->num); /* that is every place */
        vq->batch = 0;
    }
}

bool packed_interrupt_due(struct vring *vq)
{
    uint32_t batch = vq->untold;
    bool first = !vq->signal_valid;

    if (batch == 0) {
        return false;
    }
    vq->untold = 0;
    vq->signal_valid = true;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the driver's fence after it set its event structure */
    uint32_t event = *vq->driver_event;

    switch (event >> 16 & 3) {
    case VIRTQ_PEVENT_DISABLE:
        return false;
    case VIRTQ_PEVENT_DESC:
        return !vq->event_idx || first || event_passed(vq, event, batch);
    default:
        return true;
    }
}

void packed_kick_disable(struct vring *vq)
{
    *vq->device_event = VIRTQ_PEVENT_DISABLE << 16;
}

bool packed_kick_enable(struct vring *vq)
{
    *vq->device_event = vq->event_idx ? VIRTQ_PEVENT_DESC << 16 | pos_encode(vq->avail_pos) : VIRTQ_PEVENT_ENABLE << 16;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the driver's fence between descriptor and check */
    return is_available(__atomic_load_n(&vq->ring[vq->avail_pos.index].flags, __ATOMIC_ACQUIRE), vq->avail_pos.wrap);
}

uint32_t packed_base(const struct vring *vq)
{
    return pos_encode(vq->used_pos) << 16 | pos_encode(vq->avail_pos);
}

uint32_t packed_used(const struct vring *vq)
{
    return pos_encode(vq->used_pos);
}

uint32_t packed_base_after(uint32_t used, uint32_t count, uint32_t num)
{
    struct vring vq = {.num = num};

    return used << 16 | pos_encode(pos_add(&vq, pos_decode(used), count));
}

void packed_unshow(struct vring *vq, uint32_t used, uint32_t count)
{
    struct vring_pos at = pos_decode(used);

    for (uint32_t i = 1; i < count; i++) {
        at = pos_add(vq, at, 1);
        uint16_t flags = vq->ring[at.index].flags;

        if (!!(flags & VIRTQ_PDESC_F_USED) == at.wrap) {
            vq->ring[at.index].flags = at.wrap ? VIRTQ_PDESC_F_AVAIL : VIRTQ_PDESC_F_USED;
        }
    }
}

struct virtq_pdesc packed_last(const struct vring *vq)
{
    uint16_t next = vq->avail_pos.index;
    volatile struct virtq_pdesc *d = &vq->ring[next ? next - 1u : vq->num - 1];

    return (struct virtq_pdesc){.addr = d->addr, .len = d->len, .id = d->id, .flags = d->flags};
}

int packed_again(struct vring *vq, struct vring_walk *w, uint32_t head, const struct virtq_pdesc *d)
{
    *w->chain = (struct vring_chain){.head = HEAD(HEAD_ID(head), 1)};
    if (HEAD_COUNT(head) != 1 || (d->flags & VIRTQ_DESC_F_NEXT)) {
        return vring_fail(vq, "a chain of several descriptors cannot be taken again");
    }
    if (vq->in_flight == vq->num) {
        return vring_fail(vq, "more descriptors in flight than the queue has entries");
    }
    int err =
        (d->flags & VIRTQ_DESC_F_INDIRECT) ? indirect_walk(vq, w, d) : vring_walk_add(vq, w, d->addr, d->len, d->flags);

    if (err < 0) {
        return err;
    }
    vq->in_flight++;
    return vring_walk_end(vq, w);
}

// SPDX-License-Identifier: MIT
// Split virtqueue, device side: see virtio/vring.h.
#include <util/bits.h>
#include <virtio/vring.h>

int vring_fail(struct vring *vq, const char *why)
{
    if (!vq->error) {
        vq->error = why;
    }
    return SK_EMSG;
}

int64_t vring_init(struct vring *vq, const struct gmem *mem, const struct vring_config *cfg)
{
    if (!is_pow2(cfg->num) || cfg->num > VIRTQ_MAX_SIZE || cfg->desc % VIRTQ_DESC_ALIGN ||
        cfg->avail % VIRTQ_AVAIL_ALIGN || cfg->used % VIRTQ_USED_ALIGN) {
        return SK_EINVAL;
    }
    *vq = (struct vring){
        .mem = mem,
        .desc = gmem_ptr(mem, cfg->desc, VIRTQ_DESC_BYTES(cfg->num)),
        .avail = gmem_ptr(mem, cfg->avail, VIRTQ_AVAIL_BYTES(cfg->num)),
        .used = gmem_ptr(mem, cfg->used, VIRTQ_USED_BYTES(cfg->num)),
        .num = cfg->num,
        .next_avail = cfg->base,
        .avail_seen = cfg->base,
        .indirect = (cfg->features & VIRTIO_F_INDIRECT_DESC) != 0,
        .event_idx = (cfg->features & VIRTIO_F_EVENT_IDX) != 0,
    };
    if (!vq->desc || !vq->avail || !vq->used) {
        return SK_ERANGE;
    }
    vq->used_event = &vq->avail->ring[vq->num];
    vq->avail_event = (volatile uint16_t *)&vq->used->ring[vq->num];
    vq->used_next = vq->used_shown = vq->used->idx;
    return SK_OK;
}

/* An indirect table may lie at any address. */
typedef struct virtq_desc virtq_desc_any __attribute__((aligned(1)));

/* One step of a walk through a table of `size` descriptors. */
struct vring_walk {
    volatile virtq_desc_any *table;
    bool indirect;
    uint32_t size;
    uint32_t left; /* descriptors that may still follow: a longer chain is a loop */
    uint32_t index;
};

static struct virtq_desc desc_read(volatile virtq_desc_any *d)
{
    return (struct virtq_desc){.addr = d->addr, .len = d->len, .flags = d->flags, .next = d->next};
}

static int walk_enter_indirect(struct vring *vq, struct vring_walk *w, const struct virtq_desc *d)
{
    uint32_t entries = d->len / sizeof(*d);

    if (!vq->indirect) {
        return vring_fail(vq, "indirect descriptor without the feature");
    }
    if (w->indirect || (d->flags & VIRTQ_DESC_F_NEXT)) {
        return vring_fail(vq, "indirect descriptor inside an indirect table, or with a next one");
    }
    if (d->len % sizeof(*d) || entries == 0 || entries > VRING_INDIRECT_MAX) {
        return vring_fail(vq, "indirect table with a bad length");
    }
    *w = (struct vring_walk){
        .table = gmem_ptr(vq->mem, d->addr, d->len),
        .indirect = true,
        .size = entries,
        .left = entries,
    };
    return w->table ? 0 : vring_fail(vq, "indirect table outside guest memory");
}

static int chain_add(struct vring *vq, struct vring_seg *seg, unsigned *n, unsigned max, struct vring_chain *chain,
                     const struct virtq_desc *d)
{
    bool write = (d->flags & VIRTQ_DESC_F_WRITE) != 0;

    if (d->len == 0) {
        return 0;
    }
    if (*n == max) {
        return vring_fail(vq, "chain has more segments than the device allows");
    }
    if (!write && chain->writable) {
        return vring_fail(vq, "readable descriptor behind a writable one");
    }
    seg[*n] = (struct vring_seg){.gpa = d->addr, .len = d->len, .write = write};
    *n += 1;
    chain->readable += !write;
    chain->writable += write;
    return 0;
}

static int chain_walk(struct vring *vq, struct vring_seg *seg, unsigned max, struct vring_chain *chain)
{
    struct vring_walk w = {.table = vq->desc, .size = vq->num, .left = vq->num, .index = chain->head};
    unsigned n = 0;

    for (;;) {
        if (w.index >= w.size) {
            return vring_fail(vq, "descriptor index outside its table");
        }
        if (w.left-- == 0) {
            return vring_fail(vq, "descriptor chain is a loop");
        }
        struct virtq_desc d = desc_read(&w.table[w.index]);

        if (d.flags & VIRTQ_DESC_F_INDIRECT) {
            if (walk_enter_indirect(vq, &w, &d) < 0) {
                return SK_EMSG;
            }
            continue;
        }
        if (chain_add(vq, seg, &n, max, chain, &d) < 0) {
            return SK_EMSG;
        }
        if (!(d.flags & VIRTQ_DESC_F_NEXT)) {
            return n > 0 ? (int)n : vring_fail(vq, "chain without any byte");
        }
        w.index = d.next;
    }
}

/* Reads avail.idx: the number of new entries, or an error. */
static int avail_refresh(struct vring *vq)
{
    uint16_t idx = __atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE); /* pairs with the driver's idx store */
    uint16_t count = (uint16_t)(idx - vq->next_avail);

    if (count > vq->num) {
        return vring_fail(vq, "avail index jumped");
    }
    vq->avail_seen = idx;
    return count;
}

int vring_pop(struct vring *vq, struct vring_seg *seg, unsigned max, struct vring_chain *chain)
{
    if (vq->error) {
        return SK_EMSG;
    }
    if (vq->next_avail == vq->avail_seen) {
        int count = avail_refresh(vq);

        if (count <= 0) {
            return count;
        }
    }
    if (vq->in_flight == vq->num) {
        return vring_fail(vq, "more chains in flight than the queue has entries");
    }
    *chain = (struct vring_chain){.head = vq->avail->ring[vq->next_avail & (vq->num - 1)]};
    int n = chain_walk(vq, seg, max, chain);

    if (n > 0) {
        vq->next_avail++;
        vq->in_flight++;
    }
    return n;
}

void vring_unpop(struct vring *vq)
{
    vq->next_avail--;
    vq->in_flight--;
}

void vring_push(struct vring *vq, uint16_t head, uint32_t written)
{
    volatile struct virtq_used_elem *e = &vq->used->ring[vq->used_next & (vq->num - 1)];

    e->id = head;
    e->len = written;
    vq->used_next++;
    vq->in_flight--;
}

bool vring_publish(struct vring *vq)
{
    uint16_t new = vq->used_next;

    if (new == vq->used_shown) {
        return false;
    }
    __atomic_store_n(&vq->used->idx, new, __ATOMIC_RELEASE); /* pairs with the driver's read of used.idx */
    vq->used_shown = new;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the driver's fence after it set used_event or flags */
    if (!vq->event_idx) {
        return !(vq->avail->flags & VIRTQ_AVAIL_F_NO_INTERRUPT);
    }
    uint16_t event = *vq->used_event, old = vq->used_signal;
    bool valid = vq->signal_valid;

    vq->used_signal = new;
    vq->signal_valid = true;
    /* did used.idx pass the entry that the driver waits for? [virtio-1.2 2.7.10] */
    return !valid || (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

void vring_kick_disable(struct vring *vq)
{
    /* with EVENT_IDX an avail_event that stays behind suppresses kicks by itself */
    if (!vq->event_idx) {
        vq->used->flags = VIRTQ_USED_F_NO_NOTIFY;
    }
}

bool vring_kick_enable(struct vring *vq)
{
    if (vq->error) {
        return false;
    }
    if (vq->event_idx) {
        *vq->avail_event = vq->next_avail;
    } else {
        vq->used->flags = 0;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the driver's fence between avail.idx and the check */
    return __atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE) != vq->next_avail;
}

// SPDX-License-Identifier: MIT
// Virtqueue, device side: see virtio/vring.h. Here: the interface, what both formats share, and the split format.
#include "vring_priv.h"

#include <util/bits.h>

int vring_fail(struct vring *vq, const char *why)
{
    if (!vq->error) {
        vq->error = why;
    }
    return SK_EMSG;
}

/* --- chains --- */

int vring_walk_add(struct vring *vq, struct vring_walk *w, uint64_t addr, uint32_t len, uint16_t flags)
{
    bool write = (flags & VIRTQ_DESC_F_WRITE) != 0;

    if (len == 0) {
        return 0;
    }
    if (w->count == w->max) {
        return vring_fail(vq, "chain has more segments than the device allows");
    }
    if (!write && w->chain->writable) {
        return vring_fail(vq, "readable descriptor behind a writable one");
    }
    w->seg[w->count++] = (struct vring_seg){.gpa = addr, .len = len, .write = write};
    w->chain->readable += !write;
    w->chain->writable += write;
    return 0;
}

volatile void *vring_indirect_table(struct vring *vq, uint64_t addr, uint32_t len, uint16_t flags, uint32_t *entries)
{
    volatile void *table = gmem_ptr(vq->mem, addr, len);

    *entries = len / sizeof(struct virtq_desc);
    if (!vq->indirect) {
        (void)vring_fail(vq, "indirect descriptor without the feature");
    } else if (flags & VIRTQ_DESC_F_NEXT) {
        (void)vring_fail(vq, "indirect descriptor with a next one");
    } else if (len % sizeof(struct virtq_desc) || *entries == 0 || *entries > VRING_INDIRECT_MAX) {
        (void)vring_fail(vq, "indirect table with a bad length");
    } else if (!table) {
        (void)vring_fail(vq, "indirect table outside guest memory");
    } else {
        return table;
    }
    return NULL;
}

int vring_walk_end(struct vring *vq, const struct vring_walk *w)
{
    return w->count > 0 ? (int)w->count : vring_fail(vq, "chain without any byte");
}

/* --- split --- */

static int64_t split_init(struct vring *vq, const struct vring_config *cfg)
{
    if (!is_pow2(cfg->num) || cfg->desc % VIRTQ_DESC_ALIGN || cfg->avail % VIRTQ_AVAIL_ALIGN ||
        cfg->used % VIRTQ_USED_ALIGN || cfg->base > UINT16_MAX) {
        return SK_EINVAL;
    }
    vq->desc = gmem_ptr(vq->mem, cfg->desc, VIRTQ_DESC_BYTES(cfg->num));
    vq->avail = gmem_ptr(vq->mem, cfg->avail, VIRTQ_AVAIL_BYTES(cfg->num));
    vq->used = gmem_ptr(vq->mem, cfg->used, VIRTQ_USED_BYTES(cfg->num));
    if (!vq->desc || !vq->avail || !vq->used) {
        return SK_ERANGE;
    }
    vq->next_avail = vq->avail_seen = (uint16_t)cfg->base;
    vq->used_event = &vq->avail->ring[vq->num];
    vq->avail_event = (volatile uint16_t *)&vq->used->ring[vq->num];
    vq->used_next = vq->used_shown = vq->used_told = vq->used->idx;
    return SK_OK;
}

static struct virtq_desc desc_read(volatile virtq_desc_any *d)
{
    return (struct virtq_desc){.addr = d->addr, .len = d->len, .flags = d->flags, .next = d->next};
}

static int split_walk(struct vring *vq, struct vring_walk *w)
{
    volatile virtq_desc_any *table = vq->desc;
    uint32_t size = vq->num, left = size, index = w->chain->head; /* left: a longer chain is a loop */
    bool indirect = false;                                        /* a table may lie where the ring's own does */

    for (;;) {
        if (index >= size) {
            return vring_fail(vq, "descriptor index outside its table");
        }
        if (left-- == 0) {
            return vring_fail(vq, "descriptor chain is a loop");
        }
        struct virtq_desc d = desc_read(&table[index]);

        if (d.flags & VIRTQ_DESC_F_INDIRECT) {
            if (indirect) {
                return vring_fail(vq, "indirect descriptor inside an indirect table");
            }
            table = vring_indirect_table(vq, d.addr, d.len, d.flags, &size);
            if (!table) {
                return SK_EMSG;
            }
            indirect = true;
            left = size;
            index = 0;
            continue;
        }
        if (vring_walk_add(vq, w, d.addr, d.len, d.flags) < 0) {
            return SK_EMSG;
        }
        if (!(d.flags & VIRTQ_DESC_F_NEXT)) {
            return vring_walk_end(vq, w);
        }
        index = d.next;
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

static int split_pop(struct vring *vq, struct vring_walk *w)
{
    if (vq->next_avail == vq->avail_seen) {
        int count = avail_refresh(vq);

        if (count <= 0) {
            return count;
        }
    }
    if (vq->in_flight == vq->num) {
        return vring_fail(vq, "more chains in flight than the queue has entries");
    }
    *w->chain = (struct vring_chain){.head = vq->avail->ring[vq->next_avail & (vq->num - 1)]};
    int n = split_walk(vq, w);

    if (n > 0) {
        vq->next_avail++;
        vq->in_flight++;
    }
    return n;
}

static void split_push(struct vring *vq, uint32_t head, uint32_t written)
{
    volatile struct virtq_used_elem *e = &vq->used->ring[vq->used_next & (vq->num - 1)];

    e->id = head;
    e->len = written;
    vq->used_next++;
    vq->in_flight--;
}

static void split_show(struct vring *vq)
{
    if (vq->used_next != vq->used_shown) {
        __atomic_store_n(&vq->used->idx, vq->used_next,
                         __ATOMIC_RELEASE); /* pairs with the driver's read of used.idx */
        vq->used_shown = vq->used_next;
    }
}

static bool split_interrupt_due(struct vring *vq)
{
    uint16_t new = vq->used_shown, old = vq->used_told;

    if (new == old) {
        return false;
    }
    vq->used_told = new;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the driver's fence after it set used_event or flags */
    if (!vq->event_idx) {
        return !(vq->avail->flags & VIRTQ_AVAIL_F_NO_INTERRUPT);
    }
    bool first = !vq->signal_valid;

    vq->signal_valid = true;
    /* did used.idx pass the entry that the driver waits for? [virtio-1.2 2.7.10] */
    return first || (uint16_t)(new - *vq->used_event - 1) < (uint16_t)(new - old);
}

static bool split_kick_enable(struct vring *vq)
{
    if (vq->event_idx) {
        *vq->avail_event = vq->next_avail;
    } else {
        vq->used->flags = 0;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the driver's fence between avail.idx and the check */
    return __atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE) != vq->next_avail;
}

/* --- both --- */

int64_t vring_init(struct vring *vq, const struct gmem *mem, const struct vring_config *cfg)
{
    if (cfg->num == 0 || cfg->num > VIRTQ_MAX_SIZE) {
        return SK_EINVAL;
    }
    *vq = (struct vring){
        .mem = mem,
        .num = cfg->num,
        .packed = (cfg->features & VIRTIO_F_RING_PACKED) != 0,
        .indirect = (cfg->features & VIRTIO_F_INDIRECT_DESC) != 0,
        .event_idx = (cfg->features & VIRTIO_F_EVENT_IDX) != 0,
    };
    return vq->packed ? packed_init(vq, cfg) : split_init(vq, cfg);
}

int vring_pop(struct vring *vq, struct vring_seg *seg, unsigned max, struct vring_chain *chain)
{
    struct vring_walk w = {.seg = seg, .max = max, .chain = chain};

    if (vq->error) {
        return SK_EMSG;
    }
    return vq->packed ? packed_pop(vq, &w) : split_pop(vq, &w);
}

void vring_unpop(struct vring *vq, const struct vring_chain *chain)
{
    if (vq->packed) {
        packed_unpop(vq, chain);
        return;
    }
    vq->next_avail--;
    vq->in_flight--;
}

void vring_push(struct vring *vq, uint32_t head, uint32_t written)
{
    if (vq->packed) {
        packed_push(vq, head, written);
    } else {
        split_push(vq, head, written);
    }
}

void vring_show(struct vring *vq)
{
    if (vq->packed) {
        packed_show(vq);
    } else {
        split_show(vq);
    }
}

bool vring_interrupt_due(struct vring *vq)
{
    return vq->packed ? packed_interrupt_due(vq) : split_interrupt_due(vq);
}

bool vring_publish(struct vring *vq)
{
    vring_show(vq);
    return vring_interrupt_due(vq);
}

void vring_kick_disable(struct vring *vq)
{
    /* with EVENT_IDX an event index that stays behind suppresses kicks by itself */
    if (vq->event_idx) {
        return;
    }
    if (vq->packed) {
        packed_kick_disable(vq);
    } else {
        vq->used->flags = VIRTQ_USED_F_NO_NOTIFY;
    }
}

bool vring_kick_enable(struct vring *vq)
{
    if (vq->error) {
        return false;
    }
    return vq->packed ? packed_kick_enable(vq) : split_kick_enable(vq);
}

static int split_again(struct vring *vq, struct vring_walk *w, uint32_t head)
{
    if (vq->in_flight == vq->num) {
        return vring_fail(vq, "more chains in flight than the queue has entries");
    }
    *w->chain = (struct vring_chain){.head = head};
    int n = split_walk(vq, w);

    if (n > 0) {
        vq->in_flight++;
    }
    return n;
}

int vring_again(struct vring *vq, uint32_t head, const struct virtq_pdesc *desc, struct vring_seg *seg, unsigned max,
                struct vring_chain *chain)
{
    struct vring_walk w = {.seg = seg, .max = max, .chain = chain};

    if (vq->error) {
        return SK_EMSG;
    }
    return vq->packed ? packed_again(vq, &w, head, desc) : split_again(vq, &w, head);
}

struct virtq_pdesc vring_last(const struct vring *vq)
{
    return packed_last(vq);
}

uint32_t vring_used(const struct vring *vq)
{
    return vq->packed ? packed_used(vq) : vq->used_next;
}

uint32_t vring_base(const struct vring *vq)
{
    return vq->packed ? packed_base(vq) : vq->next_avail;
}

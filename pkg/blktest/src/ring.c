// SPDX-License-Identifier: MIT
/* A virtio driver's side of a queue, split [virtio-1.2 2.7] or packed [2.8]: see front.h. A slot has a fixed place for
 * its descriptors in a split queue; its number is the buffer id in a packed one. */
#include "front.h"

#include <string.h>
#include <util/bits.h>

#define AVAIL_OFF 0x2000u
#define USED_OFF 0x3000u

static bool is_packed(const struct ring *r)
{
    return (r->features & VIRTIO_F_RING_PACKED) != 0;
}

static struct virtq_desc *split_desc(const struct ring *r)
{
    return (void *)r->mem;
}
static struct virtq_avail *split_avail(const struct ring *r)
{
    return (void *)(r->mem + AVAIL_OFF);
}
static struct virtq_used *split_used(const struct ring *r)
{
    return (void *)(r->mem + USED_OFF);
}
static struct virtq_pdesc *packed_desc(const struct ring *r)
{
    return (void *)r->mem;
}
static struct virtq_pevent *driver_event(const struct ring *r)
{
    return (void *)(r->mem + AVAIL_OFF);
}
static volatile uint32_t *device_event(const struct ring *r)
{
    return (void *)(r->mem + USED_OFF);
}

void ring_init(struct ring *r, uint8_t *mem, uint64_t gpa, uint64_t features, uint32_t slot_descs)
{
    memset(mem, 0, RING_BYTES);
    *r = (struct ring){
        .mem = mem, .gpa = gpa, .features = features, .slot_descs = slot_descs, .next_wrap = true, .used_wrap = true};
}

void ring_areas(const struct ring *r, uint64_t area[3])
{
    area[0] = r->gpa;
    area[1] = r->gpa + AVAIL_OFF;
    area[2] = r->gpa + USED_OFF;
}

uint64_t ring_base(const struct ring *r)
{
    return is_packed(r) ? 0x80008000u : 0;
}

/* --- making available --- */

static void split_fill(struct virtq_desc *d, uint16_t first, const struct ring_buf *buf, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bool more = i + 1 < count;

        d[i] = (struct virtq_desc){buf[i].gpa, buf[i].len,
                                   (uint16_t)((buf[i].write ? VIRTQ_DESC_F_WRITE : 0) | (more ? VIRTQ_DESC_F_NEXT : 0)),
                                   (uint16_t)(more ? first + i + 1 : 0)};
    }
}

static void split_post(struct ring *r, uint32_t slot, const struct ring_buf *buf, uint32_t count, void *table,
                       uint64_t table_gpa)
{
    uint16_t head = (uint16_t)(slot * r->slot_descs);
    struct virtq_avail *avail = split_avail(r);

    if (table) {
        split_fill(table, 0, buf, count);
        split_desc(r)[head] =
            (struct virtq_desc){table_gpa, (uint32_t)(count * sizeof(struct virtq_desc)), VIRTQ_DESC_F_INDIRECT, 0};
    } else {
        split_fill(&split_desc(r)[head], head, buf, count);
    }
    avail->ring[r->next % FRONT_NUM] = head;
    r->next++;
    __atomic_store_n(&avail->idx, r->next, __ATOMIC_RELEASE); /* pairs with the server's read */
    r->unkicked++;
}

/* The flags that make a descriptor at the next place available. */
static uint16_t packed_flags(const struct ring *r)
{
    return r->next_wrap ? VIRTQ_PDESC_F_AVAIL : VIRTQ_PDESC_F_USED;
}

static void packed_advance(uint16_t *place, bool *wrap, uint16_t count)
{
    *place = (uint16_t)(*place + count);
    if (*place >= FRONT_NUM) {
        *place = (uint16_t)(*place - FRONT_NUM);
        *wrap = !*wrap;
    }
}

static void packed_post(struct ring *r, uint32_t slot, const struct ring_buf *buf, uint32_t count, void *table,
                        uint64_t table_gpa)
{
    struct ring_buf one = {table_gpa, (uint32_t)(count * sizeof(struct virtq_pdesc)), false};
    uint16_t first = r->next, first_flags = 0;

    r->head[slot] = first;
    r->head_wrap[slot] = r->next_wrap;

    for (uint32_t i = 0; table && i < count; i++) {
        ((struct virtq_pdesc *)table)[i] =
            (struct virtq_pdesc){buf[i].gpa, buf[i].len, 0, buf[i].write ? VIRTQ_DESC_F_WRITE : 0};
    }
    if (table) {
        buf = &one;
        count = 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint16_t flags = (uint16_t)(packed_flags(r) | (buf[i].write ? VIRTQ_DESC_F_WRITE : 0) |
                                    (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0) | (table ? VIRTQ_DESC_F_INDIRECT : 0));
        struct virtq_pdesc *d = &packed_desc(r)[r->next];

        d->addr = buf[i].gpa;
        d->len = buf[i].len;
        d->id = (uint16_t)slot;
        if (i == 0) {
            first_flags = flags; /* last: the chain is available with it */
        } else {
            d->flags = flags;
        }
        packed_advance(&r->next, &r->next_wrap, 1);
    }
    r->count[slot] = (uint16_t)count;
    r->unkicked = (uint16_t)(r->unkicked + count);
    __atomic_store_n(&packed_desc(r)[first].flags, first_flags, __ATOMIC_RELEASE); /* pairs with the server's read */
}

void ring_post(struct ring *r, uint32_t slot, const struct ring_buf *buf, uint32_t count, void *table,
               uint64_t table_gpa)
{
    if (is_packed(r)) {
        packed_post(r, slot, buf, count, table, table_gpa);
    } else {
        split_post(r, slot, buf, count, table, table_gpa);
    }
}

/* --- notification --- */

/* Is the device's event one of the last `unkicked` places before the next one? */
static bool packed_event(const struct ring *r, uint16_t desc, uint16_t unkicked)
{
    uint32_t event = desc & 0x7fffu, laps = 2 * FRONT_NUM;
    uint32_t next = r->next + (r->next_wrap ? 0 : FRONT_NUM), at = event + ((desc & 0x8000u) ? 0 : FRONT_NUM);
    uint32_t behind = (next + laps - at) % laps;

    return behind >= 1 && behind <= unkicked;
}

bool ring_wants_kick(struct ring *r)
{
    const volatile uint16_t *avail_event = (volatile uint16_t *)(void *)&split_used(r)->ring[FRONT_NUM];
    uint16_t unkicked = r->unkicked;

    if (unkicked == 0) {
        return false;
    }
    r->unkicked = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the server's fence after it set its event */
    if (is_packed(r)) {
        uint32_t event = *device_event(r), kind = event >> 16;

        return kind == VIRTQ_PEVENT_DESC ? packed_event(r, (uint16_t)event, unkicked) : kind == VIRTQ_PEVENT_ENABLE;
    }
    if (r->features & VIRTIO_F_EVENT_IDX) {
        return (uint16_t)(r->next - *avail_event - 1) < unkicked;
    }
    return !(split_used(r)->flags & VIRTQ_USED_F_NO_NOTIFY);
}

void ring_ask(struct ring *r)
{
    if (!(r->features & VIRTIO_F_EVENT_IDX)) {
        return;
    }
    if (is_packed(r)) {
        *(volatile uint16_t *)&driver_event(r)->desc = (uint16_t)(r->used | (r->used_wrap ? 0x8000u : 0));
        *(volatile uint16_t *)&driver_event(r)->flags = VIRTQ_PEVENT_DESC;
    } else {
        *(volatile uint16_t *)&split_avail(r)->ring[FRONT_NUM] = r->used;
    }
}

/* --- what comes back --- */

bool ring_has_used(const struct ring *r)
{
    uint16_t flags;

    if (!is_packed(r)) {
        return __atomic_load_n(&split_used(r)->idx, __ATOMIC_ACQUIRE) != r->used; /* pairs with the server's store */
    }
    flags = __atomic_load_n(&packed_desc(r)[r->used].flags, __ATOMIC_ACQUIRE); /* pairs with the server's store */
    return !!(flags & VIRTQ_PDESC_F_AVAIL) == r->used_wrap && !!(flags & VIRTQ_PDESC_F_USED) == r->used_wrap;
}

bool ring_take(struct ring *r, uint32_t *slot, uint32_t *written)
{
    if (is_packed(r)) {
        struct virtq_pdesc d = packed_desc(r)[r->used];

        *slot = d.id;
        *written = d.len;
        if (*slot >= FRONT_NUM) {
            return false;
        }
        packed_advance(&r->used, &r->used_wrap, r->count[*slot]);
        return true;
    }
    struct virtq_used_elem e = split_used(r)->ring[r->used % FRONT_NUM];

    r->used++;
    *slot = e.id / r->slot_descs;
    *written = e.len;
    return e.id % r->slot_descs == 0 && *slot < FRONT_NUM;
}

/* --- hostility --- */

/* The last descriptor of a request with three. */
static struct virtq_pdesc *packed_last(struct ring *r, uint32_t slot, struct virtq_pdesc *table)
{
    return table ? &table[2] : &packed_desc(r)[(r->head[slot] + 2) % FRONT_NUM];
}

static void packed_break(struct ring *r, uint32_t slot, struct virtq_pdesc *table, unsigned way)
{
    struct virtq_pdesc *d = packed_desc(r), *last = packed_last(r, slot, table);

    switch (way) {
    case 0: /* goes on in a descriptor that is not available; a table in a table */
        last->flags |= table ? VIRTQ_DESC_F_INDIRECT : VIRTQ_DESC_F_NEXT;
        break;
    case 1: /* the whole ring is one chain */
        for (uint32_t i = 0; i < FRONT_NUM; i++) {
            bool wrap = i >= r->head[slot] ? r->head_wrap[slot] : !r->head_wrap[slot];

            d[i].flags = (uint16_t)((wrap ? VIRTQ_PDESC_F_AVAIL : VIRTQ_PDESC_F_USED) | VIRTQ_DESC_F_NEXT);
            d[i].len = 0;
        }
        break;
    case 2: /* a table behind a direct descriptor; a table of one descriptor and a bit */
        if (table) {
            d[r->head[slot]].len = 17;
        } else {
            last->flags |= VIRTQ_DESC_F_INDIRECT;
        }
        break;
    default: /* status byte outside memory */
        last->addr = 0xfffffffffffff000;
        break;
    }
}

static void split_break(struct ring *r, uint32_t slot, struct virtq_desc *table, unsigned way)
{
    struct virtq_avail *avail = split_avail(r);
    uint16_t head = (uint16_t)(slot * r->slot_descs);
    struct virtq_desc *d = table ? table : split_desc(r) + head;

    switch (way) {
    case 0: /* a loop */
        d[2].flags = VIRTQ_DESC_F_NEXT;
        d[2].next = table ? 0 : head;
        break;
    case 1:
        avail->idx = (uint16_t)(avail->idx + 1000);
        break;
    case 2:
        avail->ring[(r->next - 1) % FRONT_NUM] = 60000;
        break;
    default: /* status byte outside memory */
        d[2].addr = 0xfffffffffffff000;
        break;
    }
}

void ring_break(struct ring *r, uint32_t slot, void *table, unsigned way)
{
    if (is_packed(r)) {
        packed_break(r, slot, table, way);
    } else {
        split_break(r, slot, table, way);
    }
}

// SPDX-License-Identifier: MIT
// See driver.h. Nothing here comes from the code under test but the layout of the structures.
#include "driver.h"

#include <string.h>

#define LAST 0xffffu /* ends a chain of split descriptors */

static void fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* x86 keeps stores in their order, and loads: only the compiler has to. */
static void barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

static volatile struct virtq_pdesc *pring(const struct driver *d)
{
    return (volatile void *)(d->ram + PAIR_RING);
}
static volatile struct virtq_desc *sring(const struct driver *d)
{
    return (volatile void *)(d->ram + PAIR_RING);
}
static volatile struct virtq_avail *avail(const struct driver *d)
{
    return (volatile void *)(d->ram + PAIR_AVAIL);
}
static volatile struct virtq_used *used(const struct driver *d)
{
    return (volatile void *)(d->ram + PAIR_USED);
}
static volatile struct virtq_pevent *driver_event(const struct driver *d)
{
    return (volatile void *)(d->ram + PAIR_AVAIL);
}
static volatile uint16_t *used_event(const struct driver *d)
{
    return &avail(d)->ring[d->num];
}
static volatile uint8_t *table_of(const struct driver *d, uint16_t id)
{
    return d->ram + PAIR_TABLES + 16u * PAIR_SEGMENTS_MAX * id;
}

void driver_init(struct driver *d, uint8_t *ram, const struct pair_config *c)
{
    *d = (struct driver){.num = c->num, .packed = c->packed, .event_idx = c->event_idx, .room = c->num, .ram = ram};
    d->avail_wrap = d->used_wrap = true;
    for (uint16_t i = 0; i < c->num; i++) {
        d->free_id[d->free_ids++] = i;
    }
}

/* --- adding --- */

static void table_write(const struct driver *d, uint16_t id, uint32_t number, unsigned segments)
{
    for (unsigned k = 0; k < segments; k++) {
        uint16_t write = k > 0 ? VIRTQ_DESC_F_WRITE : 0;

        if (d->packed) {
            volatile struct virtq_pdesc *t = (volatile void *)table_of(d, id);

            t[k].addr = pair_address(number, k);
            t[k].len = pair_length(number, k);
            t[k].flags = write;
        } else {
            volatile struct virtq_desc *t = (volatile void *)table_of(d, id);

            t[k].addr = pair_address(number, k);
            t[k].len = pair_length(number, k);
            t[k].flags = (uint16_t)(write | (k + 1 < segments ? VIRTQ_DESC_F_NEXT : 0));
            t[k].next = (uint16_t)(k + 1);
        }
    }
}

/* The first descriptor's flags come last: they show the chain. */
static void packed_add(struct driver *d, uint16_t id, uint32_t number, unsigned segments, bool indirect)
{
    unsigned count = indirect ? 1 : segments;
    uint16_t at = d->next_avail, head_flags = 0;
    bool wrap = d->avail_wrap;

    for (unsigned k = 0; k < count; k++) {
        volatile struct virtq_pdesc *p = &pring(d)[at];
        uint16_t flags = wrap ? 1u << 7 : 1u << 15;

        flags |= (uint16_t)((k > 0 ? VIRTQ_DESC_F_WRITE : 0) | (k + 1 < count ? VIRTQ_DESC_F_NEXT : 0) |
                            (indirect ? VIRTQ_DESC_F_INDIRECT : 0));
        if (k == 0) {
            head_flags = flags;
        } else {
            p->flags = flags;
        }
        p->addr = indirect ? PAIR_TABLES + 16u * PAIR_SEGMENTS_MAX * id : pair_address(number, k);
        p->len = indirect ? 16 * segments : pair_length(number, k);
        p->id = id;
        at++;
        if (at == d->num) {
            at = 0;
            wrap = !wrap;
        }
    }
    barrier();
    pring(d)[d->next_avail].flags = head_flags;
    d->next_avail = at;
    d->avail_wrap = wrap;
}

static void split_add(struct driver *d, uint16_t id, uint32_t number, unsigned segments, bool indirect)
{
    unsigned count = indirect ? 1 : segments;
    uint16_t at = id;

    for (unsigned k = 0; k < count; k++) {
        volatile struct virtq_desc *p = &sring(d)[at];
        uint16_t next = k + 1 < count ? d->free_id[--d->free_ids] : LAST;

        p->addr = indirect ? PAIR_TABLES + 16u * PAIR_SEGMENTS_MAX * id : pair_address(number, k);
        p->len = indirect ? 16 * segments : pair_length(number, k);
        p->flags = (uint16_t)((k > 0 ? VIRTQ_DESC_F_WRITE : 0) | (next != LAST ? VIRTQ_DESC_F_NEXT : 0) |
                              (indirect ? VIRTQ_DESC_F_INDIRECT : 0));
        p->next = next;
        d->id[at].next = next;
        at = next;
    }
    avail(d)->ring[d->next_avail % d->num] = id;
    d->next_avail++;
    barrier();
    avail(d)->idx = d->next_avail;
}

bool driver_add(struct driver *d, uint32_t number, unsigned segments, bool indirect)
{
    unsigned count = indirect ? 1 : segments;

    if (d->room < count) {
        return false;
    }
    uint16_t id = d->free_id[--d->free_ids];

    d->room -= count;
    d->id[id].busy = true;
    d->id[id].count = (uint16_t)count;
    d->id[id].number = number;
    if (indirect) {
        table_write(d, id, number, segments);
    }
    if (d->packed) {
        packed_add(d, id, number, segments, indirect);
        d->added = (uint16_t)(d->added + count);
    } else {
        split_add(d, id, number, segments, indirect);
        d->added++;
    }
    return true;
}

/* Did the index pass the event, in the last step from old to new? [virtio-1.2 2.7.7.2] */
static bool passed(uint16_t event, uint16_t new, uint16_t old)
{
    return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

bool driver_kick_prepare(struct driver *d)
{
    uint16_t new = d->next_avail, old = (uint16_t)(new - d->added);

    d->added = 0;
    fence();
    if (!d->packed) {
        return d->event_idx ? passed(*(volatile uint16_t *)&used(d)->ring[d->num], new, old)
                            : !(used(d)->flags & VIRTQ_USED_F_NO_NOTIFY);
    }
    uint32_t event = *(volatile uint32_t *)(d->ram + PAIR_USED);

    if (event >> 16 != VIRTQ_PEVENT_DESC) {
        return event >> 16 != VIRTQ_PEVENT_DISABLE;
    }
    uint16_t at = event & 0x7fff;

    if (((event & 0x8000) != 0) != d->avail_wrap) {
        at = (uint16_t)(at - d->num);
    }
    return passed(at, new, old);
}

/* --- taking --- */

bool driver_more_used(struct driver *d)
{
    if (!d->packed) {
        return used(d)->idx != d->last_used;
    }
    uint16_t flags = pring(d)[d->last_used].flags;
    bool a = (flags & 1u << 7) != 0, u = (flags & 1u << 15) != 0;

    return a == u && u == d->used_wrap;
}

static uint16_t packed_position(const struct driver *d)
{
    return (uint16_t)(d->last_used | (d->used_wrap ? 0x8000 : 0));
}

static void packed_advance(struct driver *d, unsigned count)
{
    d->last_used = (uint16_t)(d->last_used + count);
    if (d->last_used >= d->num) {
        d->last_used = (uint16_t)(d->last_used - d->num);
        d->used_wrap = !d->used_wrap;
    }
}

/* What the request held is used for something else. */
static void id_free(struct driver *d, uint16_t id)
{
    memset((uint8_t *)table_of(d, id), 0xee, 16 * PAIR_SEGMENTS_MAX);
    d->id[id].busy = false;
    d->room += d->id[id].count;
    for (uint16_t at = id, next; at != LAST; at = next) {
        next = d->packed ? LAST : d->id[at].next;
        d->free_id[d->free_ids++] = at;
    }
}

int driver_get(struct driver *d, uint32_t *number)
{
    if (!driver_more_used(d)) {
        return 0;
    }
    barrier();
    volatile struct virtq_used_elem *e = &used(d)->ring[d->last_used % d->num];
    uint32_t id = d->packed ? pring(d)[d->last_used].id : e->id;
    uint32_t len = d->packed ? pring(d)[d->last_used].len : e->len;

    if (id >= d->num || !d->id[id].busy || len != 1) {
        return -1;
    }
    *number = d->id[id].number;
    if (d->packed) {
        packed_advance(d, d->id[id].count);
    } else {
        d->last_used++;
    }
    id_free(d, (uint16_t)id);
    if (d->event_idx && !d->callback_off) { /* the next one is to interrupt */
        if (d->packed) {
            driver_event(d)->desc = packed_position(d);
        } else {
            *used_event(d) = d->last_used;
        }
        fence();
    }
    return 1;
}

/* An event index that is behind us gives no further interrupt: then there is nothing to switch off. */
void driver_callback_disable(struct driver *d)
{
    if (d->callback_off) {
        return;
    }
    d->callback_off = true;
    if (d->event_triggered) {
        return;
    }
    if (d->packed) {
        driver_event(d)->flags = VIRTQ_PEVENT_DISABLE;
    } else if (!d->event_idx) {
        avail(d)->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
    }
}

bool driver_callback_enable(struct driver *d)
{
    d->event_triggered = false;
    if (d->packed) {
        if (d->event_idx) {
            driver_event(d)->desc = packed_position(d);
            barrier();
        }
        if (d->callback_off) {
            driver_event(d)->flags = d->event_idx ? VIRTQ_PEVENT_DESC : VIRTQ_PEVENT_ENABLE;
        }
    } else if (d->event_idx) {
        *used_event(d) = d->last_used;
    } else if (d->callback_off) {
        avail(d)->flags = 0;
    }
    d->callback_off = false;
    fence();
    return !driver_more_used(d);
}

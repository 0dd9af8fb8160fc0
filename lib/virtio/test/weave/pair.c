// SPDX-License-Identifier: MIT
// The two sides and what they must keep: see pair.h. The driver's two formats are in driver.c.
#include "pair.h"

#include "driver.h"
#include "weave.h"
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define POINTS_PER_REQUEST 20000ul /* memory accesses; more is a livelock */

static void pair_fail(struct pair *p, const char *why)
{
    if (!p->error) {
        p->error = why;
    }
}

/* --- driver --- */

static void request_ended(struct pair *p, uint32_t number)
{
    if (!p->executed[number]) {
        pair_fail(p, "a request ended that was not executed");
    }
    p->ended++;
}

/* The handler of an operating system. */
static void driver_interrupt(struct pair *p)
{
    struct driver *d = &p->driver;
    uint32_t number;
    int got;

    if (!driver_more_used(d)) {
        return;
    }
    d->event_triggered = d->event_idx;
    do {
        driver_callback_disable(d);
        while ((got = driver_get(d, &number)) > 0) {
            request_ended(p, number);
        }
        if (got < 0) {
            pair_fail(p, "the device returned what it does not have");
        }
    } while (!p->error && !driver_callback_enable(d));
}

static void driver_submit(struct pair *p)
{
    struct driver *d = &p->driver;
    unsigned batch = 1 + weave_choose(4);

    while (batch-- > 0 && p->posted < p->c->requests) {
        bool indirect = p->c->indirect && (!p->c->direct || weave_choose(2));

        if (!driver_add(d, p->posted, pair_segments(p->posted, indirect || p->c->direct), indirect)) {
            break;
        }
        p->posted++;
    }
    if (driver_kick_prepare(d)) {
        weave_drain();
        p->kick = true;
    }
}

static void driver_run(void *ctx)
{
    struct pair *p = ctx;

    while (p->ended < p->c->requests && !p->error) {
        if (p->irq) {
            p->irq = false;
            driver_interrupt(p);
        } else if (p->posted < p->c->requests && p->driver.room > 0 && weave_choose(3)) {
            driver_submit(p);
        } else if (p->posted > p->ended) {
            weave_wait(&p->irq);
        }
    }
}

/* --- device --- */

struct held {
    uint32_t head, number;
    unsigned slot;
};

struct device {
    struct pair *p;
    struct vring vq;
    struct held held[PAIR_NUM_MAX];
    unsigned held_count;
    unsigned again; /* next slot of the record to look at */
    bool stalled;
    bool slot_used[INFLIGHT_SLOTS];
};

/* The request of a chain that has come out of the ring; the driver's own buffers are as they were written. */
static uint32_t chain_number(struct pair *p, const struct vring_seg *seg, int count, const struct vring_chain *c)
{
    uint64_t number = (seg[0].gpa - PAIR_DATA) / PAIR_DATA_STEP;
    bool right = number < p->posted && (count == 1 || (unsigned)count == pair_segments((uint32_t)number, true));

    for (int k = 0; right && k < count; k++) {
        right = seg[k].gpa == pair_address((uint32_t)number, (unsigned)k) &&
                seg[k].len == pair_length((uint32_t)number, (unsigned)k) && seg[k].write == (k > 0);
    }
    if (!right || c->readable != 1) {
        pair_fail(p, "the device took a chain that was not posted");
        return 0;
    }
    return (uint32_t)number;
}

static unsigned free_slot(struct device *d)
{
    unsigned slot = 0;

    while (d->slot_used[slot]) {
        slot++;
    }
    return slot;
}

/* Takes one chain: first what must be done again. Return: as vring_pop(). */
static int device_take_one(struct device *d)
{
    struct pair *p = d->p;
    struct vring_seg seg[8];
    struct vring_chain c;
    unsigned slot;
    int n;

    if (p->c->mortal && inflight_next(p->record, &d->again) && d->again < INFLIGHT_SLOTS && d->slot_used[d->again]) {
        slot = d->again++;
        n = inflight_again(p->record, slot, &d->vq, seg, ARRAY_SIZE(seg), &c);
    } else {
        d->again = INFLIGHT_SLOTS;
        slot = free_slot(d);
        n = vring_pop(&d->vq, seg, ARRAY_SIZE(seg), &c);
        if (n > 0 && p->c->mortal) {
            inflight_take(p->record, slot, &d->vq, &c);
        }
    }
    if (n > 0) {
        d->slot_used[slot] = true;
        d->held[d->held_count++] = (struct held){.head = c.head, .number = chain_number(p, seg, n, &c), .slot = slot};
    }
    return n;
}

static void device_take(struct device *d)
{
    int n;

    do {
        vring_kick_disable(&d->vq);
        while ((n = device_take_one(d)) > 0) {
            if (d->p->c->stalls && weave_choose(6) == 0) {
                d->stalled = true;
                return;
            }
        }
    } while (n == 0 && vring_kick_enable(&d->vq));
    if (n < 0) {
        pair_fail(d->p, vring_error(&d->vq));
    }
}

/* Ends some of the requests that it holds, in any order, and shows them. */
static void device_return(struct device *d)
{
    struct pair *p = d->p;
    unsigned count = weave_choose(d->held_count + 1), done[PAIR_NUM_MAX];

    for (unsigned i = 0; i < count; i++) {
        unsigned k = weave_choose(d->held_count);
        struct held h = d->held[k];

        d->held[k] = d->held[--d->held_count];
        p->executed[h.number] = true;
        vring_push(&d->vq, h.head, 1);
        if (p->c->mortal) {
            inflight_push(p->record, h.slot);
        }
        done[i] = h.slot;
    }
    if (p->c->mortal) {
        inflight_show(p->record, &d->vq);
    }
    if (vring_publish(&d->vq)) {
        weave_drain();
        p->irq = true;
    }
    for (unsigned i = 0; i < count; i++) {
        d->slot_used[done[i]] = false;
        if (p->c->mortal) {
            inflight_free(p->record, done[i]);
        }
    }
    if (p->c->mortal) {
        inflight_shown(p->record, &d->vq);
    }
}

static bool device_start(struct device *d)
{
    struct pair *p = d->p;
    struct vring_config cfg = p->cfg;
    int64_t err = p->c->mortal ? inflight_recover(p->record, &p->mem, &cfg) : SK_ENOENT;
    bool new = err == SK_ENOENT;

    if ((err && !new) || vring_init(&d->vq, &p->mem, &cfg)) {
        pair_fail(p, "the ring or its record is refused");
        return false;
    }
    d->again = INFLIGHT_SLOTS;
    if (new && p->c->mortal) {
        inflight_init(p->record, &d->vq);
    } else if (!new) {
        d->again = 0;
        for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
            d->slot_used[i] = p->record->slot[i].state == INFLIGHT_TAKEN;
        }
        p->irq = true;
    }
    return true;
}

static void device_run(void *ctx)
{
    struct device d = {.p = ctx};

    if (device_start(&d)) {
        device_take(&d);
    }
    while (!d.p->error) {
        if (d.held_count == 0 && !d.stalled) {
            weave_wait(&d.p->kick);
        }
        if (d.stalled ? weave_choose(2) == 0 : d.p->kick) {
            d.p->kick = d.stalled && d.p->kick; /* while it is stalled, a kick changes nothing */
            d.stalled = false;
            device_take(&d);
        }
        d.p->kick = d.p->kick && !d.stalled;
        device_return(&d);
    }
    d.p->irq = true;
    weave_wait(&d.p->never);
}

/* A kick that the dead one has not handled is lost. */
static void device_died(void *ctx)
{
    struct pair *p = ctx;

    p->kick = false;
    p->deaths++;
}

/* --- both --- */

static bool pair_init(struct pair *p, const struct pair_config *c)
{
    *p = (struct pair){.c = c, .ram = aligned_alloc(4096, PAIR_RAM), .executed = calloc(c->requests, 1)};
    if (!p->ram || !p->executed) {
        abort();
    }
    memset(p->ram, 0, PAIR_RAM);
    p->record = (void *)(p->ram + PAIR_RECORD);
    p->cfg = (struct vring_config){.num = c->num, .desc = PAIR_RING, .avail = PAIR_AVAIL, .used = PAIR_USED};
    p->cfg.base = c->packed ? VRING_BASE_PACKED : VRING_BASE_SPLIT;
    p->cfg.features = (c->packed ? VIRTIO_F_RING_PACKED : 0) | (c->indirect ? VIRTIO_F_INDIRECT_DESC : 0) |
                      (c->event_idx ? VIRTIO_F_EVENT_IDX : 0);
    driver_init(&p->driver, p->ram, c);
    gmem_init(&p->mem);
    return gmem_add(&p->mem, &(struct gmem_region){.size = PAIR_RAM, .host = p->ram}) == SK_OK;
}

const char *pair_run(const struct pair_config *c)
{
    struct pair p;

    if (!pair_init(&p, c)) {
        abort();
    }
    const struct weave_thread thread[WEAVE_THREADS] = {
        {.run = driver_run, .ctx = &p},
        {.run = device_run, .ctx = &p, .mortal = c->mortal, .died = device_died},
    };

    weave_memory(p.ram, PAIR_RAM);
    bool ended = weave_run(thread, POINTS_PER_REQUEST * c->requests);

    if (!ended && !p.error) {
        p.error = p.posted > p.ended ? "a notification or a request is lost: both sides wait" : "both sides wait";
    }
    free(p.ram);
    free(p.executed);
    return p.error;
}

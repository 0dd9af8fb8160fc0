// SPDX-License-Identifier: MIT
/* The local APIC's timer [SDM-3 11.5.4]: one-shot and periodic from a count of the divided bus clock, or TSC-deadline.
 * Periods below PERIOD_MIN_NS are stretched, so that a guest cannot keep the VMM busy with nothing else; missed periods
 * are dropped. */
#include "../cpu/tsc.h"
#include "lapic.h"
#include "lapic_priv.h"

#include <stddef.h>

#define PERIOD_MIN_NS 50000ull

enum timer_mode { MODE_ONE_SHOT = 0, MODE_PERIODIC = 1, MODE_DEADLINE = 2 };

static unsigned timer_mode(uint32_t lvt)
{
    return lvt >> 17 & 3;
}

/* By the divide configuration, bits 3, 1, 0; 111b divides by 1 [SDM-3 fig. 11-10] */
static uint64_t tick_ns(const struct lapic *l)
{
    unsigned d = (l->tdcr & 3) | (l->tdcr >> 1 & 4);

    return 1000000000u / LAPIC_BUS_HZ * (d == 7 ? 1 : 2ull << d);
}

static uint64_t timer_span_ns(const struct lapic *l)
{
    return l->tmict * tick_ns(l);
}

static void timer_fire(void *ctx)
{
    struct lapic *l = ctx;
    uint32_t lvt = l->lvt[LVT_TIMER];

    if (timer_mode(lvt) == MODE_PERIODIC && l->tmict != 0) {
        uint64_t period = timer_span_ns(l), now = clock_now_ns();
        period = period < PERIOD_MIN_NS ? PERIOD_MIN_NS : period;
        l->timer_start_ns += (now - l->timer_start_ns) / period * period;
        vtimer_set(&l->timer, l->timer_start_ns + period, timer_fire, l);
    }
    l->tsc_deadline = 0;
    if ((lvt & LVT_MASKED) == 0) {
        lapic_deliver(l->id, LAPIC_FIXED, lvt & 0xff, false);
    }
}

void lapic_timer_stop(struct lapic *l)
{
    vtimer_cancel(&l->timer);
    l->tmict = 0;
    l->tsc_deadline = 0;
}

void lapic_timer_start(struct lapic *l, uint32_t initial_count)
{
    if (timer_mode(l->lvt[LVT_TIMER]) >= MODE_DEADLINE) {
        return; /* ignored in TSC-deadline mode */
    }
    l->tmict = initial_count;
    l->timer_start_ns = clock_now_ns();
    if (initial_count == 0) {
        vtimer_cancel(&l->timer);
    } else {
        vtimer_set(&l->timer, l->timer_start_ns + timer_span_ns(l), timer_fire, l);
    }
}

void lapic_timer_divide(struct lapic *l, uint32_t tdcr)
{
    uint32_t left = lapic_timer_count(l);

    l->tdcr = tdcr;
    if (left != 0) {
        l->timer_start_ns = clock_now_ns() - (l->tmict - left) * tick_ns(l);
        vtimer_set(&l->timer, l->timer_start_ns + timer_span_ns(l), timer_fire, l);
    }
}

void lapic_timer_deadline(struct lapic *l, uint64_t tsc)
{
    if (timer_mode(l->lvt[LVT_TIMER]) != MODE_DEADLINE) {
        return;
    }
    l->tsc_deadline = tsc;
    if (tsc == 0) {
        vtimer_cancel(&l->timer);
    } else {
        vtimer_set(&l->timer, tsc_guest_to_ns(tsc), timer_fire, l);
    }
}

void lapic_timer_lvt_changed(struct lapic *l, uint32_t old)
{
    unsigned was = timer_mode(old), is = timer_mode(l->lvt[LVT_TIMER]);

    if (was != is && (was >= MODE_DEADLINE || is >= MODE_DEADLINE)) {
        lapic_timer_stop(l); /* changing to or from TSC-deadline disarms [SDM-3 11.5.4.1] */
    }
}

uint32_t lapic_timer_count(const struct lapic *l)
{
    uint64_t span = timer_span_ns(l), gone = clock_now_ns() - l->timer_start_ns;

    if (timer_mode(l->lvt[LVT_TIMER]) >= MODE_DEADLINE || span == 0) {
        return 0;
    }
    if (gone >= span) {
        if (timer_mode(l->lvt[LVT_TIMER]) == MODE_ONE_SHOT) {
            return 0;
        }
        gone %= span;
    }
    return (uint32_t)((span - gone) / tick_ns(l));
}

// SPDX-License-Identifier: MIT
/* Interrupt messages: who is meant by a destination, and the three ways to send one: the interrupt command register,
 * the IO-APIC and MSI. [SDM-3 11.6, 11.11, 11.12.9, 11.12.10] */
#include "../irq.h"
#include "../log.h"
#include "lapic.h"
#include "lapic_priv.h"

#include <util/bits.h>

#define ICR_LOGICAL BIT(11)
#define ICR_PENDING BIT(12)
#define ICR_ASSERT BIT(14)
#define ICR_LEVEL BIT(15)
#define DFR_FLAT 0xfu

enum shorthand { TO_DESTINATION, TO_SELF, TO_ALL, TO_OTHERS };

/* x2APIC: bits 31:16 the cluster of 16 ids, 15:0 a bit in it [11.12.10.2] */
uint32_t lapic_ldr(const struct lapic *l)
{
    return lapic_is_x2(l) ? (l->id >> 4) << 16 | 1u << (l->id & 15) : l->ldr;
}

static bool match_logical(const struct lapic *l, uint32_t dest)
{
    uint32_t ldr = lapic_ldr(l);

    if (lapic_is_x2(l)) {
        return dest == LAPIC_BROADCAST || (dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff) != 0);
    }
    ldr >>= 24;
    dest &= 0xff;
    if (l->dfr >> 28 == DFR_FLAT) {
        return (ldr & dest) != 0;
    }
    return (ldr >> 4 == dest >> 4 || dest >> 4 == 0xf) && (ldr & dest & 0xf) != 0;
}

uint32_t lapic_targets(uint32_t dest, bool logical)
{
    uint32_t set = 0;

    for (unsigned i = 0; i < vcpu_count; i++) {
        const struct lapic *l = &lapics[i];
        bool match = logical ? match_logical(l, dest) : dest == LAPIC_BROADCAST || dest == l->id;
        set |= (uint32_t)match << i;
    }
    return set;
}

/* Lowest priority: APICs that are switched off by software do not take part. */
static uint32_t arbitrate(uint32_t set)
{
    static unsigned last; /* equals take turns */
    unsigned best = VCPUS_MAX, best_priority = 0;

    for (unsigned n = 1; n <= vcpu_count; n++) {
        unsigned i = (last + n) % vcpu_count;
        unsigned priority = lapic_ppr(&lapics[i]) >> 4;
        bool candidate = (set >> i & 1) != 0 && (lapics[i].svr & SVR_ENABLE) != 0;
        if (candidate && (best == VCPUS_MAX || priority < best_priority)) {
            best = i;
            best_priority = priority;
        }
    }
    if (best == VCPUS_MAX) {
        return 0;
    }
    last = best;
    return 1u << best;
}

static void deliver_set(uint32_t set, const struct lapic_message *m)
{
    if (m->mode == LAPIC_LOWEST && (set & (set - 1)) != 0) {
        set = arbitrate(set);
    }
    for (; set != 0; set &= set - 1) {
        lapic_deliver((unsigned)__builtin_ctz(set), m->mode, m->vector, m->level);
    }
}

void lapic_send(const struct lapic_message *m)
{
    deliver_set(lapic_targets(m->dest, m->logical), m);
}

static uint32_t icr_targets(const struct lapic *l, uint64_t icr)
{
    uint32_t all = (1u << vcpu_count) - 1, self = 1u << l->id;

    switch ((enum shorthand)(icr >> 18 & 3)) {
    case TO_SELF:
        return self;
    case TO_ALL:
        return all;
    case TO_OTHERS:
        return all & ~self;
    default:
        return lapic_targets(lapic_is_x2(l) ? (uint32_t)(icr >> 32) : lapic_dest8((uint32_t)(icr >> 56)),
                             (icr & ICR_LOGICAL) != 0);
    }
}

void lapic_icr_write(struct lapic *l, uint64_t icr)
{
    const struct lapic_message m = {.mode = (enum lapic_delivery)(icr >> 8 & 7), .vector = icr & 0xff};
    bool deassert = (icr & (ICR_LEVEL | ICR_ASSERT)) == ICR_LEVEL;

    l->icr = icr & ~ICR_PENDING;
    if (m.mode <= LAPIC_LOWEST && m.vector < 16) {
        lapic_error(l, ESR_SEND_ILLEGAL);
    } else if (m.mode != LAPIC_INIT || !deassert) { /* INIT level de-assert does nothing any more [11.6.1] */
        deliver_set(icr_targets(l, icr), &m);
    }
}

/* [11.11: message address and data] */
void irq_msi(uint64_t address, uint32_t data)
{
    if ((address & ~0xfffffull) != LAPIC_BASE) {
        log_debug(LOG_IRQ, "message to 0x%llx is not for an APIC: dropped", (unsigned long long)address);
        return;
    }
    lapic_send(&(struct lapic_message){
        .dest = lapic_dest8((uint32_t)(address >> 12)),
        .logical = (address & BIT(2)) != 0,
        .mode = (enum lapic_delivery)(data >> 8 & 7),
        .vector = data & 0xff,
        .level = (data & BIT(15)) != 0,
    });
}

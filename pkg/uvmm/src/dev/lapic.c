// SPDX-License-Identifier: MIT
/* Local APICs: registers and priorities. Registers are numbered by their xAPIC offset / 16, which is the x2APIC MSR
 * minus 0x800. Messages between APICs are in lapic_ipi.c, the timer in lapic_timer.c. [SDM-3: Intel SDM vol. 3A, ch.
 * 11] */
#include "lapic.h"
#include "../bus.h"
#include "../irq.h"
#include "../log.h"
#include "ioapic.h"
#include "lapic_priv.h"

#include <string.h>
#include <util/bits.h>

struct lapic lapics[VCPUS_MAX];

#define BASE_BSP BIT(8)

static bool bit_get(const uint32_t *set, unsigned v)
{
    return (set[v / 32] >> (v % 32)) & 1;
}

static void bit_set(uint32_t *set, unsigned v, bool on)
{
    set[v / 32] = (set[v / 32] & ~(1u << (v % 32))) | (uint32_t)on << (v % 32);
}

static int bit_highest(const uint32_t *set)
{
    for (int i = 7; i >= 0; i--) {
        if (set[i] != 0) {
            return i * 32 + 31 - __builtin_clz(set[i]);
        }
    }
    return -1;
}

void lapic_error(struct lapic *l, uint32_t bit)
{
    l->esr_pending |= bit;
    /* An illegal vector in the error LVT itself ends here, not in recursion. */
    if ((l->lvt[LVT_ERROR] & LVT_MASKED) == 0 && (l->lvt[LVT_ERROR] & 0xff) >= 16) {
        lapic_deliver(l->id, LAPIC_FIXED, l->lvt[LVT_ERROR] & 0xff, false);
    }
}

static void deliver_fixed(struct lapic *l, uint8_t vector, bool level)
{
    if ((l->svr & SVR_ENABLE) == 0) {
        return;
    }
    if (vector < 16) {
        lapic_error(l, ESR_RECEIVE_ILLEGAL);
        return;
    }
    bit_set(l->tmr, vector, level);
    if (!bit_get(l->irr, vector)) {
        bit_set(l->irr, vector, true);
        vcpu_kick(l->id);
    }
}

void lapic_deliver(unsigned vcpu, enum lapic_delivery mode, uint8_t vector, bool level)
{
    struct lapic *l = &lapics[vcpu];

    if ((l->base & APIC_BASE_ENABLE) == 0) {
        return;
    }
    switch (mode) {
    case LAPIC_FIXED:
    case LAPIC_LOWEST:
        deliver_fixed(l, vector, level);
        return;
    case LAPIC_NMI:
        l->nmi = true;
        vcpu_kick(l->id);
        return;
    case LAPIC_INIT:
        vcpu_request_init(l->id);
        return;
    case LAPIC_STARTUP:
        vcpu_request_startup(l->id, vector);
        return;
    default: /* no SMI; ExtINT comes over LINT0 */
        return;
    }
}

bool lapic_nmi_take(void)
{
    struct lapic *l = lapic_this();
    bool n = l->nmi;

    l->nmi = false;
    return n;
}

uint32_t lapic_ppr(const struct lapic *l)
{
    int isrv = bit_highest(l->isr);
    uint32_t isr_class = isrv < 0 ? 0 : (uint32_t)isrv & 0xf0;

    return (l->tpr & 0xf0) >= isr_class ? l->tpr : isr_class;
}

int lapic_pending(void)
{
    struct lapic *l = lapic_this();
    int v = bit_highest(l->irr);

    if (v < 0 || (l->svr & SVR_ENABLE) == 0 || (v & 0xf0) <= (int)(lapic_ppr(l) & 0xf0)) {
        return -1;
    }
    return v;
}

void lapic_accept(int vector)
{
    struct lapic *l = lapic_this();

    bit_set(l->irr, (unsigned)vector, false);
    bit_set(l->isr, (unsigned)vector, true);
}

void lapic_eoi(void)
{
    struct lapic *l = lapic_this();
    int v = bit_highest(l->isr);

    if (v < 0) {
        return;
    }
    bit_set(l->isr, (unsigned)v, false);
    if (bit_get(l->tmr, (unsigned)v)) {
        ioapic_eoi((uint8_t)v);
    }
}

bool lapic_eoi_is_lazy(void)
{
    struct lapic *l = lapic_this();
    int v = bit_highest(l->isr);

    return v >= 0 && bit_highest(l->irr) < 0 && !bit_get(l->tmr, (unsigned)v);
}

bool lapic_takes_extint(void)
{
    struct lapic *l = lapic_this();
    uint32_t lint0 = l->lvt[LVT_LINT0];

    if ((l->base & APIC_BASE_ENABLE) == 0) {
        return true; /* LINT0 is then the processor's INTR pin [SDM-3 11.4.3] */
    }
    return (lint0 & LVT_MASKED) == 0 && (lint0 >> 8 & 7) == LAPIC_EXTINT;
}

/* Registers that read the same in both modes. false: no such register. */
static bool reg_read(struct lapic *l, unsigned reg, uint64_t *v)
{
    switch (reg) {
    case REG_ID:
        *v = lapic_is_x2(l) ? l->id : l->id << 24;
        return true;
    case REG_VERSION:
        *v = 0x14 | (LVT_COUNT - 1) << 16;
        return true;
    case REG_TPR:
        *v = l->tpr;
        return true;
    case REG_PPR:
        *v = lapic_ppr(l);
        return true;
    case REG_LDR:
        *v = lapic_ldr(l);
        return true;
    case REG_SVR:
        *v = l->svr;
        return true;
    case REG_ISR ... REG_ISR + 7:
        *v = l->isr[reg - REG_ISR];
        return true;
    case REG_TMR ... REG_TMR + 7:
        *v = l->tmr[reg - REG_TMR];
        return true;
    case REG_IRR ... REG_IRR + 7:
        *v = l->irr[reg - REG_IRR];
        return true;
    case REG_ESR:
        *v = l->esr;
        return true;
    case REG_LVT ... REG_LVT + LVT_COUNT - 1:
        *v = l->lvt[reg - REG_LVT];
        return true;
    case REG_TMICT:
        *v = l->tmict;
        return true;
    case REG_TMCCT:
        *v = lapic_timer_count(l);
        return true;
    case REG_TDCR:
        *v = l->tdcr;
        return true;
    default:
        return false;
    }
}

static void lvt_write(struct lapic *l, unsigned i, uint32_t v)
{
    static const uint32_t writable[LVT_COUNT] = {
        [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
        [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
    };
    uint32_t old = l->lvt[i];

    l->lvt[i] = v & (writable[i] | LVT_MASKED);
    if ((l->svr & SVR_ENABLE) == 0) {
        l->lvt[i] |= LVT_MASKED;
    }
    if (i == LVT_TIMER) {
        lapic_timer_lvt_changed(l, old);
    }
}

static void svr_write(struct lapic *l, uint32_t v)
{
    l->svr = v & 0x1ff;
    if ((v & SVR_ENABLE) == 0) {
        for (unsigned i = 0; i < LVT_COUNT; i++) {
            l->lvt[i] |= LVT_MASKED;
        }
    }
}

/* false: no such register, or read-only. */
static bool reg_write(struct lapic *l, unsigned reg, uint32_t v)
{
    switch (reg) {
    case REG_TPR:
        l->tpr = v & 0xff;
        return true;
    case REG_EOI:
        lapic_eoi();
        return true;
    case REG_SVR:
        svr_write(l, v);
        return true;
    case REG_ESR:
        l->esr = l->esr_pending;
        l->esr_pending = 0;
        return true;
    case REG_LVT ... REG_LVT + LVT_COUNT - 1:
        lvt_write(l, reg - REG_LVT, v);
        return true;
    case REG_TMICT:
        lapic_timer_start(l, v);
        return true;
    case REG_TDCR:
        lapic_timer_divide(l, v & 0xb);
        return true;
    default:
        return false;
    }
}

static bool xapic_write(struct lapic *l, unsigned reg, uint32_t v)
{
    switch (reg) {
    case REG_ID:
        return true; /* the id stays as it is */
    case REG_LDR:
        l->ldr = v & 0xff000000;
        return true;
    case REG_DFR:
        l->dfr = v | 0x0fffffff;
        return true;
    case REG_ICR:
        lapic_icr_write(l, (l->icr & ~0xffffffffull) | v);
        return true;
    case REG_ICR + 1:
        l->icr = (uint32_t)l->icr | (uint64_t)v << 32;
        return true;
    default:
        return reg_write(l, reg, v);
    }
}

static uint64_t xapic_read(struct lapic *l, unsigned reg)
{
    uint64_t v = 0;

    switch (reg) {
    case REG_DFR:
        return l->dfr;
    case REG_ICR:
        return (uint32_t)l->icr;
    case REG_ICR + 1:
        return l->icr >> 32;
    default:
        if (!reg_read(l, reg, &v)) {
            lapic_error(l, ESR_REGISTER);
        }
        return v;
    }
}

static uint64_t mmio_read(void *ctx, uint64_t off, unsigned width)
{
    struct lapic *l = lapic_this();

    (void)ctx;
    if ((l->base & APIC_BASE_ENABLE) == 0 || lapic_is_x2(l)) {
        return ~0ull;
    }
    /* Registers are 32 bits at 16-byte steps; narrower reads get their bytes, the gaps read 0. */
    uint64_t reg = xapic_read(l, (unsigned)off >> 4);
    return (off & 15) + width <= 4 || (off & 15) == 0 ? (reg & 0xffffffff) >> (8 * (off & 3)) : 0;
}

static void mmio_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    struct lapic *l = lapic_this();

    (void)ctx;
    if ((l->base & APIC_BASE_ENABLE) == 0 || lapic_is_x2(l) || (off & 15) != 0 || width < 4) {
        return;
    }
    if (!xapic_write(l, (unsigned)off >> 4, (uint32_t)value)) {
        lapic_error(l, ESR_REGISTER);
    }
}

static const struct bus_ops lapic_ops = {mmio_read, mmio_write};

int lapic_init(void)
{
    lapic_reset();
    return bus_mmio_add(LAPIC_BASE, 0x1000, &lapic_ops, NULL, "lapic");
}

/* All but the mode and the address. */
static void registers_reset(struct lapic *l)
{
    lapic_timer_stop(l);
    memset(l->isr, 0, sizeof(l->isr));
    memset(l->irr, 0, sizeof(l->irr));
    memset(l->tmr, 0, sizeof(l->tmr));
    l->svr = 0xff;
    l->tpr = l->ldr = l->esr = l->esr_pending = l->tdcr = 0;
    l->dfr = 0xffffffff;
    l->icr = 0;
    l->nmi = false;
    for (unsigned i = 0; i < LVT_COUNT; i++) {
        l->lvt[i] = LVT_MASKED;
    }
}

void lapic_reset(void)
{
    for (unsigned i = 0; i < VCPUS_MAX; i++) {
        struct lapic *l = &lapics[i];
        l->id = l->timer.queue = i;
        registers_reset(l);
        l->base = LAPIC_BASE | APIC_BASE_ENABLE | (i == 0 ? BASE_BSP : 0);
    }
}

void lapic_init_received(void)
{
    registers_reset(lapic_this());
}

void lapic_virtual_wire(void)
{
    lapics[0].svr = 0xff | SVR_ENABLE;
    lapics[0].lvt[LVT_LINT0] = LAPIC_EXTINT << 8;
    lapics[0].lvt[LVT_LINT1] = LAPIC_NMI << 8;
}

/* Transitions: disabled <-> xAPIC -> x2APIC -> disabled; all others fault [SDM-3 11.12.5]. The address is fixed. */
static bool base_write(struct lapic *l, uint64_t v)
{
    bool enable = (v & APIC_BASE_ENABLE) != 0, x2 = (v & APIC_BASE_X2APIC) != 0;

    if ((v & ~(APIC_BASE_ENABLE | APIC_BASE_X2APIC | BASE_BSP)) != LAPIC_BASE || (x2 && !enable)) {
        return false;
    }
    if ((lapic_is_x2(l) && enable && !x2) || (x2 && (l->base & APIC_BASE_ENABLE) == 0)) {
        return false;
    }
    if (!enable && (l->base & APIC_BASE_ENABLE) != 0) {
        registers_reset(l);
    }
    l->base = (v & ~BASE_BSP) | (l->id == 0 ? BASE_BSP : 0);
    return true;
}

static bool x2_write(struct lapic *l, unsigned reg, uint64_t v)
{
    switch (reg) {
    case REG_ICR:
        lapic_icr_write(l, v);
        return true;
    case REG_SELF_IPI:
        if ((v >> 8) == 0) {
            lapic_deliver(l->id, LAPIC_FIXED, (uint8_t)v, false);
        }
        return (v >> 8) == 0;
    case REG_EOI:
    case REG_ESR:
        return v == 0 && reg_write(l, reg, 0);
    default:
        return (v >> 32) == 0 && reg_write(l, reg, (uint32_t)v);
    }
}

bool lapic_msr_read(uint32_t msr, uint64_t *value)
{
    struct lapic *l = lapic_this();

    if (msr == MSR_APIC_BASE) {
        *value = l->base;
        return true;
    }
    if (msr == MSR_TSC_DEADLINE) {
        *value = l->tsc_deadline;
        return true;
    }
    unsigned reg = msr - MSR_X2APIC_FIRST;
    if (!lapic_is_x2(l) || reg > 0xff) {
        return false;
    }
    if (reg == REG_ICR) {
        *value = l->icr;
        return true;
    }
    return reg_read(l, reg, value);
}

bool lapic_msr_write(uint32_t msr, uint64_t value)
{
    struct lapic *l = lapic_this();

    if (msr == MSR_APIC_BASE) {
        return base_write(l, value);
    }
    if (msr == MSR_TSC_DEADLINE) {
        lapic_timer_deadline(l, value);
        return true;
    }
    unsigned reg = msr - MSR_X2APIC_FIRST;
    return lapic_is_x2(l) && reg <= 0xff && x2_write(l, reg, value);
}

uint8_t lapic_cr8_read(void)
{
    return (uint8_t)(lapic_this()->tpr >> 4);
}

void lapic_cr8_write(uint8_t v)
{
    lapic_this()->tpr = (uint32_t)(v & 15) << 4;
}

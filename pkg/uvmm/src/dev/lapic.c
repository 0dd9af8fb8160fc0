// SPDX-License-Identifier: MIT
/* Local APIC: registers, priorities and messages. Registers are numbered by their xAPIC offset / 16, which is the
 * x2APIC MSR minus 0x800. The timer is in lapic_timer.c. [SDM-3: Intel SDM vol. 3A, ch. 11] */
#include "lapic.h"
#include "../bus.h"
#include "../irq.h"
#include "../log.h"
#include "ioapic.h"
#include "lapic_priv.h"

#include <string.h>
#include <util/bits.h>

struct lapic lapic;

#define BASE_BSP BIT(8)
#define BASE_X2APIC BIT(10)
#define BASE_ENABLE BIT(11)

#define SVR_ENABLE BIT(8)

#define ESR_SEND_ILLEGAL BIT(5)
#define ESR_RECEIVE_ILLEGAL BIT(6)
#define ESR_REGISTER BIT(7)

static bool is_x2(void)
{
    return (lapic.base & BASE_X2APIC) != 0;
}

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

static void lapic_error(uint32_t bit)
{
    lapic.esr_pending |= bit;
    /* An illegal vector in the error LVT itself ends here, not in recursion. */
    if ((lapic.lvt[LVT_ERROR] & LVT_MASKED) == 0 && (lapic.lvt[LVT_ERROR] & 0xff) >= 16) {
        lapic_deliver(LAPIC_FIXED, lapic.lvt[LVT_ERROR] & 0xff, false);
    }
}

void lapic_deliver(enum lapic_delivery mode, uint8_t vector, bool level)
{
    if ((lapic.base & BASE_ENABLE) == 0) {
        return;
    }
    switch (mode) {
    case LAPIC_FIXED:
    case LAPIC_LOWEST:
        if ((lapic.svr & SVR_ENABLE) == 0) {
            return;
        }
        if (vector < 16) {
            lapic_error(ESR_RECEIVE_ILLEGAL);
            return;
        }
        bit_set(lapic.tmr, vector, level);
        bit_set(lapic.irr, vector, true);
        return;
    case LAPIC_NMI: lapic.nmi = true; return;
    default: /* SMI, INIT and start-up have no meaning for the only processor; ExtINT comes over LINT0 */ return;
    }
}

bool lapic_nmi_take(void)
{
    bool n = lapic.nmi;

    lapic.nmi = false;
    return n;
}

bool lapic_match(uint32_t dest, bool logical)
{
    if (!logical) {
        return dest == 0 || dest == (is_x2() ? 0xffffffffu : 0xffu) || dest == 0xff;
    }
    if (is_x2()) {
        return dest == 0xff || ((dest >> 16) == 0 && (dest & 1) != 0);
    }
    uint32_t ldr = lapic.ldr >> 24;
    if ((lapic.dfr >> 28) == 0xf) {
        return (ldr & dest) != 0;
    }
    return (ldr >> 4 == (dest >> 4 & 0xf) || (dest >> 4 & 0xf) == 0xf) && (ldr & dest & 0xf) != 0;
}

static uint32_t lapic_ppr(void)
{
    int isrv = bit_highest(lapic.isr);
    uint32_t isr_class = isrv < 0 ? 0 : (uint32_t)isrv & 0xf0;

    return (lapic.tpr & 0xf0) >= isr_class ? lapic.tpr : isr_class;
}

int lapic_pending(void)
{
    int v = bit_highest(lapic.irr);

    if (v < 0 || (lapic.svr & SVR_ENABLE) == 0 || (v & 0xf0) <= (int)(lapic_ppr() & 0xf0)) {
        return -1;
    }
    return v;
}

void lapic_accept(int vector)
{
    bit_set(lapic.irr, (unsigned)vector, false);
    bit_set(lapic.isr, (unsigned)vector, true);
}

void lapic_eoi(void)
{
    int v = bit_highest(lapic.isr);

    if (v < 0) {
        return;
    }
    bit_set(lapic.isr, (unsigned)v, false);
    if (bit_get(lapic.tmr, (unsigned)v)) {
        ioapic_eoi((uint8_t)v);
    }
}

bool lapic_any_in_service(void)
{
    return bit_highest(lapic.isr) >= 0;
}

bool lapic_eoi_is_lazy(void)
{
    int v = bit_highest(lapic.isr);

    return v >= 0 && bit_highest(lapic.irr) < 0 && !bit_get(lapic.tmr, (unsigned)v);
}

bool lapic_takes_extint(void)
{
    uint32_t l = lapic.lvt[LVT_LINT0];

    if ((lapic.base & BASE_ENABLE) == 0) {
        return true; /* LINT0 is then the processor's INTR pin [SDM-3 11.4.3] */
    }
    return (l & LVT_MASKED) == 0 && (l >> 8 & 7) == LAPIC_EXTINT;
}

static void icr_write(uint64_t icr)
{
    uint32_t low = (uint32_t)icr;
    uint32_t dest = is_x2() ? (uint32_t)(icr >> 32) : (uint32_t)(icr >> 56);
    unsigned shorthand = low >> 18 & 3;
    bool us = shorthand == 1 || shorthand == 2 || (shorthand == 0 && lapic_match(dest, (low & BIT(11)) != 0));
    unsigned mode = low >> 8 & 7;

    lapic.icr = icr & ~BIT(12);
    if (mode <= LAPIC_LOWEST && (low & 0xff) < 16) {
        lapic_error(ESR_SEND_ILLEGAL);
    } else if (us) {
        lapic_deliver((enum lapic_delivery)mode, low & 0xff, false);
    }
}

/* Registers that read the same in both modes. false: no such register. */
static bool reg_read(unsigned reg, uint64_t *v)
{
    switch (reg) {
    case REG_ID: *v = 0; return true;
    case REG_VERSION: *v = 0x14 | (LVT_COUNT - 1) << 16; return true;
    case REG_TPR: *v = lapic.tpr; return true;
    case REG_PPR: *v = lapic_ppr(); return true;
    case REG_LDR: *v = is_x2() ? 1 : lapic.ldr; return true;
    case REG_SVR: *v = lapic.svr; return true;
    case REG_ISR ... REG_ISR + 7: *v = lapic.isr[reg - REG_ISR]; return true;
    case REG_TMR ... REG_TMR + 7: *v = lapic.tmr[reg - REG_TMR]; return true;
    case REG_IRR ... REG_IRR + 7: *v = lapic.irr[reg - REG_IRR]; return true;
    case REG_ESR: *v = lapic.esr; return true;
    case REG_LVT ... REG_LVT + LVT_COUNT - 1: *v = lapic.lvt[reg - REG_LVT]; return true;
    case REG_TMICT: *v = lapic.tmict; return true;
    case REG_TMCCT: *v = lapic_timer_count(); return true;
    case REG_TDCR: *v = lapic.tdcr; return true;
    default: return false;
    }
}

static void lvt_write(unsigned i, uint32_t v)
{
    static const uint32_t writable[LVT_COUNT] = {
        [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
        [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
    };
    uint32_t old = lapic.lvt[i];

    lapic.lvt[i] = v & (writable[i] | LVT_MASKED);
    if ((lapic.svr & SVR_ENABLE) == 0) {
        lapic.lvt[i] |= LVT_MASKED;
    }
    if (i == LVT_TIMER) {
        lapic_timer_lvt_changed(old);
    }
}

static void svr_write(uint32_t v)
{
    lapic.svr = v & 0x1ff;
    if ((v & SVR_ENABLE) == 0) {
        for (unsigned i = 0; i < LVT_COUNT; i++) {
            lapic.lvt[i] |= LVT_MASKED;
        }
    }
}

/* false: no such register, or read-only. */
static bool reg_write(unsigned reg, uint32_t v)
{
    switch (reg) {
    case REG_TPR: lapic.tpr = v & 0xff; return true;
    case REG_EOI: lapic_eoi(); return true;
    case REG_SVR: svr_write(v); return true;
    case REG_ESR:
        lapic.esr = lapic.esr_pending;
        lapic.esr_pending = 0;
        return true;
    case REG_LVT ... REG_LVT + LVT_COUNT - 1: lvt_write(reg - REG_LVT, v); return true;
    case REG_TMICT: lapic_timer_start(v); return true;
    case REG_TDCR: lapic_timer_divide(v & 0xb); return true;
    default: return false;
    }
}

static bool xapic_write(unsigned reg, uint32_t v)
{
    switch (reg) {
    case REG_ID: return true; /* one processor: the id stays 0 */
    case REG_LDR: lapic.ldr = v & 0xff000000; return true;
    case REG_DFR: lapic.dfr = v | 0x0fffffff; return true;
    case REG_ICR: icr_write((lapic.icr & ~0xffffffffull) | v); return true;
    case REG_ICR + 1: lapic.icr = (uint32_t)lapic.icr | (uint64_t)v << 32; return true;
    default: return reg_write(reg, v);
    }
}

static uint64_t xapic_read(unsigned reg)
{
    uint64_t v = 0;

    switch (reg) {
    case REG_DFR: return lapic.dfr;
    case REG_ICR: return (uint32_t)lapic.icr;
    case REG_ICR + 1: return lapic.icr >> 32;
    default:
        if (!reg_read(reg, &v)) {
            lapic_error(ESR_REGISTER);
        }
        return v;
    }
}

static uint64_t mmio_read(void *ctx, uint64_t off, unsigned width)
{
    (void)ctx;
    if ((lapic.base & BASE_ENABLE) == 0 || is_x2()) {
        return ~0ull;
    }
    /* Registers are 32 bits at 16-byte steps; narrower reads get their bytes, the gaps read 0. */
    uint64_t reg = xapic_read((unsigned)off >> 4);
    return (off & 15) + width <= 4 || (off & 15) == 0 ? (reg & 0xffffffff) >> (8 * (off & 3)) : 0;
}

static void mmio_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)ctx;
    if ((lapic.base & BASE_ENABLE) == 0 || is_x2() || (off & 15) != 0 || width < 4) {
        return;
    }
    if (!xapic_write((unsigned)off >> 4, (uint32_t)value)) {
        lapic_error(ESR_REGISTER);
    }
}

static const struct bus_ops lapic_ops = {mmio_read, mmio_write};

int lapic_init(void)
{
    lapic_reset();
    return bus_mmio_add(LAPIC_BASE, 0x1000, &lapic_ops, NULL, "lapic");
}

void lapic_reset(void)
{
    lapic_timer_stop();
    memset(lapic.isr, 0, sizeof(lapic.isr));
    memset(lapic.irr, 0, sizeof(lapic.irr));
    memset(lapic.tmr, 0, sizeof(lapic.tmr));
    lapic.base = LAPIC_BASE | BASE_ENABLE | BASE_BSP;
    lapic.svr = 0xff;
    lapic.tpr = lapic.ldr = lapic.esr = lapic.esr_pending = lapic.tdcr = 0;
    lapic.dfr = 0xffffffff;
    lapic.icr = 0;
    lapic.nmi = false;
    for (unsigned i = 0; i < LVT_COUNT; i++) {
        lapic.lvt[i] = LVT_MASKED;
    }
}

void lapic_virtual_wire(void)
{
    lapic.svr = 0xff | SVR_ENABLE;
    lapic.lvt[LVT_LINT0] = LAPIC_EXTINT << 8;
    lapic.lvt[LVT_LINT1] = LAPIC_NMI << 8;
}

/* Transitions: disabled <-> xAPIC -> x2APIC -> disabled; all others fault [SDM-3 11.12.5]. The address is fixed. */
static bool base_write(uint64_t v)
{
    bool enable = (v & BASE_ENABLE) != 0, x2 = (v & BASE_X2APIC) != 0;

    if ((v & ~(BASE_ENABLE | BASE_X2APIC | BASE_BSP)) != LAPIC_BASE || (x2 && !enable)) {
        return false;
    }
    if ((is_x2() && enable && !x2) || (x2 && (lapic.base & BASE_ENABLE) == 0)) {
        return false;
    }
    if (!enable && (lapic.base & BASE_ENABLE) != 0) {
        lapic_reset();
    }
    lapic.base = (v & ~BASE_BSP) | BASE_BSP;
    return true;
}

static bool x2_write(unsigned reg, uint64_t v)
{
    switch (reg) {
    case REG_ICR: icr_write(v); return true;
    case REG_SELF_IPI:
        if ((v >> 8) == 0) {
            lapic_deliver(LAPIC_FIXED, (uint8_t)v, false);
        }
        return (v >> 8) == 0;
    case REG_EOI:
    case REG_ESR: return v == 0 && reg_write(reg, 0);
    default: return (v >> 32) == 0 && reg_write(reg, (uint32_t)v);
    }
}

bool lapic_msr_read(uint32_t msr, uint64_t *value)
{
    if (msr == MSR_APIC_BASE) {
        *value = lapic.base;
        return true;
    }
    if (msr == MSR_TSC_DEADLINE) {
        *value = lapic.tsc_deadline;
        return true;
    }
    unsigned reg = msr - MSR_X2APIC_FIRST;
    if (!is_x2() || reg > 0xff) {
        return false;
    }
    if (reg == REG_ICR) {
        *value = lapic.icr;
        return true;
    }
    return reg_read(reg, value);
}

bool lapic_msr_write(uint32_t msr, uint64_t value)
{
    if (msr == MSR_APIC_BASE) {
        return base_write(value);
    }
    if (msr == MSR_TSC_DEADLINE) {
        lapic_timer_deadline(value);
        return true;
    }
    unsigned reg = msr - MSR_X2APIC_FIRST;
    return is_x2() && reg <= 0xff && x2_write(reg, value);
}

uint8_t lapic_cr8_read(void)
{
    return (uint8_t)(lapic.tpr >> 4);
}

void lapic_cr8_write(uint8_t v)
{
    lapic.tpr = (uint32_t)(v & 15) << 4;
}

/* [SDM-3 11.11: message address and data] */
void irq_msi(uint64_t address, uint32_t data)
{
    if ((address & ~0xfffffull) != LAPIC_BASE) {
        log_debug(LOG_IRQ, "message to 0x%llx is not for an APIC: dropped", (unsigned long long)address);
        return;
    }
    if (lapic_match(address >> 12 & 0xff, (address & BIT(2)) != 0)) {
        lapic_deliver((enum lapic_delivery)(data >> 8 & 7), data & 0xff, (data & BIT(15)) != 0);
    }
}

// SPDX-License-Identifier: MIT
// Shared by lapic.c, lapic_ipi.c and lapic_timer.c: registers and state.
#pragma once

#include "../smp.h"
#include "../timer.h"

#include <stdbool.h>
#include <stdint.h>

/* Register numbers: xAPIC offset / 16 = x2APIC MSR - 0x800 [SDM-3 tables 11-1, 11-6] */
enum lapic_reg {
    REG_ID = 0x02,
    REG_VERSION = 0x03,
    REG_TPR = 0x08,
    REG_PPR = 0x0a,
    REG_EOI = 0x0b,
    REG_LDR = 0x0d,
    REG_DFR = 0x0e,
    REG_SVR = 0x0f,
    REG_ISR = 0x10,
    REG_TMR = 0x18,
    REG_IRR = 0x20,
    REG_ESR = 0x28,
    REG_ICR = 0x30,
    REG_LVT = 0x32,
    REG_TMICT = 0x38,
    REG_TMCCT = 0x39,
    REG_TDCR = 0x3e,
    REG_SELF_IPI = 0x3f,
};

/* Local vector table, in register order from REG_LVT. */
enum lapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };
#define LVT_MASKED (1u << 16)

struct lapic {
    unsigned id;
    uint64_t base, icr, tsc_deadline;
    uint32_t tpr, ldr, dfr, svr, esr, esr_pending, tmict, tdcr;
    uint32_t isr[8], tmr[8], irr[8], lvt[LVT_COUNT];
    bool nmi;
    struct vtimer timer;
    uint64_t timer_start_ns; /* of the running count */
};

#define SVR_ENABLE (1u << 8)
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)

#define ESR_SEND_ILLEGAL (1u << 5)
#define ESR_RECEIVE_ILLEGAL (1u << 6)
#define ESR_REGISTER (1u << 7)

extern struct lapic lapics[VCPUS_MAX];
static inline struct lapic *lapic_this(void)
{
    return &lapics[vcpu_this];
}
static inline bool lapic_is_x2(const struct lapic *l)
{
    return (l->base & APIC_BASE_X2APIC) != 0;
}

/* Processor priority: the class that interrupts must exceed. */
uint32_t lapic_ppr(const struct lapic *l);
void lapic_error(struct lapic *l, uint32_t bit);
/* Logical destination register as its mode shows it. */
uint32_t lapic_ldr(const struct lapic *l);
/* The interrupt command register was written. */
void lapic_icr_write(struct lapic *l, uint64_t icr);

void lapic_timer_stop(struct lapic *l);
void lapic_timer_start(struct lapic *l, uint32_t initial_count);
void lapic_timer_divide(struct lapic *l, uint32_t tdcr);
void lapic_timer_deadline(struct lapic *l, uint64_t tsc);
/* The timer's LVT was written; old: its value before. */
void lapic_timer_lvt_changed(struct lapic *l, uint32_t old);
uint32_t lapic_timer_count(const struct lapic *l);

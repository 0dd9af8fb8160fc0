// SPDX-License-Identifier: MIT
/* The local APIC, by memory or by MSR. Document: [SDM-3] 12.4 (xAPIC), 12.5.4 (timer), 12.12 (x2APIC). */
#include "apic.h"

#include "cpu.h"
#include "paging.h"
#include "trap.h"

#include <kernel/log.h>

/* Register offsets [SDM-3 table 12-1]; an x2APIC MSR is 0x800 + offset / 16. */
#define APIC_ID          0x020
#define APIC_VERSION     0x030
#define APIC_TPR         0x080
#define APIC_EOI         0x0b0
#define APIC_SVR         0x0f0
#define APIC_IRR         0x200
#define APIC_ICR         0x300
#define APIC_ICR_HIGH    0x310
#define APIC_LVT_TIMER   0x320
#define APIC_LVT_THERMAL 0x330
#define APIC_LVT_PMC     0x340
#define APIC_LVT_LINT0   0x350
#define APIC_LVT_LINT1   0x360
#define APIC_LVT_ERROR   0x370
#define APIC_TIMER_INIT  0x380
#define APIC_TIMER_CUR   0x390
#define APIC_TIMER_DIV   0x3e0
#define APIC_SVR_ENABLE  BIT(8)
#define APIC_ICR_PENDING BIT(12)
#define APIC_ICR_WAIT    100000 /* reads; the local bus takes microseconds */
#define APIC_LVT_NMI     FIELD(10, 10)
#define APIC_LVT_MASKED  BIT(16)
#define APIC_LVT_TSC_DEADLINE FIELD(18, 18)
#define APIC_TIMER_DIV_16 3u
#define APIC_BASE_ENABLE BIT(11)
#define APIC_BASE_X2APIC BIT(10)

static volatile uint32_t *xapic; /* NULL: x2APIC */

static uint32_t apic_read(unsigned reg)
{
    return xapic ? xapic[reg / 4] : (uint32_t)msr_read(MSR_X2APIC + reg / 16);
}

static void apic_write(unsigned reg, uint64_t v)
{
    if (xapic) {
        xapic[reg / 4] = (uint32_t)v;
    } else {
        msr_write(MSR_X2APIC + reg / 16, (uint32_t)v);
    }
}

bool apic_is_x2apic(void) { return xapic == NULL; }
uint32_t apic_id(void) { return xapic ? apic_read(APIC_ID) >> 24 : apic_read(APIC_ID); }
void apic_eoi(void) { apic_write(APIC_EOI, 0); }
void apic_look_again(void) { apic_write(APIC_TPR, 0); }
void apic_timer_set(uint32_t ticks) { apic_write(APIC_TIMER_INIT, ticks); }
uint32_t apic_timer_current(void) { return apic_read(APIC_TIMER_CUR); }
bool apic_timer_pending(void) { return apic_read(APIC_IRR + VECTOR_TIMER / 32 * 16) >> VECTOR_TIMER % 32 & 1; }
void apic_timer_use_count(void) { apic_write(APIC_LVT_TIMER, VECTOR_TIMER); }
void apic_timer_use_deadline(void)
{
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER | APIC_LVT_TSC_DEADLINE);
    asm volatile("mfence" : : : "memory"); /* before the first deadline, with xAPIC [SDM-3 12.5.4.1] */
}

/* [SDM-3 12.6.1, 12.12.9] Writing the low half sends. */
void apic_send(uint32_t id, uint32_t command)
{
    if (!xapic) {
        msr_write(MSR_X2APIC + APIC_ICR / 16, (uint64_t)id << 32 | command);
        return;
    }
    for (unsigned i = 0; (apic_read(APIC_ICR) & APIC_ICR_PENDING) && i < APIC_ICR_WAIT; i++) {
        cpu_relax();
    }
    apic_write(APIC_ICR_HIGH, (uint64_t)id << 24);
    apic_write(APIC_ICR, command);
}

void apic_init(uint64_t lapic)
{
    uint64_t base = msr_read(MSR_APIC_BASE);
    if (!(cpuid(1, 0).ecx & BIT(21))) {
        uint64_t pa = base & FIELD(51, 12);
        if (lapic && lapic != pa) {
            kprintf("kernel: local APIC: ACPI says %lx, the processor %lx; using the processor's\n", lapic, pa);
        }
        xapic = mmio_map(pa, PAGE_SIZE);
    }
    apic_cpu_init();
}

void apic_cpu_init(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE);
    msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    if (!xapic) {
        msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    }
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
    apic_write(APIC_LVT_LINT1, APIC_LVT_NMI);
    apic_write(APIC_LVT_ERROR, VECTOR_ERROR);
    unsigned lvts = apic_read(APIC_VERSION) >> 16 & 0xff;
    if (lvts >= 4) {
        apic_write(APIC_LVT_PMC, APIC_LVT_MASKED);
    }
    if (lvts >= 5) {
        apic_write(APIC_LVT_THERMAL, APIC_LVT_MASKED);
    }
    apic_write(APIC_TIMER_DIV, APIC_TIMER_DIV_16);
    apic_write(APIC_TIMER_INIT, 0);
    apic_timer_use_count();
    for (int i = 0; i < 256; i++) { /* what firmware left in service */
        apic_eoi();
    }
}

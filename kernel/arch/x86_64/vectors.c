// SPDX-License-Identifier: MIT
/* Interrupt vectors 0x30 to 0xef: allocation and dispatch. A vector belongs to one interrupt line or one MSI. BKL. */
#include "apic.h"
#include "cpu.h"
#include "smp.h"
#include "time.h"
#include "trap.h"

#include <kernel/core.h>
#include <kernel/log.h>

/* MSI address and data: fixed delivery, physical destination, edge. [SDM-3 12.11] */
#define MSI_ADDRESS(id) (0xfee00000ull | (uint64_t)(id) << 12)

static struct irq_target *targets[256];
static uint64_t count_spurious, count_unknown, count_pic, count_error;

unsigned vector_alloc(struct irq_target *t)
{
    for (unsigned v = VECTOR_FIRST; v <= VECTOR_LAST; v++) {
        if (!targets[v]) {
            targets[v] = t;
            return v;
        }
    }
    return 0;
}

void vector_free(unsigned vector) { targets[vector] = NULL; }

unsigned irq_vectors_free(void)
{
    unsigned n = 0;
    for (unsigned v = VECTOR_FIRST; v <= VECTOR_LAST; v++) {
        n += targets[v] == NULL;
    }
    return n;
}

int irq_msi_attach(struct irq_target *t, unsigned cpu, uint32_t *data, uint64_t *address, unsigned *vector)
{
    uint32_t id = cpus[cpu]->apic_id;
    unsigned v = id <= 0xff ? vector_alloc(t) : 0;
    if (!v) {
        return SK_ENODEV;
    }
    *vector = v;
    *data = v;
    *address = MSI_ADDRESS(id);
    return SK_OK;
}

void irq_msi_detach(unsigned vector) { vector_free(vector); }

void irq_dispatch(unsigned vector)
{
    if (vector == VECTOR_IPI) { /* what it is for happened when the BKL was taken, or happens in core_next() */
        apic_eoi();
        return;
    }
    core_stat.interrupts++;
    if (vector == VECTOR_TIMER) {
        apic_eoi();
        time_interrupt();
        return;
    }
    if (targets[vector]) {
        struct irq_target *t = targets[vector];
        t->fire(t);
        apic_eoi();
        return;
    }
    if (vector == VECTOR_SPURIOUS) { /* no EOI [SDM-3 12.9] */
        count_spurious++;
    } else if (vector < VECTOR_FIRST) { /* nor for the PICs: they are masked, it is not in service */
        count_pic++;
    } else {
        /* A vector that was freed with its interrupt on the way, or a device that sends what nobody gave it. */
        vector == VECTOR_ERROR ? count_error++ : count_unknown++;
        apic_eoi();
    }
}

void irq_debug_print(void)
{
    ioapic_debug_print();
    kprintf("  vectors free: %u; spurious: %lu; unknown: %lu; from the PICs: %lu; APIC errors: %lu\n",
            irq_vectors_free(), count_spurious, count_unknown, count_pic, count_error);
}

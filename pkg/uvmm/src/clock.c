// SPDX-License-Identifier: MIT
// The clock: kernel's nanoseconds, time of day, and the guest's TSC on them.
#include "cpu/tsc.h"
#include "timer.h"
#include "vcpu.h"

#include <sk/sys.h>
#include <stdlib.h>

uint64_t clock_now_ns(void)
{
    return sys_now_ns();
}

/* moe has read the PC's clock. */
uint64_t clock_epoch(void)
{
    const char *text = getenv("SKERRY_EPOCH");

    return text ? strtoull(text, NULL, 10) : 0;
}

static uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

uint64_t tsc_guest_now(void)
{
    return rdtsc() + cpu->state->tsc_offset;
}

uint64_t tsc_guest_to_ns(uint64_t guest_tsc)
{
    const struct kinfo *k = sys_kinfo();
    int64_t tsc = (int64_t)(guest_tsc - cpu->state->tsc_offset - k->tsc_base);

    if (tsc < 0) {
        return 0;
    }
    unsigned __int128 ns = ((unsigned __int128)(uint64_t)tsc * k->tsc_mult) >> k->tsc_shift;
    return ns + 1 >= VTIMER_NEVER ? VTIMER_NEVER - 1 : (uint64_t)ns + 1; /* rounded up: never early */
}

void tsc_start(void)
{
    uint64_t offset = 0 - rdtsc();

    for (unsigned i = 0; i < vcpu_count; i++) {
        vcpus[i].state->tsc_offset = offset;
        vcpus[i].state->dirty |= VCPU_GROUP_TSC;
    }
}

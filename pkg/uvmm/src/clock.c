// SPDX-License-Identifier: MIT
// The clock: kernel's nanoseconds, time of day, and the guest's TSC on them.
#include "cpu/tsc.h"
#include "log.h"
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

static uint64_t ratio = VCPU_TSC_RATIO_1; /* as the vcpus' tsc_ratio */

int tsc_scale(uint64_t khz)
{
    const struct kinfo *k = sys_kinfo();
    uint64_t host_khz = k->tsc_hz / 1000;

    ratio = khz == host_khz ? VCPU_TSC_RATIO_1 : (uint64_t)(((unsigned __int128)khz * 1000 << 32) / k->tsc_hz);
    if (ratio != VCPU_TSC_RATIO_1 && (k->vm_features & VM_FEAT_TSC_SCALE) == 0) {
        log_error(
            LOG_BOOT,
            "--tsc-khz %llu: this processor cannot scale a guest's TSC, which has its %llu kHz; leave the option out",
            (unsigned long long)khz, (unsigned long long)host_khz);
        return -1;
    }
    if (ratio < VCPU_TSC_RATIO_1 >> 8 || ratio >= VCPU_TSC_RATIO_1 << 8) {
        log_error(LOG_BOOT,
                  "--tsc-khz %llu: less than 1/256 or more than 256 times the processor's %llu kHz; give another",
                  (unsigned long long)khz, (unsigned long long)host_khz);
        return -1;
    }
    return 0;
}

uint64_t tsc_guest_hz(void)
{
    return (uint64_t)((unsigned __int128)sys_kinfo()->tsc_hz * ratio >> 32);
}

/* Before the offset is added. */
static uint64_t tsc_scaled(void)
{
    return (uint64_t)((unsigned __int128)rdtsc() * ratio >> 32);
}

uint64_t tsc_guest_now(void)
{
    return tsc_scaled() + cpu->state->tsc_offset;
}

uint64_t tsc_guest_to_ns(uint64_t guest_tsc)
{
    const struct kinfo *k = sys_kinfo();
    uint64_t scaled = guest_tsc - cpu->state->tsc_offset;
    unsigned __int128 host =
        ratio == VCPU_TSC_RATIO_1 ? scaled : (((unsigned __int128)scaled << 32) + ratio - 1) / ratio;

    if (host > UINT64_MAX) {
        return VTIMER_NEVER - 1;
    }
    int64_t tsc = (int64_t)((uint64_t)host - k->tsc_base);
    if (tsc < 0) {
        return 0;
    }
    unsigned __int128 ns = ((unsigned __int128)(uint64_t)tsc * k->tsc_mult) >> k->tsc_shift;
    return ns + 1 >= VTIMER_NEVER ? VTIMER_NEVER - 1 : (uint64_t)ns + 1; /* rounded up: never early */
}

void tsc_start(void)
{
    uint64_t offset = 0 - tsc_scaled();

    for (unsigned i = 0; i < vcpu_count; i++) {
        vcpus[i].state->tsc_offset = offset;
        vcpus[i].state->tsc_ratio = ratio;
        vcpus[i].state->dirty |= VCPU_GROUP_TSC;
    }
}

// SPDX-License-Identifier: MIT
/* The guest's clock: the kernel's nanoseconds without the time for which it was stopped, the time of day, and the
 * guest's TSC on both. While the VM is paused all of them stand still: afterwards the guest has missed nothing, no
 * watchdog of its barks, and a clock page written before is still right, as the TSC was held back by just as much. Only
 * the time of day goes on. */
#include "cpu/tsc.h"
#include "log.h"
#include "timer.h"
#include "vcpu.h"

#include <sk/sys.h>
#include <stdlib.h>

#define NS_PER_S 1000000000ull

static uint64_t stopped_ticks, stopped_scaled, stopped_ns; /* in all the pauses that are over: host's and guest's TSC */
static bool stopped;
static uint64_t stopped_at; /* host's TSC */

static uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

static uint64_t host_tsc(void)
{
    return stopped ? stopped_at : rdtsc();
}

static uint64_t ratio = VCPU_TSC_RATIO_1; /* as the vcpus' tsc_ratio */

int tsc_scale(uint64_t khz)
{
    const struct kinfo *k = sys_kinfo();
    uint64_t host_khz = k->tsc_hz / 1000;

    ratio = khz == host_khz ? VCPU_TSC_RATIO_1
                            : (uint64_t)((((unsigned __int128)khz * 1000 << 32) + k->tsc_hz / 2) / k->tsc_hz);
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
    return (uint64_t)(((unsigned __int128)sys_kinfo()->tsc_hz * ratio + VCPU_TSC_RATIO_1 / 2) >> 32);
}

static uint64_t scale(uint64_t tsc)
{
    return (uint64_t)((unsigned __int128)tsc * ratio >> 32);
}

/* Before the offset is added. */
static uint64_t tsc_scaled(void)
{
    return scale(host_tsc());
}

static uint64_t ticks_to_ns(uint64_t ticks)
{
    const struct kinfo *k = sys_kinfo();
    unsigned __int128 ns = ((unsigned __int128)ticks * k->tsc_mult) >> k->tsc_shift;

    return ns + 1 >= VTIMER_NEVER ? VTIMER_NEVER - 2 : (uint64_t)ns;
}

uint64_t clock_now_ns(void)
{
    return stopped ? ticks_to_ns(stopped_at - sys_kinfo()->tsc_base - stopped_ticks) : sys_now_ns() - stopped_ns;
}

uint64_t clock_to_kernel_ns(uint64_t ns)
{
    return ns < VTIMER_NEVER - stopped_ns ? ns + stopped_ns : VTIMER_NEVER;
}

void clock_stop(void)
{
    if (!stopped) {
        stopped_at = rdtsc();
        stopped = true;
    }
}

void clock_go(void)
{
    if (!stopped) {
        return;
    }
    stopped = false;
    uint64_t now = rdtsc(), scaled = scale(now) - scale(stopped_at);
    stopped_ticks += now - stopped_at;
    stopped_scaled += scaled;
    stopped_ns = ticks_to_ns(stopped_ticks) + 1;
    for (unsigned i = 0; i < vcpu_count; i++) {
        struct vcpu_state *s = vcpus[i].state;
        if (((s->valid | s->dirty) & VCPU_GROUP_TSC) == 0 && sys_vcpu_get(vcpus[i].cap, VCPU_GROUP_TSC) < 0) {
            continue; /* the vcpu cannot be entered either */
        }
        s->tsc_offset -= scaled;
        s->dirty |= VCPU_GROUP_TSC;
    }
}

/* moe has read the PC's clock. */
uint64_t clock_epoch(void)
{
    const char *text = getenv("SKERRY_EPOCH");

    return text ? strtoull(text, NULL, 10) + (stopped_ns + NS_PER_S / 2) / NS_PER_S : 0;
}

uint64_t tsc_guest_now(void)
{
    return tsc_scaled() + cpu->state->tsc_offset;
}

uint64_t tsc_guest_to_ns(uint64_t guest_tsc)
{
    uint64_t scaled = guest_tsc - cpu->state->tsc_offset - stopped_scaled;
    unsigned __int128 host =
        ratio == VCPU_TSC_RATIO_1 ? scaled : (((unsigned __int128)scaled << 32) + ratio - 1) / ratio;

    if (host > UINT64_MAX) {
        return VTIMER_NEVER - 1;
    }
    int64_t tsc = (int64_t)((uint64_t)host - sys_kinfo()->tsc_base);
    return tsc < 0 ? 0 : ticks_to_ns((uint64_t)tsc) + 1; /* rounded up: never early */
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

// SPDX-License-Identifier: MIT
/* A vcpu's clock page is written once, when the guest registers it: the TSC is invariant, not scaled and the same on
 * all vcpus, so it never changes (STABLE). PV EOI: bit 0 of a word in guest memory. We set it on entry when nobody
 * needs to see the EOI; the guest clears it instead of writing the APIC's register; on exit a cleared bit means EOI. A
 * bit that is still set is taken back. */
#include "pvclock.h"
#include "../dev/lapic.h"
#include "../gmem.h"
#include "../smp.h"
#include "../timer.h"
#include "cpuid.h"
#include "tsc.h"

#include <stddef.h>
#include <util/bits.h>

#define PV_EOI_ENABLE BIT(0)
#define CLOCK_ENABLE BIT(0)

static uint64_t wall_msr;
static uint32_t version = 0;
static struct pv {
    uint64_t system_msr, eoi_msr;
    bool eoi_offered;
} pvs[VCPUS_MAX];

void pvclock_scale(uint64_t tsc_hz, uint32_t *mul, int8_t *shift)
{
    uint64_t hz = tsc_hz;
    int s = 0;

    /* Bring the rate to (2^31, 2^32] ns of 2^-32: mul = 10^9 * 2^32 / (hz shifted) must fit 32 bits. */
    while (hz > 2000000000ull) {
        hz >>= 1;
        s--;
    }
    while (hz <= 1000000000ull) {
        hz <<= 1;
        s++;
    }
    *mul = (uint32_t)(((unsigned __int128)1000000000ull << 32) / hz);
    *shift = (int8_t)s;
}

void pvclock_reset(void)
{
    wall_msr = 0;
    for (unsigned i = 0; i < VCPUS_MAX; i++) {
        pvs[i] = (struct pv){0};
    }
}

static void clock_write(uint64_t gpa)
{
    struct pvclock_time t = {.flags = PVCLOCK_TSC_STABLE};
    uint32_t even = version += 2, odd = even - 1;

    t.tsc_timestamp = tsc_guest_now();
    t.system_time = tsc_guest_to_ns(t.tsc_timestamp);
    pvclock_scale(cpuid_tsc_hz(), &t.tsc_to_system_mul, &t.tsc_shift);
    t.version = odd;
    /* Only the vcpu itself reads it before the registration is done: the order of the writes does not matter. An
     * address outside RAM is the guest's loss. */
    (void)ram_write(gpa, &t, sizeof(t));
    (void)ram_write(gpa, &even, sizeof(even));
}

/* Time of day when the system clock was 0. */
static void wall_write(uint64_t gpa)
{
    uint64_t epoch = clock_epoch();
    uint32_t wall[3] = {2, (uint32_t)(epoch != 0 ? epoch : 946684800), 0};

    (void)ram_write(gpa, wall, sizeof(wall));
}

bool pvclock_msr_read(uint32_t msr, uint64_t *v)
{
    const struct pv *p = &pvs[vcpu_this];

    switch (msr) {
    case MSR_KVM_SYSTEM_TIME:
    case MSR_KVM_SYSTEM_TIME_NEW:
        *v = p->system_msr;
        return true;
    case MSR_KVM_WALL_CLOCK:
    case MSR_KVM_WALL_CLOCK_NEW:
        *v = wall_msr;
        return true;
    case MSR_KVM_PV_EOI_EN:
        *v = p->eoi_msr;
        return true;
    default:
        return false;
    }
}

bool pvclock_msr_write(uint32_t msr, uint64_t v)
{
    struct pv *p = &pvs[vcpu_this];

    switch (msr) {
    case MSR_KVM_SYSTEM_TIME:
    case MSR_KVM_SYSTEM_TIME_NEW:
        p->system_msr = v;
        if ((v & CLOCK_ENABLE) != 0) {
            clock_write(v & ~CLOCK_ENABLE);
        }
        return true;
    case MSR_KVM_WALL_CLOCK:
    case MSR_KVM_WALL_CLOCK_NEW:
        wall_msr = v;
        wall_write(v);
        return true;
    case MSR_KVM_PV_EOI_EN:
        p->eoi_msr = v;
        p->eoi_offered = false;
        return (v & 2) == 0;
    default:
        return false;
    }
}

static uint32_t *eoi_word(const struct pv *p)
{
    return (p->eoi_msr & PV_EOI_ENABLE) != 0 ? ram_ptr(p->eoi_msr & ~3ull, sizeof(uint32_t)) : NULL;
}

void pv_eoi_exit(void)
{
    struct pv *p = &pvs[vcpu_this];
    uint32_t *w = eoi_word(p);

    if (!p->eoi_offered || w == NULL) {
        return;
    }
    p->eoi_offered = false;
    if ((__atomic_fetch_and(w, ~1u, __ATOMIC_SEQ_CST) & 1) == 0) {
        lapic_eoi();
    }
}

void pv_eoi_entry(void)
{
    struct pv *p = &pvs[vcpu_this];
    uint32_t *w = eoi_word(p);

    if (w != NULL && lapic_eoi_is_lazy()) {
        __atomic_fetch_or(w, 1u, __ATOMIC_SEQ_CST);
        p->eoi_offered = true;
    }
}

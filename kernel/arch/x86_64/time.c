// SPDX-License-Identifier: MIT
/* Clock and timer. The clock is the TSC since boot; its frequency comes from CPUID where it is told there, else it is
 * measured by the PIT or the ACPI PM timer. The timer is the local APIC's, by TSC deadline where there is one.
 *
 * A measurement compares pairs of counter values that were read close together: a pair that an interruption of the
 * (possibly virtual) processor tore apart shows by its duration, and the best of several is taken.
 *
 * Documents: [SDM-2] CPUID leaves 0x15, 0x16; [SDM-3] 12.5.4, 19.17; Intel 8254 data sheet (1993);
 * [ACPI-6.4] 4.8.3.3 (PM timer). Leaf 0x40000010 (TSC kHz) is a convention of several hypervisors. */
#include "time.h"

#include "apic.h"
#include "console.h"
#include "cpu.h"

#include <kernel/core.h>
#include <kernel/log.h>

#define PIT_HZ      1193182u
#define PIT_CH2     0x42
#define PIT_CMD     0x43
#define PIT_CMD_CH2_MODE0 0xb0 /* channel 2, low then high byte, interrupt on terminal count */
#define PIT_CMD_CH2_LATCH 0x80
#define PORT_B      0x61
#define PORT_B_GATE2   BIT(0)
#define PORT_B_SPEAKER BIT(1)
#define PORT_B_OUT2    BIT(5)
#define PM_TIMER_HZ 3579545u
#define PM_TIMER_MASK 0xffffffu /* the upper 8 bits are optional */

#define MEASURE_NS     10000000u
#define MEASURE_TRIES  5
#define SAMPLE_TRIES   8
#define TIMER_MAX_NS   1000000000ull /* longer waits are armed in steps; core re-arms */

static struct {
    uint64_t tsc_hz, mult, base;
    uint64_t tsc_per_ns32;  /* TSC ticks per ns, 32.32 */
    uint64_t apic_per_ns32; /* APIC timer ticks per ns, 32.32 */
    bool use_deadline;
    uint16_t pm_port;
} t;

uint64_t clock_now_ns(void)
{
    return (uint64_t)((unsigned __int128)(rdtsc() - t.base) * t.mult >> 32);
}

void time_delay_ns(uint64_t ns)
{
    uint64_t start = clock_now_ns();
    while (clock_now_ns() - start < ns) {
        cpu_relax();
    }
}

/* --- measurement --- */

struct sample { uint64_t tsc; uint32_t count; };

static uint32_t pit_read(uint64_t *before, uint64_t *after)
{
    *before = rdtsc();
    outb(PIT_CMD, PIT_CMD_CH2_LATCH);
    *after = rdtsc();
    uint32_t lo = inb(PIT_CH2);
    return lo | (uint32_t)inb(PIT_CH2) << 8;
}

static uint32_t pm_read(uint64_t *before, uint64_t *after)
{
    *before = rdtsc();
    uint32_t v = inl(t.pm_port) & PM_TIMER_MASK;
    *after = rdtsc();
    return v;
}

static uint32_t apic_timer_read(uint64_t *before, uint64_t *after)
{
    *before = rdtsc();
    uint32_t v = apic_timer_current();
    *after = rdtsc();
    return v;
}

/* The tightest of several readings. */
static struct sample sample_best(uint32_t (*read)(uint64_t *, uint64_t *))
{
    struct sample best = { 0, 0 };
    uint64_t width = UINT64_MAX;
    for (int i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before, after;
        uint32_t count = read(&before, &after);
        if (after - before < width) {
            width = after - before;
            best = (struct sample){ before + width / 2, count };
        }
    }
    return best;
}

static void pit_start(void)
{
    outb(PORT_B, (uint8_t)((inb(PORT_B) & ~(PORT_B_SPEAKER)) | PORT_B_GATE2));
    outb(PIT_CMD, PIT_CMD_CH2_MODE0);
    outb(PIT_CH2, 0xff);
    outb(PIT_CH2, 0xff);
}

/* TSC frequency by the PIT: 0 if the PIT does not count, or was interrupted for longer than its 55 ms. */
static uint64_t measure_by_pit(void)
{
    pit_start();
    struct sample a = sample_best(pit_read), b = a;
    for (unsigned spins = 0; a.count - b.count < (uint64_t)PIT_HZ * MEASURE_NS / 1000000000u; spins++) {
        if (spins > 1000000 || (inb(PORT_B) & PORT_B_OUT2)) {
            return 0;
        }
        b = sample_best(pit_read);
    }
    if ((inb(PORT_B) & PORT_B_OUT2) || b.count > a.count || b.tsc <= a.tsc) {
        return 0;
    }
    return (b.tsc - a.tsc) * PIT_HZ / (a.count - b.count);
}

static uint64_t measure_by_pm_timer(void)
{
    if (!t.pm_port) {
        return 0;
    }
    struct sample a = sample_best(pm_read), b = a;
    for (unsigned spins = 0; ((b.count - a.count) & PM_TIMER_MASK) < (uint64_t)PM_TIMER_HZ * MEASURE_NS / 1000000000u;
         spins++) {
        if (spins > 1000000) {
            return 0;
        }
        b = sample_best(pm_read);
    }
    return b.tsc <= a.tsc ? 0 : (b.tsc - a.tsc) * PM_TIMER_HZ / ((b.count - a.count) & PM_TIMER_MASK);
}

/* The frequency as the processor or the hypervisor tells it, 0 if they do not. */
static uint64_t told_by_cpuid(void)
{
    uint32_t max = cpuid(0, 0).eax;
    if (cpuid(1, 0).ecx & BIT(31)) {
        uint32_t hv_max = cpuid(0x40000000, 0).eax;
        if (hv_max >= 0x40000010 && hv_max < 0x40010000 && cpuid(0x40000010, 0).eax >= 100000) {
            return (uint64_t)cpuid(0x40000010, 0).eax * 1000;
        }
    }
    if (max >= 0x15) {
        struct cpuid_regs r = cpuid(0x15, 0);
        if (r.eax && r.ebx && r.ecx) {
            return (uint64_t)r.ecx * r.ebx / r.eax;
        }
    }
    return 0;
}

static uint64_t tsc_frequency(const char **source)
{
    uint64_t hz = told_by_cpuid();
    *source = "told by CPUID";
    for (int i = 0; hz == 0 && i < MEASURE_TRIES; i++) {
        hz = measure_by_pit();
        *source = "measured by the PIT";
    }
    for (int i = 0; hz == 0 && i < MEASURE_TRIES; i++) {
        hz = measure_by_pm_timer();
        *source = "measured by the ACPI PM timer";
    }
    return hz;
}

/* The APIC timer against the TSC. */
static uint64_t apic_timer_frequency(void)
{
    apic_timer_set(UINT32_MAX);
    struct sample a = sample_best(apic_timer_read);
    while (rdtsc() - a.tsc < t.tsc_hz / (1000000000u / MEASURE_NS)) {
        cpu_relax();
    }
    struct sample b = sample_best(apic_timer_read);
    apic_timer_set(0);
    return (uint64_t)((unsigned __int128)(a.count - b.count) * ((t.tsc_hz << 16) / (b.tsc - a.tsc)) >> 16);
}

/* A deadline must not pass before its time: it does where the timer compares it with another clock than the TSC that
 * programs read, as Bochs does after a reset, from which the TSC starts at 0 again. An interrupt stays pending. */
static bool deadline_works(void)
{
    if (!(cpuid(1, 0).ecx & BIT(24))) {
        return false;
    }
    apic_timer_use_deadline();
    uint64_t start = rdtsc(), now = start, deadline = start + t.tsc_hz / 10000;
    msr_write(MSR_TSC_DEADLINE, deadline);
    bool pending = false;
    while (!pending && now - start < t.tsc_hz / 10) {
        pending = apic_timer_pending();
        now = rdtsc();
    }
    if (pending && now >= deadline) {
        return true;
    }
    kprintf("kernel: clock: TSC deadlines pass %s; not used\n", pending ? "too early" : "too late");
    apic_timer_use_count();
    return false;
}

/* --- the timer --- */

static void hardware_arm(uint64_t deadline_ns)
{
    cpu_this()->armed_ns = deadline_ns;
    if (deadline_ns == UINT64_MAX) {
        t.use_deadline ? msr_write(MSR_TSC_DEADLINE, 0) : apic_timer_set(0);
        return;
    }
    uint64_t now = clock_now_ns();
    uint64_t delta = deadline_ns > now ? deadline_ns - now : 0;
    delta = delta < TIMER_MAX_NS ? delta : TIMER_MAX_NS;
    if (t.use_deadline) {
        msr_write(MSR_TSC_DEADLINE, rdtsc() + (uint64_t)((unsigned __int128)delta * t.tsc_per_ns32 >> 32) + 1);
        return;
    }
    uint64_t ticks = (uint64_t)((unsigned __int128)delta * t.apic_per_ns32 >> 32) + 1;
    apic_timer_set(ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX);
}

void time_rearm(void)
{
    struct cpu *cpu = cpu_this();
    uint64_t esc = cpu->index == 0 ? console_deadline_ns() : UINT64_MAX; /* who takes the console's interrupt */
    uint64_t deadline = cpu->deadline_ns < esc ? cpu->deadline_ns : esc;
    if (deadline != cpu->armed_ns) {
        hardware_arm(deadline);
    }
}

void timer_arm(uint64_t deadline_ns)
{
    cpu_this()->deadline_ns = deadline_ns;
    time_rearm();
}

void time_interrupt(void)
{
    struct cpu *cpu = cpu_this();
    uint64_t now = clock_now_ns();
    cpu->armed_ns = UINT64_MAX;
    if (cpu->index == 0 && console_deadline_ns() <= now) {
        console_timeout();
    }
    if (cpu->deadline_ns <= now) {
        cpu->deadline_ns = UINT64_MAX;
        core_timer(now);
    }
    time_rearm();
}

void time_cpu_init(void)
{
    cpu_this()->deadline_ns = cpu_this()->armed_ns = UINT64_MAX;
    if (t.use_deadline) {
        apic_timer_use_deadline();
    }
}

void time_init(uint16_t pm_timer)
{
    const char *source;
    t.pm_port = pm_timer;
    t.tsc_hz = tsc_frequency(&source);
    if (t.tsc_hz < 1000000) {
        panic("no clock: neither PIT nor ACPI PM timer counts, so the TSC's frequency is unknown");
    }
    t.mult = (1000000000ull << 32) / t.tsc_hz;
    t.base = rdtsc();
    t.tsc_per_ns32 = (t.tsc_hz << 30) / 250000000;
    uint64_t apic_hz = apic_timer_frequency();
    t.apic_per_ns32 = (apic_hz << 30) / 250000000;
    t.use_deadline = deadline_works();
    time_cpu_init();
    struct kinfo *k = kinfo_page();
    k->tsc_hz = t.tsc_hz;
    k->tsc_mult = t.mult;
    k->tsc_shift = 32;
    k->tsc_base = t.base;
    kprintf("kernel: clock: TSC %lu MHz (%s); timer: %s\n", t.tsc_hz / 1000000, source,
            t.use_deadline ? "TSC deadline" : apic_is_x2apic() ? "x2APIC" : "local APIC");
}

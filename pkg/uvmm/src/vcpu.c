// SPDX-License-Identifier: MIT
/* The run loop. Before each entry: timers, then at most one event to inject, in the order: one whose delivery was
 * interrupted, an exception from emulation, an NMI, the highest interrupt. What cannot be taken yet asks for a window.
 */
#include "vcpu.h"
#include "console.h"
#include "cpu/pvclock.h"
#include "dev/ioapic.h"
#include "dev/lapic.h"
#include "dev/pic.h"
#include "guest.h"
#include "log.h"
#include "timer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdio.h>
#include <util/bits.h>

#define RFLAGS_IF BIT(9)

struct vcpu cpu;
static cap_t guest;
static struct server_source timer_signal;
static uint64_t timer_armed = VTIMER_NEVER; /* what the kernel's timer is set to */

cap_t guest_cap(void)
{
    return guest;
}

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
    return rdtsc() + cpu.state->tsc_offset;
}

uint64_t tsc_guest_to_ns(uint64_t guest_tsc)
{
    const struct kinfo *k = sys_kinfo();
    int64_t tsc = (int64_t)(guest_tsc - cpu.state->tsc_offset - k->tsc_base);

    if (tsc < 0) {
        return 0;
    }
    unsigned __int128 ns = ((unsigned __int128)(uint64_t)tsc * k->tsc_mult) >> k->tsc_shift;
    return ns + 1 >= VTIMER_NEVER ? VTIMER_NEVER - 1 : (uint64_t)ns + 1; /* rounded up: never early */
}

static void timer_event(void *ctx)
{
    (void)ctx;
    timer_armed = VTIMER_NEVER;
    vtimer_run(clock_now_ns());
}

int guest_setup(void)
{
    const struct kinfo *k = sys_kinfo();
    int64_t cap;

    if (k->vm_kind == VM_NONE) {
        log_error(LOG_BOOT, "this processor cannot run virtual machines: neither AMD SVM with nested paging nor Intel "
                            "VMX with EPT is there and enabled; enable it in the firmware's setup, or with QEMU use "
                            "-cpu EPYC,+svm");
        return SK_ENODEV;
    }
    cap = sys_guest_create(CAP_QUOTA);
    if (cap < 0) {
        log_error(LOG_BOOT, "cannot make a guest space: %s; give the VM more kernel memory", sk_strerror(cap));
        return (int)cap;
    }
    guest = (cap_t)cap;
    return 0;
}

int vcpu_setup(void)
{
    void *page = vm_reserve(PAGE_SIZE, PAGE_SIZE);
    int64_t cap = page != NULL ? sys_vcpu_create(CAP_QUOTA, guest, CAP_TASK, (uint64_t)page) : SK_ENOMEM;

    if (cap < 0) {
        log_error(LOG_BOOT, "cannot make a vcpu: %s; give the VM more kernel memory", sk_strerror(cap));
        return (int)cap;
    }
    cpu.cap = (cap_t)cap;
    cpu.state = page;
    int64_t err = server_signal(&timer_signal, CAP_NULL, timer_event, NULL);
    if (err < 0) {
        log_error(LOG_BOOT, "cannot make a signal for timers: %s; give the VM more kernel memory", sk_strerror(err));
    }
    return (int)err;
}

/* Sets the kernel's timer if the earliest deadline has changed; fires what is due already. */
static void timers_sync(void)
{
    uint64_t next = vtimer_next();

    if (next == timer_armed) {
        return;
    }
    if (next != VTIMER_NEVER && next <= clock_now_ns()) {
        vtimer_run(clock_now_ns());
        next = vtimer_next();
    }
    timer_armed = next;
    sys_signal_timer(timer_signal.cap, next);
}

static bool extint_pending(void)
{
    return pic_asserted() && (lapic_takes_extint() || ioapic_takes_extint());
}

static bool irq_pending(void)
{
    return lapic_pending() >= 0 || extint_pending();
}

/* The vector that the processor takes now. */
static unsigned irq_acknowledge(void)
{
    int v = lapic_pending();

    if (v < 0) {
        return pic_acknowledge();
    }
    lapic_accept(v);
    return (unsigned)v;
}

static void inject_irq(struct vcpu_state *s)
{
    bool pending = irq_pending();
    bool can = s->run.inject == 0 && (s->rflags & RFLAGS_IF) != 0 && s->int_shadow == 0;

    if (pending && can) {
        s->run.inject = VCPU_EVENT_VALID | VCPU_EVENT_INTR | irq_acknowledge();
        cpu.injected++;
        pending = irq_pending();
    }
    s->run.irq_window = pending;
}

static void prepare_entry(struct vcpu_state *s)
{
    cpu.nmi_pending |= lapic_nmi_take();
    if (cpu.nmi_pending && s->run.inject == 0 && s->exit.reason == VCPU_EXIT_NMI_WINDOW) {
        s->run.inject = VCPU_EVENT_VALID | VCPU_EVENT_NMI | 2;
        cpu.nmi_pending = false;
    }
    s->run.nmi_window = cpu.nmi_pending;
    inject_irq(s);
    pv_eoi_entry();
}

static bool wakes(const struct vcpu_state *s)
{
    cpu.nmi_pending |= lapic_nmi_take();
    return cpu.nmi_pending || ((s->rflags & RFLAGS_IF) != 0 && irq_pending());
}

/* Waits for an event that ends HLT. */
static void idle(struct vcpu_state *s)
{
    while (!wakes(s) && !vm_ended()) {
        console_flush();
        timers_sync();
        if (!wakes(s)) {
            (void)server_poll(DEADLINE_NEVER);
        }
    }
    cpu.halted = false;
}

static void run_failed(int64_t err, const struct vcpu_state *s)
{
    char why[160];

    snprintf(why, sizeof(why), "the kernel refuses the vcpu's state: %s (what: %" PRIu64 ")", sk_strerror(err),
             s->exit.qual);
    vm_crash(why);
}

static void run_once(struct vcpu_state *s)
{
    prepare_entry(s);
    cpu.entries++;
    struct sys_result r = sys_vcpu_run(cpu.cap);
    if (r.value < 0) {
        run_failed(r.value, s);
        return;
    }
    s->run.inject = 0;
    pv_eoi_exit();
    if ((s->exit.idt_vectoring & VCPU_EVENT_VALID) != 0) {
        s->run.inject = s->exit.idt_vectoring;
    }
    if (r.value == VCPU_SIGNAL) {
        cpu.signals++;
        server_dispatch_signal(r.extra);
    } else if (r.value == VCPU_EVENT) {
        (void)server_poll(0);
    } else {
        cpu.exits[min(s->exit.reason, (uint32_t)VCPU_EXIT_FAILURE)]++;
        exit_handle();
    }
}

static void print_counters(void)
{
    static const char *const name[VCPU_EXIT_REASON_COUNT] = {
        "none",   "io", "mmio",   "cpuid",      "rdmsr",  "wrmsr",    "hlt",  "pause",   "irq-window", "nmi-window",
        "xsetbv", "cr", "vmcall", "invalid-op", "wbinvd", "shutdown", "init", "invalid", "failure"};
    char line[320];
    int n = 0;

    for (unsigned i = 0; i < VCPU_EXIT_REASON_COUNT; i++) {
        if (cpu.exits[i] != 0) {
            n += snprintf(line + n, sizeof(line) - (size_t)n, " %s %" PRIu64, name[i], cpu.exits[i]);
        }
    }
    log_info(LOG_CPU, "entries %" PRIu64 ", interrupts %" PRIu64 ", signals %" PRIu64 ", exits:%s", cpu.entries,
             cpu.injected, cpu.signals, n > 0 ? line : " none");
}

int vcpu_loop(void)
{
    struct vcpu_state *s = cpu.state;

    while (!vm_ended()) {
        if (cpu.halted) {
            idle(s);
        }
        timers_sync();
        if (!vm_ended()) {
            run_once(s);
        }
    }
    print_counters();
    return vm_exit_code();
}

// SPDX-License-Identifier: MIT
/* The run loop of a vcpu's thread. Before each entry: requests of others, timers, then at most one event to inject, in
 * the order: one whose delivery was interrupted, an exception from emulation, an NMI, the highest interrupt. What
 * cannot be taken yet asks for a window.
 *
 * Who makes something pending for another vcpu kicks it: if its thread is outside, the kick signal ends its guest run
 * or its wait. A thread that is inside, or waits for the lock, looks by itself before it goes out again. */
#include "console.h"
#include "cpu/pvclock.h"
#include "dev/ioapic.h"
#include "dev/lapic.h"
#include "dev/pic.h"
#include "device.h"
#include "log.h"
#include "monitor/monitor.h"
#include "timer.h"
#include "vcpu_priv.h"

#include <inttypes.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <stdio.h>
#include <util/bits.h>

#define RFLAGS_IF BIT(9)
#define SEGMENT_REAL_LIMIT 0xffffu

static bool running; /* the vcpus may run: between the start of vcpus_run() and its end */

/* --- what others ask ------------------------------------------------------------------------------------------------
 */

void vcpu_kick(unsigned i)
{
    struct vcpu *v = &vcpus[i];

    if (v != cpu && v->outside && !v->kicked) {
        v->kicked = true;
        sys_signal_raise(v->kick.cap);
    }
}

void vcpu_request_init(unsigned i)
{
    vcpus[i].init_request = true;
    vcpus[i].startup_request = -1;
    vcpu_kick(i);
}

void vcpu_request_startup(unsigned i, unsigned vector)
{
    vcpus[i].startup_request = (int)vector;
    vcpu_kick(i);
}

static void startup(struct vcpu *v, unsigned vector)
{
    struct vcpu_state *s = v->state;

    s->cs.sel = (uint16_t)(vector << 8);
    s->cs.base = (uint64_t)vector << 12;
    s->cs.limit = SEGMENT_REAL_LIMIT;
    s->rip = 0;
    s->dirty |= VCPU_GROUP_BASE;
    v->activity = VCPU_RUNNING;
    log_debug(LOG_CPU, "vcpu %u starts at 0x%x", v->index, vector << 12);
}

static void requests_take(struct vcpu *v)
{
    if (v->init_request) {
        v->init_request = false;
        if (v->index == 0) {
            vm_end(VM_END_REBOOT, "INIT of the first processor"); /* it would start the firmware */
            return;
        }
        vcpu_state_reset(v);
        lapic_init_received();
        v->activity = VCPU_WAIT_SIPI;
    }
    if (v->startup_request >= 0) {
        if (v->activity == VCPU_WAIT_SIPI) {
            startup(v, (unsigned)v->startup_request);
        }
        v->startup_request = -1;
    }
}

/* --- interrupts -----------------------------------------------------------------------------------------------------
 */

/* The 8259 pair is connected to the first processor. */
static bool extint_pending(void)
{
    return vcpu_this == 0 && pic_asserted() && (lapic_takes_extint() || ioapic_takes_extint());
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

static void inject_irq(struct vcpu *v)
{
    struct vcpu_state *s = v->state;
    bool pending = irq_pending();
    bool can = s->run.inject == 0 && (s->rflags & RFLAGS_IF) != 0 && s->int_shadow == 0;

    if (pending && can) {
        s->run.inject = VCPU_EVENT_VALID | VCPU_EVENT_INTR | irq_acknowledge();
        v->injected++;
        pending = irq_pending();
    }
    s->run.irq_window = pending;
}

static void prepare_entry(struct vcpu *v)
{
    struct vcpu_state *s = v->state;

    v->nmi_pending |= lapic_nmi_take();
    if (v->nmi_pending && s->run.inject == 0 && s->exit.reason == VCPU_EXIT_NMI_WINDOW) {
        s->run.inject = VCPU_EVENT_VALID | VCPU_EVENT_NMI | 2;
        v->nmi_pending = false;
    }
    inject_irq(v);
    /* The window comes before an event is injected, which it gives back: never both, or neither is ever delivered. */
    s->run.nmi_window = v->nmi_pending && s->run.inject == 0;
    pv_eoi_entry();
}

/* Does anything end HLT? */
static bool wakes(struct vcpu *v)
{
    v->nmi_pending |= lapic_nmi_take();
    return v->nmi_pending || v->unhalt || ((v->state->rflags & RFLAGS_IF) != 0 && irq_pending());
}

/* --- the loop -------------------------------------------------------------------------------------------------------
 */

static void timer_arm(unsigned queue, uint64_t deadline_ns)
{
    uint64_t now = deadline_ns != VTIMER_NEVER ? clock_now_ns() : 0;

    if (deadline_ns <= now) {
        vtimer_run(queue, now);
    } else {
        sys_signal_timer(vcpus[queue].timer.cap, clock_to_kernel_ns(deadline_ns));
    }
}

/* Waits for an event of this thread, without the lock. */
static void vcpu_wait(struct vcpu *v)
{
    struct server_event e;

    console_flush();
    v->waits++;
    v->outside = true;
    vm_unlock();
    bool got = server_wait(DEADLINE_NEVER, &e);
    vm_lock();
    v->outside = false;
    if (got) {
        server_handle(&e);
    }
}

static void run_failed(int64_t err, const struct vcpu_state *s)
{
    char why[160];

    snprintf(why, sizeof(why), "the kernel refuses the vcpu's state: %s (what: %" PRIu64 ")", sk_strerror(err),
             s->exit.qual);
    vm_crash(why);
}

static void run_once(struct vcpu *v)
{
    struct vcpu_state *s = v->state;

    prepare_entry(v);
    v->entries++;
    v->outside = true;
    vm_unlock();
    struct sys_result r = sys_vcpu_run(v->cap);
    vm_lock();
    v->outside = false;
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
        v->signals++;
        server_dispatch_signal(r.extra);
    } else if (r.value == VCPU_EVENT) {
        (void)server_poll(0);
    } else {
        v->exits[min(s->exit.reason, (uint32_t)VCPU_EXIT_FAILURE)]++;
        exit_handle();
    }
}

static void vcpu_step(struct vcpu *v)
{
    requests_take(v);
    vtimer_sync(timer_arm);
    if (v->activity == VCPU_HALTED && wakes(v)) {
        v->activity = VCPU_RUNNING;
        v->unhalt = false;
    }
    if (vm_ended()) {
        return;
    }
    if (v->activity == VCPU_RUNNING) {
        run_once(v);
    } else {
        vcpu_wait(v);
    }
}

static bool may_run(void)
{
    return running && !vm_ended();
}

/* The other vcpus' threads, for ever. */
void vcpu_thread(void *arg)
{
    struct vcpu *v = arg;

    cpu = v;
    vcpu_this = v->index;
    vm_lock();
    for (;;) {
        if (may_run()) {
            v->parked = false;
            vcpu_step(v);
            continue;
        }
        if (!v->parked) {
            v->parked = true;
            vcpu_kick(0);
        }
        vcpu_wait(v);
    }
}

static void kick_others(void)
{
    for (unsigned i = 1; i < vcpu_count; i++) {
        vcpu_kick(i);
    }
}

static bool all_parked(void)
{
    for (unsigned i = 1; i < vcpu_count; i++) {
        if (!vcpus[i].parked) {
            return false;
        }
    }
    return true;
}

const char *vcpu_exit_name(unsigned reason)
{
    static const char *const name[VCPU_EXIT_REASON_COUNT] = {
        "none",   "io", "mmio",   "cpuid",      "rdmsr",  "wrmsr",    "hlt",  "pause",   "irq-window", "nmi-window",
        "xsetbv", "cr", "vmcall", "invalid-op", "wbinvd", "shutdown", "init", "invalid", "failure"};

    return reason < VCPU_EXIT_REASON_COUNT ? name[reason] : "?";
}

static void print_counters(const struct vcpu *v)
{
    char line[320];
    int n = 0;

    for (unsigned i = 0; i < VCPU_EXIT_REASON_COUNT; i++) {
        if (v->exits[i] != 0) {
            n += snprintf(line + n, sizeof(line) - (size_t)n, " %s %" PRIu64, vcpu_exit_name(i), v->exits[i]);
        }
    }
    log_info(LOG_CPU,
             "vcpu %u: entries %" PRIu64 ", waits %" PRIu64 ", interrupts %" PRIu64 ", signals %" PRIu64 ", exits:%s",
             v->index, v->entries, v->waits, v->injected, v->signals, n > 0 ? line : " none");
}

static void vcpus_go(void)
{
    running = true;
    kick_others();
}

/* Until no vcpu is in its guest any more. */
static void vcpus_park(void)
{
    kick_others();
    running = false;
    while (!all_parked()) {
        vcpu_wait(&vcpus[0]);
    }
}

/* The monitor's commands find the VM at rest. */
static void monitor_turn(void)
{
    vcpus_park();
    while (monitor_serve()) {
        vcpu_wait(&vcpus[0]);
    }
    vcpus_go();
}

int vcpus_run(void)
{
    vcpus_go();
    while (!vm_ended()) {
        vcpu_step(&vcpus[0]);
        if (monitor_wants() || monitor_paused()) {
            monitor_turn();
        }
    }
    vcpus_park();
    for (unsigned i = 0; i < vcpu_count; i++) {
        print_counters(&vcpus[i]);
    }
    return vm_exit_code();
}

// SPDX-License-Identifier: MIT
// The end of the VM: one line that says how, and for a crash the processor's state.
#include "console.h"
#include "cpu/paging.h"
#include "device.h"
#include "monitor/monitor.h"
#include "vcpu.h"

#include <inttypes.h>
#include <sk/sys.h>
#include <stdio.h>
#include <util/bits.h>

#define NS_PER_S 1000000000ull
#define CRASH_SOON_S 60ull /* a guest that lived longer is not in a loop of crashes */

static bool ended, restarts, crashed;
static int exit_code;
static unsigned crashes;        /* in a row, each soon after its start */
static uint64_t started_ns;     /* by the kernel's clock; 0 for the first start */
static bool on_reset, on_crash; /* restart then? */

bool vm_ended(void)
{
    return ended;
}

int vm_exit_code(void)
{
    return exit_code;
}

void vm_end_policy(bool restart_on_reset, bool restart_on_crash)
{
    on_reset = restart_on_reset;
    on_crash = restart_on_crash;
}

bool vm_restarts(void)
{
    bool r = restarts;

    crashed = exit_code != 0;
    if (r) {
        ended = restarts = false;
        exit_code = 0;
    }
    return r;
}

/* Seconds to wait after the n-th crash in a row: 0, 1, 2, 4, ... 64. */
static uint64_t backoff_s(unsigned n)
{
    return n < 2 ? 0 : 1ull << min(n - 2, 6u);
}

/* The monitor is served meanwhile; what it does may end the wait. */
static void wait_s(uint64_t seconds)
{
    uint64_t deadline = sys_now_ns() + seconds * NS_PER_S;

    while (!ended && sys_now_ns() < deadline) {
        (void)server_poll(deadline);
        while (monitor_wants()) {
            (void)monitor_serve();
        }
    }
}

bool vm_start_again(void)
{
    uint64_t lived = sys_now_ns() - started_ns;

    crashes = !crashed ? 0 : lived < CRASH_SOON_S * NS_PER_S ? crashes + 1 : 1;
    if (backoff_s(crashes) > 0) {
        fprintf(stderr,
                "uvmm: VM crashed %u times in a row within %llu s of its start; the next start is in %" PRIu64 " s\n",
                crashes, CRASH_SOON_S, backoff_s(crashes));
        wait_s(backoff_s(crashes));
    }
    started_ns = sys_now_ns();
    return !ended || vm_restarts();
}

void vm_end(enum vm_end how, const char *why)
{
    if (ended) {
        return;
    }
    ended = true;
    restarts = (how == VM_END_REBOOT && on_reset) || (how == VM_END_CRASH && on_crash);
    for (unsigned i = 0; i < vcpu_count; i++) {
        vcpu_kick(i);
    }
    console_flush();
    switch (how) {
    case VM_END_POWEROFF:
        fprintf(stderr, "uvmm: VM powered off (%s).\n", why);
        return;
    case VM_END_REBOOT:
        fprintf(stderr, "uvmm: VM rebooted (%s): %s.\n", why,
                restarts ? "starting it again" : "ending; start it again to go on");
        return;
    default:
        fprintf(stderr, "uvmm: VM crashed: %s%s\n", why, restarts ? "; starting it again" : "");
        exit_code = 1;
        return;
    }
}

static void print_code(const struct vcpu_state *s)
{
    struct paging p = {s->cr0, s->cr3, s->cr4, s->efer};
    uint8_t code[16];
    unsigned n = paging_fetch(&p, s->cs.base + s->rip, code, sizeof(code));

    fprintf(stderr, "uvmm:   code");
    for (unsigned i = 0; i < n; i++) {
        fprintf(stderr, " %02x", code[i]);
    }
    fprintf(stderr, "%s\n", n == 0 ? " (not readable)" : "");
}

void vm_crash(const char *why)
{
    static const char *const name[GPR_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    const struct vcpu_state *s = cpu->state;

    if (ended) {
        return;
    }
    vm_end(VM_END_CRASH, why);
    if (vcpu_count > 1) {
        fprintf(stderr, "uvmm:   vcpu %u of %u\n", cpu->index, vcpu_count);
    }
    fprintf(stderr, "uvmm:   cs:rip %04x:%016" PRIx64 " rflags %08" PRIx64 " efer %" PRIx64 "\n", s->cs.sel, s->rip,
            s->rflags, s->efer);
    fprintf(stderr, "uvmm:   cr0 %08" PRIx64 " cr2 %016" PRIx64 " cr3 %016" PRIx64 " cr4 %08" PRIx64 "\n", s->cr0,
            s->cr2, s->cr3, s->cr4);
    for (unsigned i = 0; i < GPR_COUNT; i += 4) {
        fprintf(stderr, "uvmm:  ");
        for (unsigned j = i; j < i + 4; j++) {
            fprintf(stderr, " %3s %016" PRIx64, name[j], s->gpr[j]);
        }
        fprintf(stderr, "\n");
    }
    print_code(s);
}

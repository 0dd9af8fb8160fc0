// SPDX-License-Identifier: MIT
// The end of the VM: one line that says how, and for a crash the processor's state.
#include "console.h"
#include "cpu/paging.h"
#include "device.h"
#include "vcpu.h"

#include <inttypes.h>
#include <stdio.h>

static bool ended, restarts;
static int exit_code;
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

    if (r) {
        ended = restarts = false;
        exit_code = 0;
    }
    return r;
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

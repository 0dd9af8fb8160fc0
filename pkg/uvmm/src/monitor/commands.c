// SPDX-License-Identifier: MIT
// Commands about the VM and its vcpus, and the table of all.
#include "../dev/lapic.h"
#include "../dev/power.h"
#include "../device.h"
#include "../timer.h"
#include "../vcpu.h"
#include "monitor.h"
#include "monitor_priv.h"

#include <inttypes.h>

static const char *activity_name(const struct vcpu *v)
{
    static const char *const name[] = {"running", "halted", "waits for start-up"};

    return name[v->activity];
}

static void cmd_info(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)argc, (void)argv;
    shell_printf(sh, "VM %s, %u vcpu%s\n", monitor_paused() ? "paused" : "running", vcpu_count,
                 vcpu_count == 1 ? "" : "s");
    for (unsigned i = 0; i < vcpu_count; i++) {
        const struct vcpu *v = &vcpus[i];
        shell_printf(sh, "vcpu %u: %s, cs:rip %04x:%016" PRIx64 ", privilege %u\n", i, activity_name(v),
                     v->state->cs.sel, v->state->rip, (unsigned)v->state->cpl);
    }
}

static void segment_print(struct shell *sh, const char *name, const struct vcpu_seg *s)
{
    shell_printf(sh, "%-4s %04x base %016" PRIx64 " limit %08x attributes %03x\n", name, s->sel, s->base, s->limit,
                 s->attr);
}

static void segments_print(struct shell *sh, const struct vcpu_state *s)
{
    segment_print(sh, "cs", &s->cs);
    segment_print(sh, "ss", &s->ss);
    segment_print(sh, "ds", &s->ds);
    segment_print(sh, "es", &s->es);
    segment_print(sh, "fs", &s->fs);
    segment_print(sh, "gs", &s->gs);
    segment_print(sh, "ldtr", &s->ldtr);
    segment_print(sh, "tr", &s->tr);
    shell_printf(sh, "gdt  %016" PRIx64 " limit %04x   idt %016" PRIx64 " limit %04x\n", s->gdtr.base, s->gdtr.limit,
                 s->idtr.base, s->idtr.limit);
}

static void cmd_regs(struct shell *sh, unsigned argc, char *const *argv)
{
    static const char *const name[GPR_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    struct vcpu *v = monitor_vcpu(sh, argc > 1 ? argv[1] : NULL);

    if (v == NULL) {
        return;
    }
    const struct vcpu_state *s = v->state;
    if (!monitor_state_get(v, VCPU_GROUP_BASE | VCPU_GROUP_SEG | VCPU_GROUP_MSR)) {
        shell_printf(sh, "the kernel does not give this vcpu's state\n");
        return;
    }
    for (unsigned i = 0; i < GPR_COUNT; i++) {
        shell_printf(sh, "%-3s %016" PRIx64 "%s", name[i], s->gpr[i], i % 4 == 3 ? "\n" : "  ");
    }
    shell_printf(sh, "rip %016" PRIx64 "  rflags %08" PRIx64 "  efer %" PRIx64 "  xcr0 %" PRIx64 "\n", s->rip,
                 s->rflags, s->efer, s->xcr0);
    shell_printf(sh, "cr0 %08" PRIx64 "  cr2 %016" PRIx64 "  cr3 %016" PRIx64 "  cr4 %08" PRIx64 "\n", s->cr0, s->cr2,
                 s->cr3, s->cr4);
    segments_print(sh, s);
    shell_printf(sh, "lstar %016" PRIx64 "  kernel_gs_base %016" PRIx64 "  pat %016" PRIx64 "\n", s->lstar,
                 s->kernel_gs_base, s->pat);
}

static void cmd_counters(struct shell *sh, unsigned argc, char *const *argv)
{
    struct vcpu *v = monitor_vcpu(sh, argc > 1 ? argv[1] : NULL);

    if (v == NULL) {
        return;
    }
    shell_printf(sh, "entries %" PRIu64 ", waits %" PRIu64 ", interrupts %" PRIu64 ", signals %" PRIu64 "\n",
                 v->entries, v->waits, v->injected, v->signals);
    for (unsigned i = 0; i < VCPU_EXIT_REASON_COUNT; i++) {
        if (v->exits[i] != 0) {
            shell_printf(sh, "%-12s %" PRIu64 "\n", vcpu_exit_name(i), v->exits[i]);
        }
    }
}

static void cmd_pause(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)argc, (void)argv;
    monitor_pause(true);
    shell_printf(sh, "paused; \"resume\" goes on\n");
}

static void cmd_resume(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)argc, (void)argv;
    shell_printf(sh, monitor_paused() ? "running\n" : "the VM is not paused\n");
    monitor_pause(false);
}

static void cmd_reset(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)sh, (void)argc, (void)argv;
    vm_end(VM_END_REBOOT, "by the monitor");
}

static void cmd_button(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)argc, (void)argv;
    power_button_press();
    shell_printf(sh, monitor_paused() ? "pressed; the guest sees it when it goes on\n" : "pressed\n");
}

static void cmd_off(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)sh, (void)argc, (void)argv;
    vm_end(VM_END_POWEROFF, "by the monitor");
}

static void cmd_nmi(struct shell *sh, unsigned argc, char *const *argv)
{
    struct vcpu *v = monitor_vcpu(sh, argc > 1 ? argv[1] : NULL);

    if (v != NULL) {
        v->nmi_pending = true;
        shell_printf(sh, "NMI sent to vcpu %u\n", v->index);
    }
}

const struct shell_command monitor_commands[] = {
    {"info", "", "what the VM and its vcpus do", 0, 0, cmd_info},
    {"regs", "[VCPU]", "a vcpu's registers", 0, 1, cmd_regs},
    {"backtrace", "[VCPU]", "return addresses on a vcpu's stack, as far as they can be told", 0, 1, cmd_backtrace},
    {"counters", "[VCPU]", "how often and why a vcpu has left the guest", 0, 1, cmd_counters},
    {"map", "", "the guest-physical address space, and the I/O ports", 0, 0, cmd_map},
    {"devices", "", "PCI devices and virtio queues: sizes, indices, requests in flight", 0, 0, cmd_devices},
    {"memory", "ADDRESS [BYTES [VCPU]]", "memory by a vcpu's page tables", 1, 3, cmd_memory},
    {"physical", "ADDRESS [BYTES]", "memory by guest-physical address", 1, 2, cmd_physical},
    {"translate", "ADDRESS [VCPU]", "where a vcpu's page tables map an address", 1, 2, cmd_translate},
    {"pause", "", "stop all vcpus and the guest's clocks", 0, 0, cmd_pause},
    {"resume", "", "let them run again", 0, 0, cmd_resume},
    {"button", "", "press the power button", 0, 0, cmd_button},
    {"nmi", "[VCPU]", "send a non-maskable interrupt", 0, 1, cmd_nmi},
    {"reset", "", "reset the VM", 0, 0, cmd_reset},
    {"poweroff", "", "end the VM at once", 0, 0, cmd_off},
};
const size_t monitor_command_count = sizeof(monitor_commands) / sizeof(monitor_commands[0]);

// SPDX-License-Identifier: MIT
/* What to do when the guest stops. Every handler is total: whatever the guest's registers hold, it either goes on, gets
 * an exception, or its VM ends. Instructions are decoded from guest memory where the hardware does not tell their
 * length (SVM without NRIPS). */
#include "bus.h"
#include "cpu/cpuid.h"
#include "cpu/emulate.h"
#include "cpu/msr.h"
#include "cpu/paging.h"
#include "dev/lapic.h"
#include "gmem.h"
#include "log.h"
#include "vcpu.h"

#include <inttypes.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <stdio.h>
#include <util/bits.h>

#define SEG_L BIT(9)
#define SEG_D BIT(10)
#define CR0_PE BIT(0)
#define EFER_LMA BIT(10)

static void base_dirty(void)
{
    cpu->state->dirty |= VCPU_GROUP_BASE;
}

/* Brings groups into the page unless they are there. */
static bool need(uint32_t groups)
{
    if ((cpu->state->valid & groups) == groups) {
        return true;
    }
    int64_t err = sys_vcpu_get(cpu->cap, groups);
    if (err < 0) {
        char why[80];
        snprintf(why, sizeof(why), "the kernel does not give the vcpu's state: %s", sk_strerror(err));
        vm_crash(why);
    }
    return err >= 0;
}

void vcpu_inject_exception(unsigned vector, bool error_code)
{
    cpu->state->run.inject = VCPU_EVENT_VALID | VCPU_EVENT_EXCP | vector | (error_code ? VCPU_EVENT_EV : 0);
}

static void inject_gp(void)
{
    vcpu_inject_exception(EXCP_GP, true);
}

static enum insn_mode code_mode(const struct vcpu_state *s)
{
    if ((s->efer & EFER_LMA) != 0 && (s->cs.attr & SEG_L) != 0) {
        return INSN_64;
    }
    return (s->cs.attr & SEG_D) != 0 ? INSN_32 : INSN_16;
}

static enum insn_error insn_fetch(struct insn *i)
{
    const struct vcpu_state *s = cpu->state;
    struct paging p = {s->cr0, s->cr3, s->cr4, s->efer};
    enum insn_mode mode = code_mode(s);
    uint64_t rip = mode == INSN_64 ? s->rip : (s->cs.base + s->rip) & 0xffffffff;
    uint8_t bytes[INSN_MAX];

    /* What the hardware fetched may end with a page: then the rest is in memory. */
    if (s->exit.insn_bytes_len > 0 && s->exit.insn_bytes_len <= sizeof(s->exit.insn_bytes)) {
        enum insn_error err = insn_decode(s->exit.insn_bytes, s->exit.insn_bytes_len, mode, i);
        if (err != INSN_TRUNCATED) {
            return err;
        }
    }
    return insn_decode(bytes, paging_fetch(&p, rip, bytes, sizeof(bytes)), mode, i);
}

static void skip(unsigned len)
{
    struct vcpu_state *s = cpu->state;

    s->rip += len;
    if (code_mode(s) != INSN_64) {
        s->rip &= 0xffffffff;
    }
    s->int_shadow = 0;
    base_dirty();
}

/* Goes behind an intercepted instruction. false: it could not be found; the VM ends. */
static bool skip_insn(void)
{
    struct insn i;

    if (cpu->state->exit.insn_len != 0) {
        skip(min(cpu->state->exit.insn_len, (uint32_t)INSN_MAX));
        return true;
    }
    if (insn_fetch(&i) != INSN_OK) {
        vm_crash("cannot decode an intercepted instruction");
        return false;
    }
    skip(i.len);
    return true;
}

/* --- memory-mapped registers and string I/O --- */

static struct paging walk; /* of the instruction being emulated */

static int mem_read_part(uint64_t linear, unsigned width, uint64_t *value)
{
    uint64_t gpa;

    *value = 0;
    if (paging_translate(&walk, linear, &gpa) != 0) {
        return SK_ENOENT;
    }
    if (ram_read(gpa, value, width) != 0) {
        *value = bus_mmio_read(gpa, width);
    }
    return 0;
}

static int mem_write_part(uint64_t linear, unsigned width, uint64_t value)
{
    uint64_t gpa;

    if (paging_translate(&walk, linear, &gpa) != 0) {
        return SK_ENOENT;
    }
    if (ram_write(gpa, &value, width) != 0) {
        bus_mmio_write(gpa, width, value);
    }
    return 0;
}

static bool crosses_page(uint64_t linear, unsigned width)
{
    return (linear & 0xfff) + width > 0x1000;
}

static int emu_mem_read(void *ctx, uint64_t linear, unsigned width, uint64_t *value)
{
    uint64_t byte;

    (void)ctx;
    if (!crosses_page(linear, width)) {
        return mem_read_part(linear, width, value);
    }
    *value = 0;
    for (unsigned i = 0; i < width; i++) {
        if (mem_read_part(linear + i, 1, &byte) != 0) {
            return SK_ENOENT;
        }
        *value |= (byte & 0xff) << (8 * i);
    }
    return 0;
}

static int emu_mem_write(void *ctx, uint64_t linear, unsigned width, uint64_t value)
{
    uint64_t gpa;

    (void)ctx;
    if (!crosses_page(linear, width)) {
        return mem_write_part(linear, width, value);
    }
    if (paging_translate(&walk, linear, &gpa) != 0 || paging_translate(&walk, linear + width - 1, &gpa) != 0) {
        return SK_ENOENT;
    }
    for (unsigned i = 0; i < width; i++) {
        if (mem_write_part(linear + i, 1, value >> (8 * i) & 0xff) != 0) {
            return SK_ENOENT;
        }
    }
    return 0;
}

static uint32_t emu_port_in(void *ctx, uint16_t port, unsigned width)
{
    (void)ctx;
    return bus_port_read(port, width);
}

static void emu_port_out(void *ctx, uint16_t port, unsigned width, uint32_t value)
{
    (void)ctx;
    bus_port_write(port, width, value);
}

static const struct emu_ops emu_ops = {emu_mem_read, emu_mem_write, emu_port_in, emu_port_out};

static void emulate(const struct insn *i)
{
    struct vcpu_state *s = cpu->state;
    struct emu e = {&emu_ops,
                    NULL,
                    code_mode(s),
                    s->gpr,
                    &s->rip,
                    &s->rflags,
                    {s->es.base, s->cs.base, s->ss.base, s->ds.base, s->fs.base, s->gs.base}};

    if (e.mode == INSN_64) {
        e.seg_base[0] = e.seg_base[1] = e.seg_base[2] = e.seg_base[3] = 0;
    }
    walk = (struct paging){s->cr0, s->cr3, s->cr4, s->efer};
    enum emu_result r = emu_execute(&e, i);
    base_dirty();
    if (r == EMU_DONE) {
        s->int_shadow = 0;
    }
    /* EMU_FAULT: a mapping went away under the instruction; it runs again and takes the guest's own page fault. */
}

static void emulate_insn(const char *what)
{
    char why[120];
    struct insn i;

    if (!need(VCPU_GROUP_BASE | VCPU_GROUP_SEG)) {
        return;
    }
    enum insn_error err = insn_fetch(&i);
    if (err == INSN_TRUNCATED) {
        return; /* the code's page is not there any more: as EMU_FAULT */
    }
    if (err != INSN_OK || i.op == INSN_SIMPLE) {
        snprintf(why, sizeof(why), "%s at address 0x%" PRIx64 " by an instruction that uvmm does not emulate", what,
                 cpu->state->exit.gpa);
        vm_crash(why);
        return;
    }
    emulate(&i);
}

static void exit_mmio(void)
{
    const struct vcpu_exit *x = &cpu->state->exit;

    if ((x->idt_vectoring & VCPU_EVENT_VALID) != 0) {
        vm_crash("its stack or interrupt table lies outside RAM");
    } else if ((x->access & VCPU_ACCESS_PT_WALK) != 0) {
        vm_crash("its page tables lie outside RAM");
    } else if ((x->access & RIGHT_X) != 0) {
        vm_crash("it executes outside RAM");
    } else {
        emulate_insn("access");
    }
}

static void exit_io(void)
{
    struct vcpu_state *s = cpu->state;
    const struct vcpu_exit *x = &s->exit;
    uint64_t mask = x->io_width >= 4 ? 0xffffffffull : (1ull << (8 * x->io_width)) - 1;

    if (x->io_string != 0) {
        emulate_insn("string I/O");
        return;
    }
    if (!skip_insn()) {
        return;
    }
    if (x->io_in == 0) {
        bus_port_write(x->io_port, x->io_width, (uint32_t)(s->gpr[GPR_RAX] & mask));
        return;
    }
    uint32_t v = bus_port_read(x->io_port, x->io_width);
    s->gpr[GPR_RAX] = x->io_width >= 4 ? v : (s->gpr[GPR_RAX] & ~mask) | (v & mask);
}

/* --- instructions --- */

static void exit_cpuid(void)
{
    struct vcpu_state *s = cpu->state;

    /* Only leaf 0xd shows XCR0; the group costs a kernel call. */
    if (((uint32_t)s->gpr[GPR_RAX] == CPUID_XSAVE && !need(VCPU_GROUP_MSR)) || !skip_insn()) {
        return;
    }
    struct cpuid_guest g = {s->cr4, s->xcr0, cpu->index, vcpu_count};
    struct cpuid_regs r = cpuid_guest_leaf((uint32_t)s->gpr[GPR_RAX], (uint32_t)s->gpr[GPR_RCX], &g);
    s->gpr[GPR_RAX] = r.eax;
    s->gpr[GPR_RBX] = r.ebx;
    s->gpr[GPR_RCX] = r.ecx;
    s->gpr[GPR_RDX] = r.edx;
}

/* x2APIC registers and the TSC deadline are frequent and need no state. */
static bool msr_is_apic(uint32_t msr)
{
    return msr == MSR_TSC_DEADLINE || msr - MSR_X2APIC_FIRST <= MSR_X2APIC_LAST - MSR_X2APIC_FIRST;
}

static void exit_rdmsr(void)
{
    struct vcpu_state *s = cpu->state;
    uint32_t msr = (uint32_t)s->gpr[GPR_RCX];
    uint64_t v = 0;

    if (!msr_is_apic(msr) && !need(VCPU_GROUP_MSR | VCPU_GROUP_SEG | VCPU_GROUP_TSC)) {
        return;
    }
    if (!msr_read(s, msr, &v)) {
        log_debug(LOG_CPU, "rdmsr 0x%x: no such register, #GP", msr);
        inject_gp();
    } else if (skip_insn()) {
        s->gpr[GPR_RAX] = (uint32_t)v;
        s->gpr[GPR_RDX] = v >> 32;
    }
}

static void exit_wrmsr(void)
{
    struct vcpu_state *s = cpu->state;
    uint32_t msr = (uint32_t)s->gpr[GPR_RCX];
    uint64_t v = (uint32_t)s->gpr[GPR_RAX] | s->gpr[GPR_RDX] << 32;

    if (!msr_is_apic(msr) && !need(VCPU_GROUP_MSR | VCPU_GROUP_SEG | VCPU_GROUP_TSC)) {
        return;
    }
    if (!msr_write(s, msr, v)) {
        log_debug(LOG_CPU, "wrmsr 0x%x = 0x%" PRIx64 ": refused, #GP", msr, v);
        inject_gp();
    } else {
        (void)skip_insn();
    }
}

static void exit_xsetbv(void)
{
    struct vcpu_state *s = cpu->state;
    uint64_t v = (uint32_t)s->gpr[GPR_RAX] | s->gpr[GPR_RDX] << 32;

    if (!need(VCPU_GROUP_MSR)) {
        return;
    }
    if ((uint32_t)s->gpr[GPR_RCX] != 0 || s->cpl != 0 || !cpuid_xcr0_valid(v)) {
        inject_gp();
    } else if (skip_insn()) {
        s->xcr0 = v;
        s->dirty |= VCPU_GROUP_MSR;
    }
}

/* CR8 only. The register number is bits 2:0 of ModRM and REX.B where the hardware does not tell it. */
static void exit_cr(void)
{
    struct vcpu_state *s = cpu->state;
    unsigned gpr = s->exit.cr_gpr;
    bool write = s->exit.cr_write != 0;

    if (gpr >= GPR_COUNT) {
        struct paging p = {s->cr0, s->cr3, s->cr4, s->efer};
        uint8_t b[INSN_MAX];
        struct insn i;
        unsigned n = paging_fetch(&p, s->cs.base * (code_mode(s) != INSN_64) + s->rip, b, sizeof(b));
        if (insn_decode(b, n, code_mode(s), &i) != INSN_OK || i.len < 3) {
            vm_crash("cannot decode an access to CR8");
            return;
        }
        bool rex = i.len >= 4 && (b[i.len - 4] & 0xf1) == 0x41;
        gpr = (b[i.len - 1] & 7u) | (rex && code_mode(s) == INSN_64 ? 8u : 0);
    }
    if (s->exit.cr_nr != 8) {
        vm_crash("access to a control register that should not exit");
        return;
    }
    if (!skip_insn()) {
        return;
    }
    if (write) {
        lapic_cr8_write((uint8_t)s->gpr[gpr]);
    } else {
        s->gpr[gpr] = lapic_cr8_read();
    }
}

static void exit_hlt(void)
{
    if (skip_insn()) {
        cpu->activity = VCPU_HALTED;
    }
}

/* KVM's hypercalls [kernel.org: "Linux KVM Hypercall"]: number in RAX, arguments in RBX, RCX, ... */
#define HC_KICK_CPU 5u
#define HC_EPERM ((uint64_t)-1)
#define HC_ENOSYS ((uint64_t)-1000)

/* Ends the HLT of the vcpu with this APIC id, or its next one: who waits for a lock halts. */
static uint64_t hypercall_kick(uint64_t apic_id)
{
    if (apic_id < vcpu_count) {
        vcpus[apic_id].unhalt = true;
        vcpu_kick((unsigned)apic_id);
    }
    return 0;
}

static void exit_vmcall(void)
{
    struct vcpu_state *s = cpu->state;

    if (!skip_insn()) {
        return;
    }
    if (s->cpl != 0) {
        s->gpr[GPR_RAX] = HC_EPERM;
    } else {
        s->gpr[GPR_RAX] = s->gpr[GPR_RAX] == HC_KICK_CPU ? hypercall_kick(s->gpr[GPR_RCX]) : HC_ENOSYS;
    }
}

static void exit_fatal(const char *what)
{
    char why[120];

    snprintf(why, sizeof(why), "%s (code 0x%" PRIx64 ")", what, cpu->state->exit.qual);
    vm_crash(why);
}

void exit_handle(void)
{
    switch (cpu->state->exit.reason) {
    case VCPU_EXIT_NONE:
        return;
    case VCPU_EXIT_IO:
        exit_io();
        return;
    case VCPU_EXIT_MMIO:
        exit_mmio();
        return;
    case VCPU_EXIT_CPUID:
        exit_cpuid();
        return;
    case VCPU_EXIT_RDMSR:
        exit_rdmsr();
        return;
    case VCPU_EXIT_WRMSR:
        exit_wrmsr();
        return;
    case VCPU_EXIT_HLT:
        exit_hlt();
        return;
    case VCPU_EXIT_IRQ_WINDOW:
        return; /* the loop injects what waits */
    case VCPU_EXIT_NMI_WINDOW:
        return;
    case VCPU_EXIT_XSETBV:
        exit_xsetbv();
        return;
    case VCPU_EXIT_CR:
        exit_cr();
        return;
    case VCPU_EXIT_VMCALL:
        exit_vmcall();
        return;
    case VCPU_EXIT_INVALID_OP:
        vcpu_inject_exception(EXCP_UD, false);
        return;
    case VCPU_EXIT_WBINVD:
        (void)skip_insn();
        return;
    case VCPU_EXIT_SHUTDOWN:
        vm_crash("triple fault");
        return;
    case VCPU_EXIT_INIT:
        vm_crash("INIT");
        return;
    case VCPU_EXIT_INVALID:
        exit_fatal("its processor state cannot be entered");
        return;
    default:
        exit_fatal("the processor reports an unexpected exit");
        return;
    }
}

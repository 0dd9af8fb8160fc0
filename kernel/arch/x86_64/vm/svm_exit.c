// SPDX-License-Identifier: MIT
/* Exits from a guest: what the kernel finishes itself, and the description of the others for the VMM. */

#include "cpu.h"
#include "svm.h"

/* Exits that need no more than a reason. insn: an instruction's, so that nRIP is its end. */
static const struct {
    uint8_t reason;
    bool insn;
} exit_table[] = {
    [SVM_EXIT_VINTR] = { VCPU_EXIT_IRQ_WINDOW, false },
    [SVM_EXIT_RDPMC] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_CPUID] = { VCPU_EXIT_CPUID, true },
    [SVM_EXIT_RSM] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_INVD] = { VCPU_EXIT_WBINVD, true },
    [SVM_EXIT_HLT] = { VCPU_EXIT_HLT, true },
    [SVM_EXIT_INVLPGA] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_SHUTDOWN] = { VCPU_EXIT_SHUTDOWN, false },
    [SVM_EXIT_VMRUN] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_VMMCALL] = { VCPU_EXIT_VMCALL, true },
    [SVM_EXIT_VMLOAD] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_VMSAVE] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_STGI] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_CLGI] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_SKINIT] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_WBINVD] = { VCPU_EXIT_WBINVD, true },
    [SVM_EXIT_MONITOR] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_MWAIT] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_MWAIT_ARMED] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_XSETBV] = { VCPU_EXIT_XSETBV, true },
    [SVM_EXIT_RDPRU] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_INVLPGB] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_INVLPGB_ILLEGAL] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_MCOMMIT] = { VCPU_EXIT_INVALID_OP, true },
    [SVM_EXIT_TLBSYNC] = { VCPU_EXIT_INVALID_OP, true },
};

static void exit_set_next(const struct vcpu_arch *v, struct vcpu_exit *e, uint64_t next_rip)
{
    e->next_rip = next_rip;
    e->insn_len = (uint32_t)(next_rip - v->vmcb->save.rip);
}

static void exit_set_insn(const struct vcpu_arch *v, struct vcpu_exit *e)
{
    if (svm_cpu.features & VM_FEAT_NEXT_RIP) {
        exit_set_next(v, e, v->vmcb->control.nrip);
    }
}

/* The machine check belongs to the host: its handler runs by its own vector. [APM-2 15.12.15] */
static enum vm_result exit_machine_check(void)
{
    asm volatile("int $18" : : : "memory");
    return vm_exit_host();
}

/* --- I/O ports --------------------------------------------------------------------------------------------- */

/* The instruction is done, and what the processor would do behind it. */
static void insn_complete(struct vcpu_arch *v, uint64_t next_rip)
{
    struct vmcb *m = v->vmcb;

    m->save.rip = next_rip;
    m->control.interrupt_shadow = 0;
    if (m->save.rflags & RFLAGS_TF) {
        m->save.dr6 |= DR6_BS;
        m->control.eventinj = VCPU_EVENT_VALID | VCPU_EVENT_EXCP | EXCP_DB;
    }
}

static enum vm_result exit_io(struct vcpu_arch *v)
{
    const struct vmcb_control *c = &v->vmcb->control;
    uint64_t info = c->exitinfo1;
    uint16_t port = SVM_IOIO_PORT(info);
    uint8_t width = (uint8_t)SVM_IOIO_SIZE(info);
    bool plain_out = !(info & (SVM_IOIO_IN | SVM_IOIO_STRING));
    struct irq_target *target = plain_out ? vm_doorbell(v, port, width, (uint32_t)v->vmcb->save.rax) : NULL;

    if (target) {
        insn_complete(v, c->exitinfo2);
        return vm_exit_doorbell(target);
    }
    struct vcpu_exit e = {
        .reason = VCPU_EXIT_IO,
        .io_port = port,
        .io_width = width,
        .io_in = (info & SVM_IOIO_IN) != 0,
    };
    if (info & SVM_IOIO_STRING) {
        e.io_string = 1;
        e.io_rep = (info & SVM_IOIO_REP) != 0;
        e.io_addr_width = (uint8_t)(SVM_IOIO_ADDR(info) * 2);
        e.io_seg = svm_cpu.features & VM_FEAT_DECODE ? (uint8_t)SVM_IOIO_SEG(info) : VM_UNKNOWN;
        if (e.io_in) {
            e.io_seg = VM_SEG_ES; /* INS has no other */
        }
    }
    exit_set_next(v, &e, c->exitinfo2);
    return vm_exit_tell(v, &e);
}

/* --- the others ------------------------------------------------------------------------------------------- */

static enum vm_result exit_nested_fault(struct vcpu_arch *v)
{
    const struct vmcb_control *c = &v->vmcb->control;
    struct vcpu_exit e = { .reason = VCPU_EXIT_MMIO, .gpa = c->exitinfo2, .access = RIGHT_R };

    if (c->exitinfo1 & SVM_NPF_EXEC) {
        e.access = RIGHT_X;
    } else if (c->exitinfo1 & SVM_NPF_WRITE) {
        e.access = RIGHT_W;
    }
    if (c->exitinfo1 & SVM_NPF_PT_WALK) {
        e.access |= VCPU_ACCESS_PT_WALK;
    }
    if (svm_cpu.features & VM_FEAT_DECODE) {
        uint8_t len = c->insn_len & 0xf;

        e.insn_bytes_len = len;
        for (unsigned i = 0; i < len; i++) {
            e.insn_bytes[i] = c->insn_bytes[i];
        }
    }
    return vm_exit_tell(v, &e);
}

/* Without nRIP: PAUSE is F3 90, and what is left of one with more prefixes is a PAUSE or NOP. */
static enum vm_result exit_pause(struct vcpu_arch *v)
{
    const struct vmcb *m = v->vmcb;

    insn_complete(v, svm_cpu.features & VM_FEAT_NEXT_RIP ? m->control.nrip : m->save.rip + 2);
    core_stat.vm_exits_by_reason[VCPU_EXIT_PAUSE]++;
    return VM_PAUSE;
}

static enum vm_result exit_msr(struct vcpu_arch *v)
{
    bool write = v->vmcb->control.exitinfo1 & SVM_MSR_WRITE;
    struct vcpu_exit e = { .reason = write ? VCPU_EXIT_WRMSR : VCPU_EXIT_RDMSR };

    exit_set_insn(v, &e);
    return vm_exit_tell(v, &e);
}

static enum vm_result exit_cr(struct vcpu_arch *v, unsigned code)
{
    uint64_t info = v->vmcb->control.exitinfo1;
    bool known = (svm_cpu.features & VM_FEAT_DECODE) && (info & SVM_CR_MOV);
    struct vcpu_exit e = {
        .reason = VCPU_EXIT_CR,
        .cr_nr = code & 0xf,
        .cr_write = code >= SVM_EXIT_WRITE_CR0,
        .cr_gpr = known ? SVM_CR_GPR(info) : VM_UNKNOWN,
    };

    exit_set_insn(v, &e);
    return vm_exit_tell(v, &e);
}

/* VMRUN refused the state, although it was checked. The save area is no longer this guest's for certain. */
static enum vm_result exit_invalid(struct vcpu_arch *v)
{
    struct vcpu_exit e = { .reason = VCPU_EXIT_INVALID, .qual = VCPU_INVALID_HARDWARE };

    vm_vcpu_reset(v);
    return vm_exit_tell(v, &e);
}

static enum vm_result exit_by_table(struct vcpu_arch *v, uint64_t code)
{
    struct vcpu_exit e = { .reason = VCPU_EXIT_FAILURE, .qual = code };

    if (code < ARRAY_SIZE(exit_table) && exit_table[code].reason) {
        e.reason = exit_table[code].reason;
        e.qual = 0;
        if (exit_table[code].insn) {
            exit_set_insn(v, &e);
        }
    }
    return vm_exit_tell(v, &e);
}

/* Exits that neither end the run nor concern the rest of the kernel; the run goes on by way of core_next(). */
static enum vm_result exit_iret(struct vcpu_arch *v)
{
    svm_nmi_iret(v);
    return vm_exit_host();
}

enum vm_result svm_exit_nmi_window(struct vcpu_arch *v)
{
    struct vcpu_exit e = { .reason = VCPU_EXIT_NMI_WINDOW };

    v->nmi_window = false;
    return vm_exit_tell(v, &e);
}

static enum vm_result exit_irq_window(struct vcpu_arch *v)
{
    struct vmcb_control *c = &v->vmcb->control;

    c->v_intr &= ~SVM_V_IRQ;
    c->intercept1 &= ~SVM_I1_VINTR;
    return exit_by_table(v, SVM_EXIT_VINTR);
}

/* INT n, INT3 and INTO of the guest stand before their instruction, which is executed again. Not so what the VMM injected. */
static bool event_is_instruction(const struct vcpu_arch *v, uint64_t event)
{
    bool soft = EVENT_TYPE(event) == VCPU_EVENT_SOFTINT ||
                (EVENT_TYPE(event) == VCPU_EVENT_EXCP && (EVENT_VECTOR(event) == 3 || EVENT_VECTOR(event) == 4));

    return soft && event != v->injected;
}

/* An event whose delivery the exit interrupted is to be delivered at the next entry, unless the VMM gets it. */
static void event_keep(struct vcpu_arch *v)
{
    struct vmcb_control *c = &v->vmcb->control;
    uint64_t event = c->exitintinfo;

    c->eventinj = (event & VCPU_EVENT_VALID) && !event_is_instruction(v, event) ? event : 0;
}

void svm_exit_begin(struct vcpu_arch *v)
{
    event_keep(v);
    if (v->vmcb->control.exitcode == SVM_EXIT_DB) {
        svm_nmi_debug(v);
    } else {
        svm_nmi_unstep(v);
    }
}

enum vm_result svm_exit(struct vcpu_arch *v)
{
    uint64_t code = v->vmcb->control.exitcode;

    switch ((int32_t)code) {
    case SVM_EXIT_DB:
    case SVM_EXIT_INTR:
    case SVM_EXIT_NMI:
    case SVM_EXIT_SMI:
    case SVM_EXIT_INIT:
        return vm_exit_host();
    case SVM_EXIT_IOIO:
        return exit_io(v);
    case SVM_EXIT_NPF:
        return exit_nested_fault(v);
    case SVM_EXIT_MSR:
        return exit_msr(v);
    case SVM_EXIT_PAUSE:
        return exit_pause(v);
    case SVM_EXIT_VINTR:
        return exit_irq_window(v);
    case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_CR15:
        return exit_cr(v, (unsigned)code);
    case SVM_EXIT_IRET:
        return exit_iret(v);
    case SVM_EXIT_MC:
        return exit_machine_check();
    case SVM_EXIT_INVALID:
        return exit_invalid(v);
    default:
        return exit_by_table(v, code);
    }
}

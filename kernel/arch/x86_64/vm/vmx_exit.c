// SPDX-License-Identifier: MIT
/* Exits from a guest: what the kernel finishes itself, and the description of the others for the VMM. The VMCS is the
 * current one. */

#include "cpu.h"
#include "vmx.h"

#define EXCP_GP 13u
#define VECTOR_NMI 2u
#define ATTR_L (1u << 9)

/* Exits that need no more than a reason. insn: an instruction's, with its length. */
static const struct {
    uint8_t reason;
    bool insn;
} exit_table[] = {
    [VMX_EXIT_TRIPLE_FAULT] = {VCPU_EXIT_SHUTDOWN, false},
    [VMX_EXIT_CPUID] = {VCPU_EXIT_CPUID, true},
    [VMX_EXIT_GETSEC] = {VCPU_EXIT_INVALID_OP, true},
    [VMX_EXIT_HLT] = {VCPU_EXIT_HLT, true},
    [VMX_EXIT_INVD] = {VCPU_EXIT_WBINVD, true},
    [VMX_EXIT_RDPMC] = {VCPU_EXIT_INVALID_OP, true},
    [VMX_EXIT_VMCALL] = {VCPU_EXIT_VMCALL, true},
    [VMX_EXIT_VMCLEAR ... VMX_EXIT_VMXON] = {VCPU_EXIT_INVALID_OP, true},
    [VMX_EXIT_RDMSR] = {VCPU_EXIT_RDMSR, true},
    [VMX_EXIT_WRMSR] = {VCPU_EXIT_WRMSR, true},
    [VMX_EXIT_MWAIT] = {VCPU_EXIT_INVALID_OP, true},
    [VMX_EXIT_MONITOR] = {VCPU_EXIT_INVALID_OP, true},
    [VMX_EXIT_INVEPT] = {VCPU_EXIT_INVALID_OP, true},
    [VMX_EXIT_INVVPID] = {VCPU_EXIT_INVALID_OP, true},
    [VMX_EXIT_WBINVD] = {VCPU_EXIT_WBINVD, true},
    [VMX_EXIT_XSETBV] = {VCPU_EXIT_XSETBV, true},
    [VMX_EXIT_VMFUNC] = {VCPU_EXIT_INVALID_OP, true},
};

static bool is_64bit_code(void)
{
    return (vmcs_read(VMCS_GUEST_EFER) & EFER_LMA) && (vmcs_read(VMCS_GUEST_ES_ACCESS + 2 * VMX_CS) & ATTR_L << 4);
}

static void exit_set_insn(struct vcpu_exit *e)
{
    e->insn_len = (uint32_t)vmcs_read(VMCS_EXIT_INSN_LEN);
    e->next_rip = vmcs_read(VMCS_GUEST_RIP) + e->insn_len;
    if (!is_64bit_code()) {
        e->next_rip &= UINT32_MAX;
    }
}

static void inject_exception(struct vcpu_arch *v, unsigned vector, uint64_t error)
{
    v->event = VCPU_EVENT_VALID | VCPU_EVENT_EXCP | vector | error;
}

static enum vm_result exit_by_table(struct vcpu_arch *v, uint32_t code)
{
    struct vcpu_exit e = {.reason = VCPU_EXIT_FAILURE, .qual = code};

    if (code < ARRAY_SIZE(exit_table) && exit_table[code].reason) {
        e.reason = exit_table[code].reason;
        e.qual = 0;
        if (exit_table[code].insn) {
            exit_set_insn(&e);
        }
    }
    return vm_exit_tell(v, &e);
}

/* --- the host's own ---------------------------------------------------------------------------------------- */

/* Only NMIs and machine checks come here: their handlers run by their own vectors. [SDM-3 28.2.2] */
static enum vm_result exit_exception(struct vcpu_arch *v)
{
    uint32_t info = (uint32_t)vmcs_read(VMCS_EXIT_EVENT);

    if (VMX_EVENT_TYPE(info) == VMX_EVENT_NMI) {
        asm volatile("int %0" : : "i"(VECTOR_NMI) : "memory");
        return vm_exit_host();
    }
    if ((info & 0xff) == EXCP_MC) {
        asm volatile("int $18" : : : "memory");
        return vm_exit_host();
    }
    return exit_by_table(v, VMX_EXIT_EXCEPTION);
}

/* --- I/O ports --------------------------------------------------------------------------------------------- */

/* The instruction is done, and what the processor would do behind it. */
static void insn_complete(struct vcpu_arch *v)
{
    struct vcpu_exit e = {0};

    exit_set_insn(&e);
    vmcs_write(VMCS_GUEST_RIP, e.next_rip);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint64_t)VMX_SHADOW);
    if (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_TF) {
        vmcs_write(VMCS_GUEST_PENDING_DEBUG, vmcs_read(VMCS_GUEST_PENDING_DEBUG) & ~VMX_PENDING_BS);
        v->dr6 |= DR6_BS;
        inject_exception(v, EXCP_DB, 0);
    }
}

static void io_set_string(struct vcpu_exit *e, uint64_t qual)
{
    e->io_string = 1;
    e->io_rep = qual & VMX_IO_REP ? 1 : 0;
    e->io_seg = VM_UNKNOWN;
    if (vmx_cpu.io_info) {
        uint32_t info = (uint32_t)vmcs_read(VMCS_EXIT_INSN_INFO);

        e->io_addr_width = (uint8_t)(2u << VMX_INFO_ADDR(info));
        e->io_seg = (uint8_t)VMX_INFO_SEG(info);
    }
    if (e->io_in) {
        e->io_seg = VM_SEG_ES; /* INS has no other */
    }
}

static enum vm_result exit_io(struct vcpu_arch *v)
{
    uint64_t qual = vmcs_read(VMCS_EXIT_QUALIFICATION);
    uint16_t port = VMX_IO_PORT(qual);
    uint8_t width = (uint8_t)VMX_IO_SIZE(qual);
    bool plain_out = !(qual & (VMX_IO_IN | VMX_IO_STRING));
    struct irq_target *target = plain_out ? vm_doorbell(v, port, width, (uint32_t)v->gpr[GPR_RAX]) : NULL;

    if (target) {
        insn_complete(v);
        return vm_exit_doorbell(target);
    }
    struct vcpu_exit e = {
        .reason = VCPU_EXIT_IO,
        .io_port = port,
        .io_width = width,
        .io_in = (qual & VMX_IO_IN) != 0,
    };
    if (qual & VMX_IO_STRING) {
        io_set_string(&e, qual);
    }
    exit_set_insn(&e);
    return vm_exit_tell(v, &e);
}

/* --- control registers ---------------------------------------------------------------------------------------- */

static uint64_t gpr_read(const struct vcpu_arch *v, unsigned n)
{
    return n == GPR_RSP ? vmcs_read(VMCS_GUEST_RSP) : v->gpr[n];
}

/* The guest writes a masked bit of CR0. It gets what it wrote in the shadow and executes the instruction again, which
 * then does not exit; all else that the instruction does or refuses is the processor's business. */
static enum vm_result exit_cr0(struct vcpu_arch *v, uint64_t value)
{
    if ((value & CR0_NW) && !(value & CR0_CD)) {
        inject_exception(v, EXCP_GP, VCPU_EVENT_EV);
    } else {
        vmcs_write(VMCS_CR0_SHADOW, value);
    }
    return vm_exit_host();
}

/* CR8 is the VMM's; masked bits of CR4 are bits that this guest's processor does not have. */
static enum vm_result exit_cr(struct vcpu_arch *v)
{
    uint64_t qual = vmcs_read(VMCS_EXIT_QUALIFICATION);
    unsigned nr = VMX_CR_NUMBER(qual), type = VMX_CR_TYPE(qual);
    struct vcpu_exit e = {
        .reason = VCPU_EXIT_CR,
        .cr_nr = (uint8_t)nr,
        .cr_write = type == VMX_CR_MOV_TO,
        .cr_gpr = VMX_CR_GPR(qual),
    };

    if (nr == 0 && type == VMX_CR_MOV_TO) {
        return exit_cr0(v, gpr_read(v, e.cr_gpr));
    }
    if (nr == 4 && type == VMX_CR_MOV_TO) {
        inject_exception(v, EXCP_GP, VCPU_EVENT_EV);
        return vm_exit_host();
    }
    if (nr != 8) {
        return exit_by_table(v, VMX_EXIT_CR);
    }
    exit_set_insn(&e);
    return vm_exit_tell(v, &e);
}

/* --- the others ------------------------------------------------------------------------------------------- */

static enum vm_result exit_ept(struct vcpu_arch *v)
{
    uint64_t qual = vmcs_read(VMCS_EXIT_QUALIFICATION);
    struct vcpu_exit e = {.reason = VCPU_EXIT_MMIO, .gpa = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS), .access = RIGHT_R};

    if (qual & VMX_EPT_EXEC) {
        e.access = RIGHT_X;
    } else if (qual & VMX_EPT_WRITE) {
        e.access = RIGHT_W;
    }
    if ((qual & VMX_EPT_LINEAR) && !(qual & VMX_EPT_TRANSLATION)) {
        e.access |= VCPU_ACCESS_PT_WALK;
    }
    if ((qual & VMX_EVENT_UNBLOCK) && !(vmcs_read(VMCS_IDT_EVENT) & VMX_EVENT_VALID)) {
        /* IRET is executed again: the NMI is still being handled [SDM-3 28.2.3] */
        vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) | VMX_BLOCK_NMI);
    }
    return vm_exit_tell(v, &e);
}

static enum vm_result exit_window(struct vcpu_arch *v, uint32_t control, enum vcpu_exit_reason reason)
{
    struct vcpu_exit e = {.reason = reason};

    v->proc_controls &= ~control;
    vmcs_write(VMCS_PROC_CONTROLS, v->proc_controls);
    return vm_exit_tell(v, &e);
}

/* The guest has not run: everything is as it was loaded, the event too. */
enum vm_result vmx_exit_refused(struct vcpu_arch *v)
{
    struct vcpu_exit e = {.reason = VCPU_EXIT_INVALID, .qual = VCPU_INVALID_HARDWARE};

    if (v->rip_back) {
        vmcs_write(VMCS_GUEST_RIP, vmcs_read(VMCS_GUEST_RIP) + 1);
        v->rip_back = false;
    }
    vmcs_write(VMCS_ENTRY_EVENT, 0);
    return vm_exit_tell(v, &e);
}

static enum vm_result exit_pause(struct vcpu_arch *v)
{
    insn_complete(v);
    core_stat.vm_exits_by_reason[VCPU_EXIT_PAUSE]++;
    return VM_PAUSE;
}

static bool is_entry_failure(uint32_t reason)
{
    return (reason & VMX_EXIT_ENTRY_FAILED) != 0;
}

void vmx_exit_begin(struct vcpu_arch *v)
{
    if (!is_entry_failure((uint32_t)vmcs_read(VMCS_EXIT_REASON))) {
        v->launched = true;
        vmx_event_keep(v);
    }
}

enum vm_result vmx_exit(struct vcpu_arch *v)
{
    uint32_t reason = (uint32_t)vmcs_read(VMCS_EXIT_REASON), code = reason & 0xffff;

    if (is_entry_failure(reason)) {
        if (code == VMX_EXIT_ENTRY_MACHINE_CHECK) {
            asm volatile("int $18" : : : "memory");
        }
        return vmx_exit_refused(v);
    }
    switch (code) {
    case VMX_EXIT_EXCEPTION:
        return exit_exception(v);
    case VMX_EXIT_INTR:
    case VMX_EXIT_INIT:
    case VMX_EXIT_SIPI:
        return vm_exit_host();
    case VMX_EXIT_INTR_WINDOW:
        return exit_window(v, VMX_PROC_INTR_WINDOW, VCPU_EXIT_IRQ_WINDOW);
    case VMX_EXIT_NMI_WINDOW:
        return exit_window(v, VMX_PROC_NMI_WINDOW, VCPU_EXIT_NMI_WINDOW);
    case VMX_EXIT_CR:
        return exit_cr(v);
    case VMX_EXIT_PAUSE:
        return exit_pause(v);
    case VMX_EXIT_IO:
        return exit_io(v);
    case VMX_EXIT_EPT_VIOLATION:
        return exit_ept(v);
    default:
        return exit_by_table(v, code);
    }
}

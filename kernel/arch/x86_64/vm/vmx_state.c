// SPDX-License-Identifier: MIT
/* Guest state between the state page (abi/vcpu.h) and the VMCS, which is the current one here. VM entry checks more than
 * VMRUN: attributes that mean nothing (the granularity of a limit, the accessed bit) are made what it asks for; other
 * contradictions end in VCPU_EXIT_INVALID. [SDM-3 27.3.1] */

#include "cpu.h"
#include "vmx.h"
#include <string.h>

#define EVENT_ERROR(e) ((e) >> 32)
#define EXCP_WITH_ERROR                                                                                                \
    (1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17) /* [SDM-3 table 6-1] */
#define ATTR_ACCESSED (1u << 0)
#define ATTR_S (1u << 4)
#define ATTR_P (1u << 7)
#define ATTR_G (1u << 11)

/* --- segments ----------------------------------------------------------------------------------------------- */

static uint32_t access_of(struct vcpu_seg s)
{
    uint32_t attr = s.attr;

    if (!(attr & ATTR_P)) {
        return VMX_SEG_UNUSABLE | (attr & 0xff) | (attr & 0xf00) << 4;
    }
    if ((s.limit & 0xfff) != 0xfff) {
        attr &= ~ATTR_G;
    } else if (s.limit >> 20) {
        attr |= ATTR_G;
    }
    if (attr & ATTR_S) {
        attr |= ATTR_ACCESSED;
    }
    return (attr & 0xff) | (attr & 0xf00) << 4;
}

static uint16_t attr_of(uint32_t access)
{
    uint32_t attr = (access & 0xff) | (access >> 4 & 0xf00);

    return (uint16_t)(access & VMX_SEG_UNUSABLE ? attr & ~ATTR_P : attr);
}

static void seg_write(enum vmx_seg n, struct vcpu_seg s)
{
    vmcs_write(VMCS_GUEST_ES_SEL + 2 * n, s.sel);
    vmcs_write(VMCS_GUEST_ES_BASE + 2 * n, s.base);
    vmcs_write(VMCS_GUEST_ES_LIMIT + 2 * n, s.limit);
    vmcs_write(VMCS_GUEST_ES_ACCESS + 2 * n, access_of(s));
}

static struct vcpu_seg seg_read(enum vmx_seg n)
{
    return (struct vcpu_seg){
        .sel = (uint16_t)vmcs_read(VMCS_GUEST_ES_SEL + 2 * n),
        .attr = attr_of((uint32_t)vmcs_read(VMCS_GUEST_ES_ACCESS + 2 * n)),
        .limit = (uint32_t)vmcs_read(VMCS_GUEST_ES_LIMIT + 2 * n),
        .base = vmcs_read(VMCS_GUEST_ES_BASE + 2 * n),
    };
}

/* --- control registers --------------------------------------------------------------------------------------- */

static uint64_t cr0_seen(void)
{
    return (vmcs_read(VMCS_GUEST_CR0) & ~VMX_CR0_MASK) | (vmcs_read(VMCS_CR0_SHADOW) & VMX_CR0_MASK);
}

static uint64_t cr4_seen(void)
{
    return vmcs_read(VMCS_GUEST_CR4) & ~vmx_cr4_mask();
}

static bool is_pae(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

/* With PAE paging the processor keeps the four entries that CR3 points to, and a new CR3 means new ones. What is not in
 * the guest's memory is not present. [SDM-3 4.4.1, 27.3.1.6] */
static void pdptes_load(const struct vcpu_arch *v, uint64_t cr3)
{
    uint64_t gpa = cr3 & FIELD(31, 5), page_size, entry[4] = {0};
    uint32_t attr;
    paddr_t pa = pt_lookup(&v->guest->pt, gpa, &attr, &page_size);

    if (pa.v != PADDR_NONE.v && !(attr & PT_DEVICE)) {
        memcpy(entry, phys_to_virt(pa), sizeof(entry));
    }
    for (unsigned i = 0; i < 4; i++) {
        vmcs_write(VMCS_GUEST_PDPTE0 + 2 * i, entry[i]);
    }
}

/* Most runs leave them as they are. What the TLB holds under this vcpu's tag belongs to the old ones. */
static void control_registers_write(struct vcpu_arch *v, const struct vcpu_state *s)
{
    uint64_t cr0 = cr0_seen(), cr3 = vmcs_read(VMCS_GUEST_CR3), cr4 = cr4_seen(), efer = vmcs_read(VMCS_GUEST_EFER);

    v->cr2 = s->cr2;
    if (s->cr0 == cr0 && s->cr3 == cr3 && s->cr4 == cr4 && s->efer == efer) {
        return;
    }
    v->tag_generation = 0;
    if (is_pae(s->cr0, s->cr4, s->efer) && (!is_pae(cr0, cr4, efer) || cr3 != s->cr3)) {
        pdptes_load(v, s->cr3);
    }
    vmcs_write(VMCS_GUEST_CR0, (s->cr0 & ~(CR0_CD | CR0_NW)) | vmx_cpu.cr0_fixed);
    vmcs_write(VMCS_CR0_SHADOW, s->cr0);
    vmcs_write(VMCS_GUEST_CR3, s->cr3);
    vmcs_write(VMCS_GUEST_CR4, s->cr4 | CR4_VMXE);
    vmcs_write(VMCS_CR4_SHADOW, s->cr4);
    vmcs_write(VMCS_GUEST_EFER, s->efer);
    vmcs_write(VMCS_ENTRY_CONTROLS, vmx_cpu.entry | (s->efer & EFER_LMA ? VMX_ENTRYC_IA32E : 0));
}

/* The kind of a shadow stays; a new one is STI's where that can be. A step (TF) is then still to come. [SDM-3 27.3.1.5]
 */
static void shadow_write(bool shadow, uint64_t rflags)
{
    uint32_t old = (uint32_t)vmcs_read(VMCS_GUEST_INTERRUPTIBILITY), block = 0;
    uint64_t pending = vmcs_read(VMCS_GUEST_PENDING_DEBUG) & ~VMX_PENDING_BS;

    if (shadow) {
        block = (rflags & RFLAGS_IF) && !(old & VMX_BLOCK_MOV_SS) ? VMX_BLOCK_STI : VMX_BLOCK_MOV_SS;
        pending |= rflags & RFLAGS_TF ? VMX_PENDING_BS : 0;
    }
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, (old & ~VMX_SHADOW) | block);
    vmcs_write(VMCS_GUEST_PENDING_DEBUG, pending);
}

/* --- load ------------------------------------------------------------------------------------------------- */

static void commit_base(struct vcpu_arch *v, const struct vcpu_state *s)
{
    vmcs_write(VMCS_GUEST_RSP, v->gpr[GPR_RSP]);
    vmcs_write(VMCS_GUEST_RIP, s->rip);
    vmcs_write(VMCS_GUEST_RFLAGS, s->rflags);
    control_registers_write(v, s);
    seg_write(VMX_CS, s->cs);
    seg_write(VMX_SS, s->ss);
    shadow_write(s->int_shadow != 0, s->rflags);
}

static void commit_seg(struct vcpu_arch *v, const struct vcpu_state *s)
{
    (void)v;
    seg_write(VMX_DS, s->ds);
    seg_write(VMX_ES, s->es);
    seg_write(VMX_FS, s->fs);
    seg_write(VMX_GS, s->gs);
    seg_write(VMX_LDTR, s->ldtr);
    seg_write(VMX_TR, s->tr);
    vmcs_write(VMCS_GUEST_GDTR_BASE, s->gdtr.base);
    vmcs_write(VMCS_GUEST_GDTR_LIMIT, s->gdtr.limit);
    vmcs_write(VMCS_GUEST_IDTR_BASE, s->idtr.base);
    vmcs_write(VMCS_GUEST_IDTR_LIMIT, s->idtr.limit);
}

static void commit_msr(struct vcpu_arch *v, const struct vcpu_state *s)
{
    v->msr[VMX_MSR_STAR].value = s->star;
    v->msr[VMX_MSR_LSTAR].value = s->lstar;
    v->msr[VMX_MSR_CSTAR].value = s->cstar;
    v->msr[VMX_MSR_SFMASK].value = s->sfmask;
    v->msr[VMX_MSR_KERNEL_GS_BASE].value = s->kernel_gs_base;
    vmcs_write(VMCS_GUEST_SYSENTER_CS, (uint32_t)s->sysenter_cs);
    vmcs_write(VMCS_GUEST_SYSENTER_ESP, s->sysenter_esp);
    vmcs_write(VMCS_GUEST_SYSENTER_EIP, s->sysenter_eip);
    vmcs_write(VMCS_GUEST_PAT, s->pat);
    vmcs_write(VMCS_GUEST_DR7, s->dr7);
    v->dr6 = s->dr6;
    v->xcr0 = s->xcr0;
    v->tsc_aux = s->tsc_aux;
}

/* The processor's ratio has 48 bits behind the point. [SDM-3 25.6.5] */
static void commit_tsc(struct vcpu_arch *v, const struct vcpu_state *s)
{
    vmcs_write(VMCS_TSC_OFFSET, s->tsc_offset);
    v->tsc_ratio = s->tsc_ratio;
    if (vm_limits.tsc_scale) {
        vmcs_write(VMCS_TSC_MULTIPLIER, s->tsc_ratio << 16);
    }
}

static void commit_windows(struct vcpu_arch *v, bool irq, bool nmi)
{
    uint32_t controls = vmx_cpu.proc | (irq ? VMX_PROC_INTR_WINDOW : 0) | (nmi ? VMX_PROC_NMI_WINDOW : 0);

    if (controls != v->proc_controls) {
        v->proc_controls = controls;
        vmcs_write(VMCS_PROC_CONTROLS, controls);
    }
}

static void commit_run(struct vcpu_arch *v, const struct vm_request *r)
{
    v->event = r->inject;
    commit_windows(v, r->irq_window, r->nmi_window);
}

static struct vm_present present(const struct vcpu_arch *v)
{
    uint32_t block = (uint32_t)vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);

    (void)v;
    return (struct vm_present){
        .rflags = vmcs_read(VMCS_GUEST_RFLAGS),
        .efer = vmcs_read(VMCS_GUEST_EFER),
        .cr4 = cr4_seen(),
        .cs_attr = seg_read(VMX_CS).attr,
        .shadow = (block & VMX_SHADOW) != 0,
        .nmi_blocked = (block & VMX_BLOCK_NMI) != 0,
    };
}

/* --- publish ---------------------------------------------------------------------------------------------- */

static bool shadow_read(void)
{
    return (vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & VMX_SHADOW) != 0;
}

static void publish_base(const struct vcpu_arch *v, struct vcpu_state *s)
{
    s->gpr[GPR_RSP] = vmcs_read(VMCS_GUEST_RSP);
    s->rip = vmcs_read(VMCS_GUEST_RIP);
    s->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
    s->cr0 = cr0_seen();
    s->cr2 = v->cr2;
    s->cr3 = vmcs_read(VMCS_GUEST_CR3);
    s->cr4 = cr4_seen();
    s->efer = vmcs_read(VMCS_GUEST_EFER);
    s->cs = seg_read(VMX_CS);
    s->ss = seg_read(VMX_SS);
    s->int_shadow = shadow_read();
    s->cpl = s->ss.attr >> 5 & 3; /* [SDM-3 25.4.1] */
}

static void publish_seg(const struct vcpu_arch *v, struct vcpu_state *s)
{
    (void)v;
    s->ds = seg_read(VMX_DS);
    s->es = seg_read(VMX_ES);
    s->fs = seg_read(VMX_FS);
    s->gs = seg_read(VMX_GS);
    s->ldtr = seg_read(VMX_LDTR);
    s->tr = seg_read(VMX_TR);
    s->gdtr = (struct vcpu_seg){.limit = (uint32_t)vmcs_read(VMCS_GUEST_GDTR_LIMIT)};
    s->gdtr.base = vmcs_read(VMCS_GUEST_GDTR_BASE);
    s->idtr = (struct vcpu_seg){.limit = (uint32_t)vmcs_read(VMCS_GUEST_IDTR_LIMIT)};
    s->idtr.base = vmcs_read(VMCS_GUEST_IDTR_BASE);
}

static void publish_msr(const struct vcpu_arch *v, struct vcpu_state *s)
{
    s->star = v->msr[VMX_MSR_STAR].value;
    s->lstar = v->msr[VMX_MSR_LSTAR].value;
    s->cstar = v->msr[VMX_MSR_CSTAR].value;
    s->sfmask = v->msr[VMX_MSR_SFMASK].value;
    s->kernel_gs_base = v->msr[VMX_MSR_KERNEL_GS_BASE].value;
    s->sysenter_cs = vmcs_read(VMCS_GUEST_SYSENTER_CS);
    s->sysenter_esp = vmcs_read(VMCS_GUEST_SYSENTER_ESP);
    s->sysenter_eip = vmcs_read(VMCS_GUEST_SYSENTER_EIP);
    s->pat = vmcs_read(VMCS_GUEST_PAT);
    s->dr6 = v->dr6;
    s->dr7 = vmcs_read(VMCS_GUEST_DR7);
    s->xcr0 = v->xcr0;
    s->debugctl = 0;
    s->tsc_aux = v->tsc_aux;
}

static void publish_tsc(const struct vcpu_arch *v, struct vcpu_state *s)
{
    s->tsc_offset = vmcs_read(VMCS_TSC_OFFSET);
    s->tsc_ratio = v->tsc_ratio;
}

void vmx_state_init(struct vcpu_arch *v)
{
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
    vmcs_write(VMCS_GUEST_CR0, 0); /* not the reset state's: control_registers_write() has something to write */
    vmcs_write(VMCS_CR0_SHADOW, 0);
    vm_vcpu_reset(v);
}

/* --- events ------------------------------------------------------------------------------------------------- */

static uint64_t event_take(struct vcpu_arch *v)
{
    uint64_t event = v->event;

    v->event = 0;
    return event;
}

const struct vm_state_ops vmx_state_ops = {
    .present = present,
    .load = {commit_base, commit_seg, commit_msr, commit_tsc},
    .load_run = commit_run,
    .store = {publish_base, publish_seg, publish_msr, publish_tsc},
    .event_take = event_take,
};

/* A software interrupt pushes rip plus the length of its instruction; the ABI's pushes rip. [SDM-3 27.6.1.1] */
static void softint_enter(struct vcpu_arch *v)
{
    v->rip_back = !vmx_cpu.len_0;
    if (v->rip_back) {
        vmcs_write(VMCS_GUEST_RIP, vmcs_read(VMCS_GUEST_RIP) - 1);
    }
    vmcs_write(VMCS_ENTRY_INSN_LEN, v->rip_back);
}

void vmx_event_enter(struct vcpu_arch *v)
{
    uint32_t info = (uint32_t)v->event & ~VMX_EVENT_ERROR;

    v->injected = v->event;
    if (!v->event) {
        return;
    }
    if (EVENT_TYPE(v->event) == VCPU_EVENT_SOFTINT) {
        softint_enter(v);
    } else if (EVENT_TYPE(v->event) == VCPU_EVENT_EXCP && (EXCP_WITH_ERROR >> EVENT_VECTOR(v->event) & 1) &&
               (vmcs_read(VMCS_GUEST_CR0) & CR0_PE)) {
        /* the processor wants an error code exactly where it would push one itself */
        info |= VMX_EVENT_ERROR;
        vmcs_write(VMCS_ENTRY_EVENT_ERROR, (uint32_t)EVENT_ERROR(v->event));
    }
    vmcs_write(VMCS_ENTRY_EVENT, info);
}

/* In the ABI's format; software exceptions are exceptions there. */
static uint64_t event_of(uint32_t info)
{
    uint32_t type = VMX_EVENT_TYPE(info);
    uint64_t event = VCPU_EVENT_VALID | (info & 0xff);

    if (type == VMX_EVENT_INT1 || type == VMX_EVENT_SOFTEXCP) {
        type = VMX_EVENT_EXCP;
    }
    event |= (uint64_t)type << 8;
    return info & VMX_EVENT_ERROR ? event | VCPU_EVENT_EV | vmcs_read(VMCS_IDT_EVENT_ERROR) << 32 : event;
}

/* INT n, INT3 and INTO of the guest stand before their instruction, which is executed again. Not so what the VMM
 * injected. */
static bool event_is_instruction(const struct vcpu_arch *v, uint32_t info)
{
    return VMX_EVENT_TYPE(info) >= VMX_EVENT_SOFTINT && event_of(info) != v->injected;
}

void vmx_event_keep(struct vcpu_arch *v)
{
    uint32_t info = (uint32_t)vmcs_read(VMCS_IDT_EVENT);
    bool interrupted = (info & VMX_EVENT_VALID) != 0;

    v->event = interrupted && !event_is_instruction(v, info) ? event_of(info) : 0;
    if (v->rip_back && v->event && VMX_EVENT_TYPE(info) == VMX_EVENT_SOFTINT) {
        vmcs_write(VMCS_GUEST_RIP, vmcs_read(VMCS_GUEST_RIP) + 1);
    }
    v->rip_back = false;
    if (interrupted && VMX_EVENT_TYPE(info) == VMX_EVENT_NMI) {
        /* not taken after all */
        vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint64_t)VMX_BLOCK_NMI);
    }
}

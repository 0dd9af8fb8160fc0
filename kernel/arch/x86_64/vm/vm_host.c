// SPDX-License-Identifier: MIT
// What SVM and VMX share of the host's side. See vm_host.h.

#include "vm_host.h"
#include "cpu.h"
#include "fpu.h"

#define CPUID_EXT_FEATURES 0x80000001u
#define DR_SAVE(n, where) asm volatile("mov %%dr" #n ", %0" : "=r"(where))
#define DR_RESTORE(n, where) asm volatile("mov %0, %%dr" #n : : "r"(where))

struct vm_cpu vm_cpus[CPUS_MAX];
struct vm_limits vm_limits;
const uint32_t vm_free_msrs[VM_FREE_MSRS] = {
    MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_STAR,         MSR_LSTAR,
    MSR_CSTAR,   MSR_SFMASK,  MSR_SYSENTER_CS,    MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
};

bool vm_claim(struct vcpu_arch *v, void (*unload)(void *v))
{
    uint32_t here = cpu_index() + 1;

    if (v->cpu == here) {
        return false;
    }
    if (v->cpu) {
        cpu_call(BIT(v->cpu - 1), unload, v);
    }
    v->cpu = here;
    return true;
}

static void dr_save(void)
{
    uint64_t *old = vm_this()->dr_owner;

    if (old) {
        DR_SAVE(0, old[0]);
        DR_SAVE(1, old[1]);
        DR_SAVE(2, old[2]);
        DR_SAVE(3, old[3]);
    }
}

static void dr_load(uint64_t *dr)
{
    if (vm_this()->dr_owner == dr) {
        return;
    }
    dr_save();
    DR_RESTORE(0, dr[0]);
    DR_RESTORE(1, dr[1]);
    DR_RESTORE(2, dr[2]);
    DR_RESTORE(3, dr[3]);
    vm_this()->dr_owner = dr;
}

void vm_dr_unload(const uint64_t *dr)
{
    if (vm_this()->dr_owner == dr) {
        dr_save();
        vm_this()->dr_owner = NULL;
    }
}

bool vm_tag_valid(const struct vcpu_arch *v)
{
    return v->tag_generation && v->tag_generation == vm_this()->tag_generation;
}

bool vm_tag_new(struct vcpu_arch *v, uint32_t last, uint32_t *tag)
{
    struct vm_cpu *cpu = vm_this();
    bool used_up = cpu->tag_next == 0 || cpu->tag_next > last;

    if (used_up) {
        cpu->tag_next = 1;
        cpu->tag_generation++;
    }
    v->tag_generation = cpu->tag_generation;
    *tag = cpu->tag_next++;
    return used_up;
}

void vm_switch_in(struct vcpu_arch *v)
{
    fpu_switch(v->fpu);
    if (vm_limits.xcr0_valid && v->xcr0 != vm_limits.xcr0_valid) {
        xcr_write(0, v->xcr0);
    }
    if (v->tsc_aux) {
        msr_write(MSR_TSC_AUX, v->tsc_aux);
    }
    dr_load(v->dr);
}

void vm_switch_out(const struct vcpu_arch *v, uint64_t xcr0)
{
    if (vm_limits.xcr0_valid && xcr0 != vm_limits.xcr0_valid) {
        xcr_write(0, vm_limits.xcr0_valid);
    }
    if (v->tsc_aux) {
        msr_write(MSR_TSC_AUX, 0);
    }
}

void vm_guest_begin(struct page_table *nested)
{
    struct cpu *cpu = cpu_this();

    cpu->nested = nested;
    bkl_release(cpu);
}

bool vm_guest_end(const struct vcpu_arch *v)
{
    struct cpu *cpu = cpu_this();

    bkl_acquire(cpu);
    cpu->nested = NULL;
    return cpu->current && cpu->current->vcpu == v;
}

/* CR4 bits that come with a CPUID bit. [APM-2 3.1.3], [APM-3 E.3] */
static uint64_t cr4_valid_bits(void)
{
    struct cpuid_regs f = cpuid(1, 0);
    struct cpuid_regs s = cpuid(0, 0).eax >= 7 ? cpuid(7, 0) : (struct cpuid_regs){0};
    const struct {
        uint32_t reg, bit;
        uint64_t cr4;
    } table[] = {
        {f.edx, 1, BIT(0) | BIT(1)},                                                  /* VME, PVI */
        {f.edx, 2, CR4_DE},          {f.edx, 3, CR4_PSE},         {f.edx, 4, BIT(2)}, /* TSD */
        {f.edx, 6, CR4_PAE},         {f.edx, 7, CR4_MCE},         {f.edx, 13, CR4_PGE},
        {f.edx, 24, CR4_OSFXSR},     {f.edx, 25, CR4_OSXMMEXCPT}, {f.ecx, 17, BIT(17)}, /* PCIDE */
        {f.ecx, 26, CR4_OSXSAVE},    {s.ebx, 0, CR4_FSGSBASE},    {s.ebx, 7, CR4_SMEP},
        {s.ebx, 20, CR4_SMAP},       {s.ecx, 2, CR4_UMIP},        {s.ecx, 16, BIT(12)}, /* LA57 */
    };
    uint64_t valid = BIT(8); /* PCE */

    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        if (table[i].reg >> table[i].bit & 1) {
            valid |= table[i].cr4;
        }
    }
    return valid;
}

static uint64_t efer_valid_bits(void)
{
    struct cpuid_regs x = cpuid(CPUID_EXT_FEATURES, 0);
    uint64_t valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE; /* the kernel needs them itself */

    valid |= x.edx >> 25 & 1 ? BIT(14) : 0; /* FFXSR */
    valid |= x.ecx >> 17 & 1 ? BIT(15) : 0; /* TCE */
    return valid;
}

void vm_limits_init(void)
{
    bool la57 = cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ecx >> 16 & 1);

    vm_limits = (struct vm_limits){
        .cr4_valid = cr4_valid_bits(),
        .efer_valid = efer_valid_bits(),
        .xcr0_valid = fpu_xcr0(),
        .phys_limit = phys_limit(),
        .va_bits = la57 ? 57 : 48,
        .tsc_aux = cpuid(CPUID_EXT_FEATURES, 0).edx >> 27 & 1, /* RDTSCP */
        .signature = cpuid(1, 0).eax,
    };
}

// SPDX-License-Identifier: MIT
#include "vmx_fake.h"
#include "cpu.h"
#include "fpu.h"
#include <stdlib.h>
#include <string.h>

struct machine_stat core_stat;
struct vmx_cpu vmx_cpu;
struct vm_limits vm_limits;
uint64_t fake_vmcs[FAKE_FIELDS];
uint64_t fake_table[4];

void fpu_forget(struct fpu_state *fpu) { (void)fpu; }
void fpu_state_init(struct fpu_state *fpu) { (void)fpu; }

uint64_t vmcs_read(uint32_t field)
{
    if (field >= FAKE_FIELDS) {
        abort();
    }
    return fake_vmcs[field];
}

/* A field has its width. [SDM-3 table 25-21] */
void vmcs_write(uint32_t field, uint64_t value)
{
    static const uint64_t width[] = {UINT16_MAX, UINT64_MAX, UINT32_MAX, UINT64_MAX};

    if (field >= FAKE_FIELDS || value > width[field >> 13 & 3]) {
        abort();
    }
    fake_vmcs[field] = value;
}

paddr_t pt_lookup(const struct page_table *pt, uint64_t va, uint32_t *attr, uint64_t *page_size)
{
    (void)pt;
    *attr = 0;
    *page_size = PAGE_SIZE;
    return va == FAKE_TABLE ? (paddr_t){(uint64_t)fake_table - DIRECT_MAP} : PADDR_NONE;
}

void fake_vcpu_init(struct fake_vcpu *f)
{
    memset(f, 0, sizeof(*f));
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    vmx_cpu = (struct vmx_cpu){
        .cr0_fixed = CR0_NE,
        .io_info = true,
        .len_0 = true,
    };
    vm_limits = (struct vm_limits){
        .cr4_valid = 0x3707ff,
        .efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
        .xcr0_valid = 7,
        .phys_limit = 1ull << 40,
        .va_bits = 48,
        .tsc_aux = true,
        .signature = 0x50654,
    };
    f->v.ops = &vmx_state_ops;
    f->v.guest = &f->guest;
    f->v.state = &f->state;
    f->v.fpu = (struct fpu_state *)f->fpu;
    vmx_state_init(&f->v);
}

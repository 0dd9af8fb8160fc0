// SPDX-License-Identifier: MIT
#include "svm_fake.h"
#include "cpu.h"
#include "fpu.h"
#include <string.h>

struct machine_stat core_stat;
struct svm_cpu svm_cpu;
struct vm_limits vm_limits;
unsigned fake_fpu_resets;

void fpu_forget(struct fpu_state *fpu) { (void)fpu; }
void fpu_state_init(struct fpu_state *fpu)
{
    (void)fpu;
    fake_fpu_resets++;
}

void fake_vcpu_init(struct fake_vcpu *f)
{
    memset(f, 0, sizeof(*f));
    svm_cpu = (struct svm_cpu){0};
    vm_limits = (struct vm_limits){
        .cr4_valid = 0x3707ff & ~BIT(13),
        .efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
        .xcr0_valid = 7,
        .phys_limit = 1ull << 40,
        .va_bits = 48,
        .tsc_aux = true,
        .signature = 0x800f12,
    };
    f->v.ops = &svm_state_ops;
    f->v.vmcb = &f->vmcb;
    f->v.guest = &f->guest;
    f->v.state = &f->state;
    f->v.fpu = (struct fpu_state *)f->fpu;
    f->vmcb.control.v_intr = SVM_V_INTR_MASKING | SVM_V_IGN_TPR | SVM_V_PRIO_HIGHEST;
    vm_vcpu_reset(&f->v);
}

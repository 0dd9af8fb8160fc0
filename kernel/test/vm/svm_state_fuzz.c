// SPDX-License-Identifier: MIT
/* Fuzz: any state page is either refused or gives a VMCB that VMRUN accepts (the consistency checks of [APM-2 15.5.1],
 * written down once more), with the kernel's own control bits untouched. */
#include "svm_fake.h"
#include "cpu.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) \
    do { \
        if (!(x)) { \
            abort(); \
        } \
    } while (0)

static void check_vmrun(const struct vmcb *m)
{
    const struct vmcb_save *s = &m->save;
    uint64_t event = m->control.eventinj;

    CHECK(s->efer & EFER_SVME);
    CHECK((s->efer & ~(EFER_SVME | vm_limits.efer_valid)) == 0);
    CHECK(!(s->cr0 >> 32));
    CHECK(s->cr0 & CR0_CD || !(s->cr0 & CR0_NW));
    CHECK(!(s->cr3 >> 40));
    CHECK(!(s->cr4 & ~vm_limits.cr4_valid));
    CHECK(!(s->dr6 >> 32) && !(s->dr7 >> 32));
    if ((s->efer & EFER_LME) && (s->cr0 & CR0_PG)) {
        CHECK(s->cr4 & CR4_PAE && s->cr0 & CR0_PE && s->efer & EFER_LMA);
        CHECK((s->cs.attr & 0x600) != 0x600);
    }
    CHECK(!event || event & VCPU_EVENT_VALID);
    CHECK((event >> 8 & 7) != 1 && (event >> 8 & 7) < 5);
    CHECK((m->control.v_intr | SVM_V_IRQ) == (SVM_V_IRQ | SVM_V_INTR_MASKING | SVM_V_IGN_TPR | SVM_V_PRIO_HIGHEST));
    CHECK(s->cpl <= 3);
}

/* The input: state pages one after the other, each loaded and then run to a random exit. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fake_vcpu f;

    fake_vcpu_init(&f);
    while (size) {
        size_t n = size < sizeof(f.state) ? size : sizeof(f.state);

        memcpy(&f.state, data, n);
        data += n, size -= n;
        if (vm_vcpu_load(&f.v) != SK_OK) {
            CHECK(f.state.exit.reason == VCPU_EXIT_INVALID);
        }
        check_vmrun(&f.vmcb);
        uint32_t code = (uint32_t)f.state.exit.gpa;
        if (code != SVM_EXIT_MC && code != SVM_EXIT_DB) { /* those come only by the kernel's own doing */
            f.vmcb.control.exitcode = code;
            svm_exit_begin(&f.v);
            svm_exit(&f.v);
            check_vmrun(&f.vmcb);
        }
    }
    return 0;
}

// SPDX-License-Identifier: MIT
/* Fuzz: any state page is either refused or gives a VMCS whose control registers, interruptibility and event VM entry accepts
 * ([SDM-3 27.3.1], written down once more), and that lets the guest have nothing of the host's. */
#include "vmx_fake.h"
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

static void check_entry(void)
{
    uint64_t cr0 = fake_vmcs[VMCS_GUEST_CR0], cr4 = fake_vmcs[VMCS_GUEST_CR4], efer = fake_vmcs[VMCS_GUEST_EFER];
    uint64_t block = fake_vmcs[VMCS_GUEST_INTERRUPTIBILITY], rflags = fake_vmcs[VMCS_GUEST_RFLAGS];
    uint64_t event = fake_vmcs[VMCS_ENTRY_EVENT];

    CHECK((cr0 & CR0_NE) && !(cr0 & (CR0_CD | CR0_NW)) && !(cr0 >> 32));
    CHECK(!(cr0 & CR0_PG) || (cr0 & CR0_PE));
    CHECK((cr4 & CR4_VMXE) && !(cr4 & ~(vm_limits.cr4_valid | CR4_VMXE)));
    CHECK(!(efer & ~vm_limits.efer_valid));
    CHECK(((fake_vmcs[VMCS_ENTRY_CONTROLS] & VMX_ENTRYC_IA32E) != 0) == ((efer & EFER_LMA) != 0));
    CHECK(((efer & EFER_LMA) != 0) == ((efer & EFER_LME) && (cr0 & CR0_PG)));
    CHECK(!(efer & EFER_LMA) || (cr4 & CR4_PAE));
    CHECK(!(fake_vmcs[VMCS_GUEST_CR3] >> 40));
    CHECK((block & VMX_SHADOW) != VMX_SHADOW && (!(block & VMX_BLOCK_STI) || (rflags & RFLAGS_IF)));
    CHECK(rflags & 2);
    for (unsigned i = 0; i < 8; i++) {
        CHECK(!(fake_vmcs[VMCS_GUEST_ES_ACCESS + 2 * i] & ~0x1f0ffull));
    }
    if (event & VMX_EVENT_VALID) {
        CHECK(!(event & FIELD(30, 12)));
        CHECK(VMX_EVENT_TYPE(event) != 1 && VMX_EVENT_TYPE(event) <= VMX_EVENT_SOFTINT);
        CHECK(VMX_EVENT_TYPE(event) != VMX_EVENT_NMI || !(block & (VMX_BLOCK_NMI | VMX_SHADOW)));
        CHECK(VMX_EVENT_TYPE(event) != VMX_EVENT_INTR || ((rflags & RFLAGS_IF) && !(block & VMX_SHADOW)));
        CHECK(VMX_EVENT_TYPE(event) != VMX_EVENT_EXCP || (event & 0xff) < 32);
    }
}

/* The input: state pages one after the other, each loaded, entered and then run to a random exit. */
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
            continue;
        }
        vmx_event_enter(&f.v);
        check_entry();
        fake_vmcs[VMCS_ENTRY_EVENT] = 0; /* as VM exit leaves it */
        uint32_t reason = (uint32_t)f.state.exit.gpa & 0x7f;
        if (reason != VMX_EXIT_EXCEPTION) { /* those come only by the host's own doing */
            fake_vmcs[VMCS_EXIT_REASON] = reason;
            fake_vmcs[VMCS_EXIT_QUALIFICATION] = f.state.exit.qual;
            fake_vmcs[VMCS_EXIT_INSN_LEN] = f.state.exit.insn_len & 0xf;
            vmx_exit_begin(&f.v);
            vmx_exit(&f.v);
        }
    }
    return 0;
}

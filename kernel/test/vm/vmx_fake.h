// SPDX-License-Identifier: MIT
/* A vcpu on the host: the VMX files without the hardware. The VMCS is an array. */
#pragma once

#include "vm/vmx.h"

#define FAKE_FIELDS 0x7000u
#define FAKE_TABLE 0x5000u /* guest-physical address of `table`, the only memory */

struct fake_vcpu {
    struct vcpu_arch v;
    struct guest_arch guest;
    struct vcpu_state state;
    uint8_t fpu[PAGE_SIZE];
};

extern uint64_t fake_vmcs[FAKE_FIELDS];
extern uint64_t fake_table[4];

/* A machine with all that we want; a vcpu in its reset state. */
void fake_vcpu_init(struct fake_vcpu *f);

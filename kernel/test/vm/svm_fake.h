// SPDX-License-Identifier: MIT
/* A vcpu on the host: the SVM files without the hardware. */
#pragma once

#include "vm/svm.h"

struct fake_vcpu {
    struct vcpu_arch v;
    struct guest_arch guest;
    struct vmcb vmcb;
    struct vcpu_state state;
    uint8_t fpu[PAGE_SIZE];
};

/* Limits of a plain machine without NRIPS and decode assists; a vcpu in its reset state. */
void fake_vcpu_init(struct fake_vcpu *f);
extern unsigned fake_fpu_resets;

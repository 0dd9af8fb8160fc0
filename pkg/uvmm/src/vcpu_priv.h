// SPDX-License-Identifier: MIT
// Between vcpu.c and vcpu_setup.c.
#pragma once

#include "vcpu.h"

/* As after INIT, but for the local APIC. */
void vcpu_state_reset(struct vcpu *v);
/* The thread of a vcpu other than the first; arg is the vcpu. */
void vcpu_thread(void *arg);

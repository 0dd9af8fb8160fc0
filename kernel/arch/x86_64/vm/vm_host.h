// SPDX-License-Identifier: MIT
// What SVM and VMX share of the host's side: limits of this machine, and the debug registers that no world switch
// switches.
#pragma once

#include "vm_check.h"

/* What a guest may have on this processor. */
void vm_limits_init(struct vm_limits *l);

/* DR0 to DR3 of one vcpu are in the processor until another's are needed: host code never uses them, and DR7 is off
 * outside the guest. dr: the four registers in a vcpu. */
void vm_dr_load(uint64_t *dr);
/* dr goes away. */
void vm_dr_forget(const uint64_t *dr);

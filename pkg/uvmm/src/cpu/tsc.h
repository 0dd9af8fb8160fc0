// SPDX-License-Identifier: MIT
// The guest's time stamp counter as the calling thread's vcpu sees it.
#pragma once

#include <stdint.h>

uint64_t tsc_guest_now(void);
/* When the guest's TSC has this value, in ns of the kernel's clock; rounded up. */
uint64_t tsc_guest_to_ns(uint64_t guest_tsc);

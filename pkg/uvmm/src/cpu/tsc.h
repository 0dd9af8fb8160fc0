// SPDX-License-Identifier: MIT
// The guest's time stamp counter as the calling thread's vcpu sees it.
#pragma once

#include <stdint.h>

#define TSC_KHZ_MIN 10000u
#define TSC_KHZ_MAX 10000000u

/* The guest's TSC has another frequency than the host's; before vcpus run. -1, after one line, if the processor cannot
 * do that. */
int tsc_scale(uint64_t khz);
uint64_t tsc_guest_hz(void);
uint64_t tsc_guest_now(void);
/* When the guest's TSC has this value, in ns of the kernel's clock; rounded up. */
uint64_t tsc_guest_to_ns(uint64_t guest_tsc);

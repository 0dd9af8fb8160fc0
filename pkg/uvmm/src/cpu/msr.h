// SPDX-License-Identifier: MIT
/* Model-specific registers that exit. Unknown ones, reserved bits and bad values lead to #GP in the guest, never to an
 * error here. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu_state;

/* All vcpus. The others are about the calling thread's. */
void msr_reset(void);
/* The MSR group of s must be current. false: #GP. A write sets the bits of the changed groups in s->dirty. */
bool msr_read(struct vcpu_state *s, uint32_t msr, uint64_t *value);
bool msr_write(struct vcpu_state *s, uint32_t msr, uint64_t value);

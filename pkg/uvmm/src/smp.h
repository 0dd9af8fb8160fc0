// SPDX-License-Identifier: MIT
/* Which virtual processors there are, and which of them the calling thread runs. Each vcpu has a thread; everything in
 * uvmm outside its guest happens under the VM lock (vcpu.h), so that device models see one access at a time. Registers
 * that every processor has for itself are arrays indexed by vcpu_this. A vcpu's index is its APIC id. */
#pragma once

#define VCPUS_MAX 8u

extern unsigned vcpu_count;         /* set once, before the devices are made */
extern __thread unsigned vcpu_this; /* of the calling thread; the main thread runs vcpu 0 */

/* Something has changed that vcpu i looks at before it enters its guest (an interrupt, a request): it leaves the guest
 * or wakes up, if it is there. Nothing for the caller's own. */
void vcpu_kick(unsigned i);
/* What other processors may ask of vcpu i by interrupt messages [SDM-3 9.4.4]. INIT: back to reset state, waiting for a
 * start-up message. Start-up: ignored unless it waits for one; real mode at vector << 12. */
void vcpu_request_init(unsigned i);
void vcpu_request_startup(unsigned i, unsigned vector);

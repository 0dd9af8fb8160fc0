// SPDX-License-Identifier: MIT
/* The kernel, the server library and the device layer as the driver's sessions see them, on the host: capabilities that
 * are counted, memory objects that are mapped for good reason only, signals, time. What a driver must not do ends the
 * program: a capability used or dropped twice, an unmapping of what is not mapped. Memory that a session has given back
 * faults when it is touched, by the driver as well as by the controller. */
#pragma once

#include "model.h"
#include <abi/types.h>

#define WORLD_MEM_BYTES 0x10000u
enum world_mem { WORLD_RAM0, WORLD_RAM1, WORLD_RECORDS, WORLD_DEVICE, WORLD_MEMS };

/* A new world around the model; everything of an earlier one must be gone. */
void world_begin(struct model *m);
/* Capabilities and mappings that the driver holds. */
unsigned world_holds(void);

/* A new capability, as a client's message brings it; the driver owns it. */
cap_t world_memory_cap(enum world_mem which);
cap_t world_signal_cap(void);
/* The client's own view of a memory object. */
uint8_t *world_memory(enum world_mem which);

/* Is that memory of the driver's own, or shared memory that is mapped for the controller? */
bool world_reachable(const void *p, size_t size);

/* So many of the driver's next requests to the kernel succeed, and then one does not. */
void world_fail_after(unsigned count);
/* Runs the handlers of timers whose time has come, and the worker of the controller. */
void world_run(void);
/* How often signals were raised. */
unsigned world_raised(void);

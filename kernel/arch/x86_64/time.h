// SPDX-License-Identifier: MIT
// Clock and timer, towards the rest of arch.
#pragma once

#include <kernel/arch.h>

/* Finds the TSC's frequency and fills the clock fields of kinfo. pm_timer: I/O port of the ACPI PM timer or 0.
 * Panics when the machine has nothing to measure the TSC by. Needs the local APIC (its timer is measured too). */
void time_init(uint16_t pm_timer);
/* The timer of this processor; part of time_init() for the first. */
void time_cpu_init(void);
/* The timer interrupt's handler. */
void time_interrupt(void);
/* Looks at the deadlines again after one of them has changed. */
void time_rearm(void);
/* Busy-waits; for hardware that needs microseconds. Works only after time_init(). */
void time_delay_ns(uint64_t ns);

// SPDX-License-Identifier: MIT
// What the models need from the rest of uvmm, under the test's control.
#pragma once

#include "../../src/smp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern uint64_t fake_now_ns;            /* clock_now_ns() */
extern uint64_t fake_epoch;             /* clock_epoch() */
extern int fake_ended;                  /* enum vm_end + 1 of the last vm_end(), 0: none */
extern unsigned fake_kicks, fake_inits; /* bit per vcpu: since fake_machine() */
extern int fake_startup[VCPUS_MAX];     /* vector of the last start-up message, -1 */
extern char fake_output[4096];          /* what went to the console */
extern size_t fake_output_len;

/* Lets time pass, timer by timer. */
void fake_advance(uint64_t ns);
/* Fires the timers that are due now. */
void fake_run_timers(void);
/* Input for the console's current port. */
void fake_input(const char *text);
/* All platform devices new, on empty buses; RAM of `ram` bytes at 0 (at most 4 MiB), zeroed. */
void fake_machine(size_t ram);
/* Only the processor is another one. */
void fake_tsc(uint64_t hz);
uint8_t *fake_ram(void);

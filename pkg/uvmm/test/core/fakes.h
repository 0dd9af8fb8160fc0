// SPDX-License-Identifier: MIT
// What the models need from the rest of uvmm, under the test's control.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern uint64_t fake_now_ns;   /* clock_now_ns() */
extern uint64_t fake_epoch;    /* clock_epoch() */
extern int fake_ended;         /* enum vm_end + 1 of the last vm_end(), 0: none */
extern char fake_output[4096]; /* what went to the console */
extern size_t fake_output_len;

/* Lets time pass, timer by timer. */
void fake_advance(uint64_t ns);
/* Input for the console's current port. */
void fake_input(const char *text);
/* All platform devices new, on empty buses; RAM of `ram` bytes at 0 (at most 4 MiB), zeroed. */
void fake_machine(size_t ram);
uint8_t *fake_ram(void);

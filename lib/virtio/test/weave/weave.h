// SPDX-License-Identifier: MIT
/* Runs two threads of control so that any of their accesses to a piece of shared memory may be followed by the other's,
 * as on two processors, and repeatably: the order comes from a string of bytes, and then from a generator.
 *
 * The code under test is compiled with -fsanitize=thread and not linked with its runtime: weave.c has the functions
 * that the compiler calls at each access. Stores go through a buffer per thread, so that a load may overtake an older
 * store to another address, which is the one reordering that x86 has; full fences drain it. So a missing fence is found
 * too. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEAVE_THREADS 2u

/* Before weave_run(): where the shared memory is, and what decides. */
void weave_memory(void *base, size_t size);
void weave_choices(const uint8_t *data, size_t size, uint64_t seed);

/* A number below n. */
unsigned weave_choose(unsigned n);
/* In a thread: waits until *flag is true. The other thread runs meanwhile. */
void weave_wait(const bool *flag);
/* All stores of the calling thread become visible, as by an instruction that leaves the processor's user mode. */
void weave_drain(void);

struct weave_thread {
    void (*run)(void *ctx);
    void *ctx;
    bool mortal; /* may end at any access; then died(ctx) is called and run() begins again */
    void (*died)(void *ctx);
};

/* Runs both until the first one's run() returns. False: both wait, or it took more than `points` accesses. */
bool weave_run(const struct weave_thread thread[WEAVE_THREADS], unsigned long points);

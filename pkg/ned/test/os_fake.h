// SPDX-License-Identifier: MIT
/* A system for ned's host tests: capabilities are numbers with a type and rights, programs are recorded as text in
 * os_fake_trace ("create rom/x prio 0", "arg ...", "cap name type rights", "start"). */
#pragma once

#include <abi/types.h>

extern char os_fake_trace[16384];
/* Capabilities alive besides those of the environment. */
extern unsigned os_fake_live;
/* The next program creation, memory allocation or capability copy fails with this. */
extern int64_t os_fake_create_error, os_fake_mem_error;
extern unsigned os_fake_mem_max; /* live memory capabilities, 0: as many as wanted */

/* What servers say to any command. */
extern const char *os_fake_answer;

void os_fake_reset(void);

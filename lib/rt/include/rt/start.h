// SPDX-License-Identifier: MIT
// For the root task, which nobody gives a stack or a log: how it starts the runtime by itself.
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Starts the C library and main(). stack: argc, argv, NULL, envp, NULL, auxiliary vector with the AT_SK_* entries of
 * sk/env.h; must stay valid. */
_Noreturn void rt_start(uint64_t *stack);
/* If set: takes what goes to standard output, instead of the log capability. */
extern void (*rt_log_sink)(const void *data, size_t len);

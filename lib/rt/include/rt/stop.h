// SPDX-License-Identifier: MIT
/* A program's orderly end: asked to stop [PROG_STOP of proto/prog.h, or the end of the machine], it finishes what it
 * has to and exits. Programs that do not ask for the notice are killed at once. */
#pragma once

#include <abi/types.h>

/* moe will raise the signal when the program shall end. The signal stays the caller's. */
__attribute__((warn_unused_result)) int64_t rt_stop_signal(cap_t signal);

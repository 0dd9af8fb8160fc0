// SPDX-License-Identifier: MIT
// The serial console's own interface to boot, timer and debugger. The rest of the kernel uses kernel/arch.h.
#pragma once

#include <kernel/arch.h>

/* Finds COM1. Without one, output is dropped and there is no input. */
void console_init(void);
/* Attaches the receive interrupt; with esc, a lone Esc opens the debugger (kdb.h). */
void console_input_init(bool esc);
/* Polls for one byte, for the debugger: -1 if there is none. */
int console_poll(void);
/* Time at which a received Esc counts as alone; UINT64_MAX: none is waiting. time.c arms the timer for it. */
uint64_t console_deadline_ns(void);
/* Called by the timer interrupt when that time has come. */
void console_timeout(void);

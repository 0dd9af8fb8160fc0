// SPDX-License-Identifier: MIT
// The kernel debugger on the serial line.
#pragma once

#include <kernel/arch.h>

/* Reads and runs commands until 'g'. Interrupts stay off; the rest of the system stands still meanwhile. */
void kdb_enter(const char *reason);
/* Prints registers in the layout of the exception report. */
void regs_print(const struct regs *r);

// SPDX-License-Identifier: MIT
// Panic with the registers of a trap frame.
#pragma once

#include <kernel/arch.h>

/* Halts this processor if another one panics. */
void panic_join(void);
_Noreturn void panic_regs(const struct regs *regs, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// SPDX-License-Identifier: MIT
/* x87/SSE/AVX state: eager switching with an owner. BKL for all but fpu_init().
 *
 * cpu->fpu names the area whose values are in the registers; the area in memory is stale until somebody else's
 * state is loaded. The kernel itself uses no FPU register (-mgeneral-regs-only), so user values stay in the
 * registers over a kernel entry. Before other code runs (another thread, a guest) fpu_switch() stores and loads.
 *
 * XCR0 is FPU_XCR0 (fpu_xcr0()) whenever a thread runs. A guest runs with its own XCR0, set by vm/ after
 * fpu_switch(guest area) and set back before the next fpu_switch(). */
#pragma once

#include <kernel/arch.h>

/* Detects FXSAVE/XSAVE/XSAVEOPT (the first time), sets CR0, CR4 and XCR0 of this processor. */
void fpu_init(void);
/* Components that the kernel switches: XCR0 bits; 0 without XSAVE. */
uint64_t fpu_xcr0(void);
/* Stores the owner's registers into its area and loads next's, from another processor's registers if they are there. No-op
 * when next is the owner. next != NULL. */
void fpu_switch(struct fpu_state *next);
/* fpu is about to be freed or overwritten: nobody's registers are loaded if it was the owner, on any processor. */
void fpu_forget(struct fpu_state *fpu);

// SPDX-License-Identifier: MIT
/* Time of day from the PC's battery-backed clock (MC146818 compatible), read once at start; the rest of the system counts on from
 * there. Taken to be UTC. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The registers that matter, as read. */
struct wallclock_regs {
    uint8_t sec, min, hour, day, month, year, century;
    uint8_t status_b; /* format: binary or BCD, 24 or 12 hours */
};

/* Seconds since 1970-01-01 in *seconds. false: the registers hold no date (a dead battery). */
bool wallclock_decode(const struct wallclock_regs *r, uint64_t *seconds);

/* Seconds since 1970 at which the kernel's clock was 0; 0 if the clock cannot be read. Ports: boot->ioport. */
uint64_t wallclock_epoch(void);

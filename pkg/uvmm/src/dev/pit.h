// SPDX-License-Identifier: MIT
/* 8254 timer at 0x40..0x43 and the speaker/timer port 0x61 [Intel 8254 data sheet]. Channel 0 raises ISA interrupt 0;
 * channel 2 can be gated and read by port 0x61, which guests calibrate with. */
#pragma once

#include <stdint.h>

#define PIT_HZ 1193182ull

int pit_init(void);
void pit_reset(void);

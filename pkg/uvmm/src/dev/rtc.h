// SPDX-License-Identifier: MIT
// The real-time clock and CMOS memory (0x70, 0x71, ISA interrupt 8), device-tree node "skerry,rtc-mc146818".
#pragma once

#include "../device.h"

extern const struct device_type rtc_type;
void rtc_reset(void);

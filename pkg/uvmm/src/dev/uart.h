// SPDX-License-Identifier: MIT
// The serial port COM1, device-tree node "ns16550a".
#pragma once

#include "../device.h"

extern const struct device_type uart_type;
void uart_reset(void);
/* Claims the ports, in reset state; probing does that and joins the console. */
int uart_claim(const char *name);

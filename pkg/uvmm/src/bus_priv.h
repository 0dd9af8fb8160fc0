// SPDX-License-Identifier: MIT
// What only the platform's own devices and the tests need of the buses.
#pragma once

#include "bus.h"

/* A byte-wide register that lies inside another device's range (0xcf9 in PCI's 0xcf8..0xcff): byte accesses to the port
 * go to it, wider ones to the range. Errors as bus_port_add. */
int bus_port_byte_add(uint16_t port, const struct bus_ops *ops, void *ctx, const char *name);
/* Forgets all ranges (tests). */
void bus_reset_tables(void);

// SPDX-License-Identifier: MIT
/* Serves virtual buses: one gate per bus, proto/vbus.h. A bus has one client at a time; when the last holder of its
 * capability is gone, devices are quiesced, their register mappings and DMA spaces are destroyed, and the bus is as
 * new. */
#pragma once

#include "hw.h"
#include "vbus.h"

/* Serves all buses of the set, and an empty bus on each gate of the environment that no bus was defined for, so that
 * clients get an answer. set and hw must stay. Return: number of buses served. */
unsigned vbus_serve(struct vbus_set *set, struct hw *hw);

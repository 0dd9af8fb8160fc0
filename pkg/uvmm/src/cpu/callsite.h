// SPDX-License-Identifier: MIT
// Is an address one that a call returns to? The bytes before it tell, mostly.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CALLSITE_BYTES 7u /* the longest near call without prefixes */

/* before: the bytes that end right before the address. True: they end in a near call, E8 or FF /2 [SDM-2 CALL]. Other
 * instructions may end in such bytes, too. */
bool callsite_ends(const uint8_t before[CALLSITE_BYTES]);

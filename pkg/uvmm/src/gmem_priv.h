// SPDX-License-Identifier: MIT
// Making guest RAM: for the VM's start and for tests.
#pragma once

#include "gmem.h"

/* Adds a region behind the others. SK_ENOMEM when GMEM_REGIONS_MAX are there. */
int ram_region_add(const struct ram_region *r);
void ram_regions_forget(void);
/* Bytes of RAM from address 0 up to the hole. */
uint64_t ram_low_size(void);
/* Maps the memory objects here and in the guest space, one behind the other. Says what is wrong in one line. */
int ram_setup(const cap_t *pieces, unsigned count, cap_t guest);

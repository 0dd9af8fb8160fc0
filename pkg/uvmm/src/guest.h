// SPDX-License-Identifier: MIT
// The VM's guest space.
#pragma once

#include <abi/types.h>

/* OBJ_GUEST with all rights, for doorbells (SYS_DOORBELL_BIND). Valid before devices are probed. */
cap_t guest_cap(void);

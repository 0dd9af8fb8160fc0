// SPDX-License-Identifier: MIT
#pragma once

#include <kernel/arch.h>

/* Gives the pool its memory, which must be mapped at DIRECT_MAP. Once. */
void kmem_init(paddr_t base, uint64_t size);

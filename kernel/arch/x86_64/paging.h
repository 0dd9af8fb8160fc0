// SPDX-License-Identifier: MIT
// The kernel's own half of every address space.
#pragma once

#include "memmap.h"

#define KERNEL_BASE 0xffffffff80000000ull
#define KERNEL_LOAD 0x100000ull           /* both as in kernel.lds */
#define MMIO_BASE   0xffffffffc0000000ull /* device registers that the kernel uses, stacks; 4 KiB pages */

/* Section borders, from kernel.lds. */
extern char image_text_start[], image_text_end[], image_rodata_end[], image_end[];
extern char builtin_start[], builtin_end[], builtin_pages_end[];
static inline uint64_t image_to_phys(const void *p) { return (uint64_t)p - KERNEL_BASE; }

/* Builds the final table (W^X, nothing at 0), and leaves the loader's. The pool must be ready. */
void paging_init(const struct boot_plan *plan);
/* Lets the kernel read firmware's tables in [pa, pa + size): maps what is missing, read-only. Boot only. NULL when it
 * is no memory that the loader's map names, or the pool is empty. */
const void *firmware_map(uint64_t pa, uint64_t size);
/* Maps device registers, uncached. Boot only. Panics when the pool is empty. */
void *mmio_map(uint64_t pa, uint64_t size);
/* A kernel stack with nothing mapped below it: its top. Boot only. Panics when the pool is empty. */
uint64_t stack_map(uint64_t pa, uint64_t size);

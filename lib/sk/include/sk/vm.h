// SPDX-License-Identifier: MIT
// The program's own address space: finding room, mapping memory capabilities, getting memory from moe.
#pragma once

#include <abi/types.h>
#include <stddef.h>

/* Maps [off, off+size) of mem (page-aligned) at an address of its choice (aligned to 2 MiB when size is at least
 * that). NULL on error, *err says which (err may be NULL). The capability stays the caller's and must outlive
 * nothing: the mapping keeps the memory. */
void *vm_map(cap_t mem, uint64_t off, size_t size, uint32_t rights, int64_t *err);
/* addr and size as in vm_map. */
void vm_unmap(void *addr, size_t size);
/* Reserves address space without mapping (state pages, UTCBs): page-aligned size; NULL when full. */
void *vm_reserve(size_t size, size_t align);
void vm_release(void *addr, size_t size);
/* size bytes (rounded up to pages) of zeroed memory from "mem", mapped RW. *cap (may be NULL) gets the capability;
 * phys-contiguous. NULL on error. */
void *vm_alloc(size_t size, cap_t *cap, int64_t *err);

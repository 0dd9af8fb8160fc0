// SPDX-License-Identifier: MIT
// Walks the guest's page tables: linear to guest-physical, in every paging mode [SDM-3 ch. 4].
#pragma once

#include <stdint.h>

struct paging {
    uint64_t cr0, cr3, cr4, efer;
};

/* 0, or SK_ENOENT: not mapped, or a table lies outside RAM. Permissions are not checked: the processor did that before
 * the exit. */
int paging_translate(const struct paging *p, uint64_t linear, uint64_t *gpa);
/* Copies between guest linear memory and buf; stops at the first byte that is not mapped RAM. Returns the bytes copied.
 */
unsigned paging_fetch(const struct paging *p, uint64_t linear, void *buf, unsigned len);

// SPDX-License-Identifier: MIT
// Page-table formats, and what page_table.c needs from the processor. Host tests supply their own versions.
#pragma once

#include <kernel/arch.h>

/* Bits of one format's entries. Levels: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB, 4 = root. */
struct pt_format {
    uint64_t present; /* any of these set: the entry is in use */
    uint64_t table;   /* entry that points to a table */
    uint64_t leaf;    /* every mapping */
    uint64_t write, exec, noexec;
    uint64_t cached, device; /* memory type of RAM and of PT_DEVICE */
    uint64_t large;          /* levels 2 and 3 */
    bool kernel_half;        /* root entries 256.. are the kernel's, shared and not ours to free */
};
extern const struct pt_format pt_kernel_format; /* supervisor, global: the kernel's half */

#define PT_ADDRESS_MASK 0x000ffffffffff000ull
#define PT_ENTRIES      512u

/* Largest level for mappings: 3 if the processor has 1 GiB pages, else 2. */
extern unsigned pt_max_leaf_level;
/* Root entries 256..511 of every task. */
extern uint64_t *pt_kernel_root;
/* If pt is loaded on this processor, or on any: loads the kernel's own table instead. */
void pt_unload_local(struct page_table *pt);
void pt_unload(struct page_table *pt);
/* Drops what processors have cached of pt's range, if pt is loaded there; size 0: all of it, with freed tables. Those that
 * run a guest under pt leave it. */
void pt_flush(struct page_table *pt, uint64_t va, uint64_t size);

// SPDX-License-Identifier: MIT
/* A set of physical address ranges, and the plan that divides RAM at boot. Pure functions, tested on the host. */
#pragma once

#include "multiboot.h"

#define MEMMAP_MAX 192
/* Sorted, disjoint, not adjacent, never empty ranges. */
struct memmap {
    uint32_t count;
    struct { uint64_t base, size; } r[MEMMAP_MAX];
};

/* Both: false, and nothing changed, when the result has more than MEMMAP_MAX ranges. base + size must not wrap. */
must_check bool memmap_add(struct memmap *m, uint64_t base, uint64_t size);
must_check bool memmap_remove(struct memmap *m, uint64_t base, uint64_t size);
bool memmap_covers(const struct memmap *m, uint64_t base, uint64_t size);
bool memmap_overlaps(const struct memmap *m, uint64_t base, uint64_t size);
/* Takes the lowest size bytes (a multiple of align) that are aligned and inside [min, max). UINT64_MAX: none. */
must_check uint64_t memmap_alloc(struct memmap *m, uint64_t size, uint64_t align, uint64_t min, uint64_t max);
uint64_t memmap_total(const struct memmap *m);

/* How RAM is divided. */
struct boot_plan {
    struct memmap ram;      /* all of it, whole pages */
    struct memmap firmware; /* ACPI tables and NVS, whole pages */
    struct memmap free;     /* without page 0, kernel, pool, modules */
    uint64_t pool, pool_size;
    uint64_t module[BOOT_MAX_MODULES]; /* page-aligned final place; different from the loader's: copy it there */
};
#define BOOT_PLAN_RAM_MIN  0x10000ull     /* firmware's data areas; nobody needs these 64 KiB */
#define BOOT_PLAN_LOW_MAX  0x100000000ull /* pool and moved modules: what the first page table maps */
#define KPOOL_MIN          (6ull << 20)
#define KPOOL_MAX          (12ull << 20)

#define BOOT_PLAN_RAM_END  (1ull << 46)   /* the direct map ends here: RAM behind it is not used */

/* Where the loader put the kernel: [start, end), with the built-in modules' pages [builtin, builtin_end) inside. */
struct image_range { uint64_t start, builtin, builtin_end, end; };

/* Return: NULL, or why there is no plan. All of image is page-aligned. */
must_check const char *boot_plan_make(const struct loader_info *li, const struct image_range *image,
                                      struct boot_plan *plan);

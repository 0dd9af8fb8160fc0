// SPDX-License-Identifier: MIT
/* What a boot loader says, in one form for Multiboot 1, Multiboot 2 and built-in modules. Pure functions over a
 * view of memory: host tests and the fuzz target call them as the kernel does. */
#pragma once

#include <kernel/builtin.h>
#include <kernel/types.h>

#define MULTIBOOT1_MAGIC 0x2badb002u /* eax at entry [MB1 3.2] */
#define MULTIBOOT2_MAGIC 0x36d76289u /* [MB2 3.3] */

/* Physical addresses [start, start + size) can be read at base. */
struct mem_view {
    const uint8_t *base;
    uint64_t start, size;
};
/* NULL unless all of [pa, pa + len) is in the view. */
const void *mem_view_at(const struct mem_view *v, uint64_t pa, uint64_t len);

/* Memory types of both multiboot versions are those of ACPI's E820. [ACPI-6.4 table 15.1] */
enum loader_memory_type { LOADER_RAM = 1, LOADER_RESERVED = 2, LOADER_ACPI = 3, LOADER_NVS = 4, LOADER_BAD = 5 };

#define LOADER_MAX_REGIONS 256
#define LOADER_STRINGS     16384
struct loader_info {
    char cmdline[1024];
    uint32_t region_count, module_count;
    struct { uint64_t base, size; uint32_t type; } region[LOADER_MAX_REGIONS];
    struct { uint64_t base, size; uint32_t cmdline; /* in strings[] */ } module[BOOT_MAX_MODULES];
    struct { uint64_t base; uint32_t pitch, width, height, bpp; } fb; /* base 0: none */
    uint32_t strings_used;
    char strings[LOADER_STRINGS];
};

/* Fills out from what the loader left at info_pa. Return: NULL, or why it cannot be used. Everything is copied. */
must_check const char *multiboot_parse(const struct mem_view *v, uint32_t magic, uint64_t info_pa, struct loader_info *out);

/* Replaces modules (and the command line) in out by those of the blob of size bytes at blob, which lies at physical
 * address pa. Return: NULL, or why not. */
must_check const char *builtin_parse(const void *blob, uint64_t size, uint64_t pa, struct loader_info *out);

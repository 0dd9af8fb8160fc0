// SPDX-License-Identifier: MIT
/* Modules inside the kernel image (`make elfimage`): the format of the section ".builtin".
 *
 * The build tool makes one object file with a section named .builtin (flags "a", aligned to 4096) that holds the
 * blob, and links it with $(call kernel-link,...) of kernel/rules.mk. If the section is not empty, its modules and
 * its kernel command line are used in place of the loader's. All integers are little-endian.
 *
 *   struct builtin_table | struct builtin_module[count] | strings | padding | module 0 | padding | module 1 ...
 *
 * Offsets count from the start of the table. A module should begin on a multiple of 4096, with the rest of its last
 * page unused and zero: others are copied at boot, which costs time and memory. Strings end with a NUL. */
#pragma once

#include <stdint.h>

#define BUILTIN_MAGIC 0x4e49544c49554253ull /* "SBUILTIN" */

struct builtin_table {
    uint64_t magic;
    uint32_t count;   /* of modules, at most BOOT_MAX_MODULES */
    uint32_t cmdline; /* offset of the kernel's command line, program name first; 0: the loader's */
};

struct builtin_module {
    uint64_t offset;
    uint64_t size;
    uint32_t cmdline; /* offset of the module's command line: file name, then arguments */
    uint32_t _rsvd;
};

_Static_assert(sizeof(struct builtin_table) == 16, "builtin_table layout");
_Static_assert(sizeof(struct builtin_module) == 24, "builtin_module layout");

// SPDX-License-Identifier: MIT
// Names of functions from an ELF file's .symtab, for backtraces. Pure; the file is not trusted.
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The function that holds addr and the offset in it; NULL if the file names none. The name lies in the file. */
const char *symbols_find(const void *file, size_t size, uint64_t addr, uint64_t *offset);

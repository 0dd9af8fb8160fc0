// SPDX-License-Identifier: MIT
// Files of rom/, through the capability "rom" of the program's environment [proto/rom.h].
#pragma once

#include <abi/types.h>
#include <stdint.h>

/* Memory of a file and its size in bytes; name: without "rom/". SK_ENOENT. */
__attribute__((warn_unused_result)) int64_t rom_open(const char *name, uint64_t *size, cap_t *mem);

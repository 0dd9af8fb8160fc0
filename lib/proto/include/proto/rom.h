// SPDX-License-Identifier: MIT
// rom/: the boot modules as read-only files.
#pragma once

#include <proto/range.h>

enum rom_op {
    ROM_OPEN = PROTO_ROM, /* in: string name (without "rom/"). out: size in bytes, cap memory (R). SK_ENOENT. */
    ROM_ENTRY,            /* in: index. out: size, string name. SK_ENOENT behind the last. */
};

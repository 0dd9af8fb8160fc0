// SPDX-License-Identifier: MIT
// Any file, any address: a name that is found lies in the file and ends there.
#include <stdlib.h>
#include <string.h>
#include "symbols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *file = (const char *)data;

    for (uint64_t addr = 0; addr < 64; addr += 3) {
        uint64_t offset;
        const char *name = symbols_find(data, size, addr, &offset);
        if (name && (name < file || name >= file + size || !memchr(name, 0, (size_t)(file + size - name)))) {
            abort();
        }
    }
    return 0;
}

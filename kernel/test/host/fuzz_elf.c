// SPDX-License-Identifier: MIT
// Whatever the file: no access outside it, and what is accepted keeps the promises of kernel/elf.h.
#include <kernel/elf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                                                                        \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            __builtin_trap();                                                                                          \
        }                                                                                                              \
    } while (0)
#define END 0x7fff00000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf_image e;
    const char *why;
    uint64_t last = PAGE_SIZE;

    if (elf_parse(data, size, END, &e, &why) != SK_OK) {
        MUST(why != NULL);
        return 0;
    }
    for (unsigned i = 0; i < e.count; i++) {
        const struct elf_segment *s = &e.segment[i];

        MUST(range_ok(s->offset, s->file_size, size) && s->file_size <= s->mem_size && s->mem_size > 0);
        MUST(align_down(s->va, PAGE_SIZE) >= last && s->va + s->mem_size <= END);
        MUST((s->rights & (RIGHT_W | RIGHT_X)) != (RIGHT_W | RIGHT_X));
        last = align_up(s->va + s->mem_size, PAGE_SIZE);
    }
    return 0;
}

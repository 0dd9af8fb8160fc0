// SPDX-License-Identifier: MIT
// Any file: what is accepted must keep the promises of elf/image.h.
#include <elf/image.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t limit = 0x7fff00000000ull;
    struct elf_image im;
    uint64_t end = 0;
    volatile uint8_t sum = 0;

    if (elf_image_open(&im, data, size, limit)) {
        return 0;
    }
    require(im.segment_count > 0 && im.segment_count <= ELF_SEGMENTS_MAX);
    for (unsigned i = 0; i < im.segment_count; i++) {
        const struct elf_segment *s = &im.segment[i];
        require(!((s->flags & ELF_W) && (s->flags & ELF_X)));
        require(s->mem_size > 0 && s->file_size <= s->mem_size && s->vaddr + s->mem_size <= limit);
        require((s->vaddr & ~0xfffull) >= end);
        end = (s->vaddr + s->mem_size + 0xfff) & ~0xfffull;
        for (uint64_t b = 0; b < s->file_size; b++) {
            sum = (uint8_t)(sum + data[s->offset + b]);
        }
    }
    return 0;
}

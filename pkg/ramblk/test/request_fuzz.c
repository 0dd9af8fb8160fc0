// SPDX-License-Identifier: MIT
/* Fuzz: any chain, over any content of guest memory, touches only the disk and guest memory (ASan sees to that), and
 * leaves a read-only disk as it was. Input: a count, segments of 6 bytes (address, length, direction), then guest
 * memory. */
#include "../src/request.h"
#include <stdlib.h>
#include <string.h>

#define GPA 0x1000u
#define DISK_BYTES 8192u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t content[DISK_BYTES], before[DISK_BYTES];
    uint8_t *piece[] = {content}, *ram = calloc(1, 0x1000);
    struct disk disk = {.size = DISK_BYTES, .piece = piece, .id = "fuzz"};
    struct vring_seg seg[REQUEST_SEG_MAX + 2];
    struct vring_chain chain = {0};
    struct gmem mem;

    gmem_init(&mem);
    if (!ram || size < 1 || gmem_add(&mem, &(struct gmem_region){.gpa = GPA, .size = 0x1000, .host = ram})) {
        free(ram);
        return 0;
    }
    disk.readonly = data[0] & 0x80;
    unsigned count = data[0] & 0x7f;

    data++, size--;
    for (unsigned i = 0; i < count && size >= 6; i++, data += 6, size -= 6) {
        struct vring_seg *s = &seg[i];

        *s = (struct vring_seg){data[0] | (uint64_t)data[1] << 8, 1u + (data[2] | (uint32_t)data[3] << 8), data[4] & 1};
        s->write |= chain.writable > 0; /* readable ones come first */
        chain.writable = (uint16_t)(chain.writable + s->write);
        chain.readable = (uint16_t)(chain.readable + !s->write);
    }
    memcpy(ram, data, size < 0x1000 ? size : 0x1000);
    memset(content, 0x5a, sizeof(content));
    memcpy(before, content, sizeof(before));
    int64_t written = request_execute(&disk, &mem, seg, &chain);

    if (written == 0 || written < -1 || (disk.readonly && memcmp(content, before, sizeof(before)) != 0)) {
        abort();
    }
    free(ram);
    return 0;
}

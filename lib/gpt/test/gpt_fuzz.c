// SPDX-License-Identifier: MIT
/* Fuzz target: the input is the beginning of a disk of 512-byte blocks (its last block is also the backup header).
 * Checksums would stop a fuzzer at the door, so they are made right when the first byte is odd. */
#include <gpt/gpt.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define BLOCKS 300u

static uint8_t image[BLOCKS * 512];

static int64_t image_read(void *ctx, uint64_t lba, uint32_t blocks, void *buf)
{
    (void)ctx;
    if (!range_ok(lba, blocks, BLOCKS)) {
        abort();
    }
    memcpy(buf, image + lba * 512, (size_t)blocks * 512);
    return SK_OK;
}

static void seal(uint8_t *h)
{
    uint64_t lba;
    uint32_t n, size, header, crc;

    memcpy(h, "EFI PART", 8);
    memcpy(&header, h + 12, 4), memcpy(&lba, h + 72, 8), memcpy(&n, h + 80, 4), memcpy(&size, h + 84, 4);
    if (lba < BLOCKS && n <= GPT_ENTRIES_MAX && size <= 4096 &&
        range_ok(lba * 512, (uint64_t)n * size, sizeof(image))) {
        crc = gpt_crc32(image + lba * 512, (size_t)n * size);
        memcpy(h + 88, &crc, 4);
    }
    if (header <= 512) {
        memset(h + 16, 0, 4);
        crc = gpt_crc32(h, header);
        memcpy(h + 16, &crc, 4);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buf[GPT_ENTRIES_MAX * 128 + 1024];
    struct gpt_disk d = {.read = image_read, .blocks = BLOCKS, .block_size = 512};
    struct gpt_table t;
    struct gpt_part p;

    if (size < 1) {
        return 0;
    }
    memset(image, 0, sizeof(image));
    memcpy(image + 512, data + 1, min(size - 1, sizeof(image) - 512));
    if (data[0] & 1) {
        seal(image + 512);
    }
    if (data[0] & 2) {
        memcpy(image + (BLOCKS - 1) * 512, image + 512, 512);
        seal(image + (BLOCKS - 1) * 512);
    }
    if (gpt_read(&d, buf, sizeof(buf), &t) != SK_OK) {
        return 0;
    }
    for (uint32_t i = 0; i < t.count; i++) {
        if (gpt_entry(&t, i, &p) == SK_OK && (p.first > p.last || p.last >= BLOCKS)) {
            abort();
        }
    }
    return 0;
}

// SPDX-License-Identifier: MIT
/* Fuzz target: 16-byte entries for boot records: each group of 34 bytes is a block number and two entries of the record
 * there. Partitions that are not refused must lie on the disk and apart. */
#include <gpt/mbr.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define BLOCKS 256u

static uint8_t image[BLOCKS][512];

static int64_t image_read(void *ctx, uint64_t lba, uint32_t blocks, void *buf)
{
    (void)ctx;
    if (!range_ok(lba, blocks, BLOCKS)) {
        abort();
    }
    memcpy(buf, image[lba], blocks * 512u);
    return SK_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gpt_disk d = {.read = image_read, .blocks = BLOCKS, .block_size = 512};
    static struct mbr_table t;
    uint8_t buf[512];

    memset(image, 0, sizeof(image));
    for (; size >= 34; data += 34, size -= 34) {
        uint8_t *b = image[data[0] % BLOCKS];

        memcpy(b + 446 + (data[1] & 1) * 32u, data + 2, 32);
        b[510] = 0x55, b[511] = 0xaa;
    }
    if (mbr_read(&d, buf, sizeof(buf), &t) != SK_OK) {
        return 0;
    }
    for (unsigned i = 0; i < t.count; i++) {
        const struct mbr_part *p = &t.part[i];

        if (!p->refused && (p->first == 0 || p->first > p->last || p->last >= BLOCKS)) {
            abort();
        }
        for (unsigned k = 0; k < i; k++) {
            if (!p->refused && !t.part[k].refused && p->first <= t.part[k].last && t.part[k].first <= p->last) {
                abort();
            }
        }
    }
    return 0;
}

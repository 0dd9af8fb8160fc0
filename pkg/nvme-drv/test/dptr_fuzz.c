// SPDX-License-Identifier: MIT
/* Fuzz target: the data pointers of commands for any scattered memory, block size and limit, as PRPs and as SGLs. The
 * model, which decodes them on its own, must find the request's bytes in their order, and no others. Input: kind, block
 * size, limit, then segments: three bytes of address, two of length. */
#include "fuzz_input.h"
#include "model_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define MEMORY (1u << 20)
#define SEGS_MAX 128u

static uint8_t memory[MEMORY] __attribute__((aligned(4096)));
static struct model *model;

static unsigned segs_take(struct dma_seg *seg)
{
    unsigned n = 0;

    while (input.left > 0 && n < SEGS_MAX) {
        unsigned where = take(3), len = 1 + take(2), shape = where >> 20;

        where %= MEMORY - 0x10000;
        where &= shape & 1 ? ~511u : shape & 2 ? ~4095u : shape & 4 ? ~3u : ~0u;
        len = shape & 8 ? (len + 511) & ~511u : len;
        if (n > 0 && shape == 15) { /* it follows the one before */
            where = (unsigned)(seg[n - 1].addr - MODEL_DEV - (uintptr_t)memory + seg[n - 1].len) % (MEMORY - 0x10000);
        }
        seg[n++] = (struct dma_seg){.addr = (uintptr_t)memory + where + MODEL_DEV, .len = len};
    }
    return n;
}

/* Takes so many bytes off the cursor, to `out` if there is one. Return: how many there were. */
static uint32_t copy(struct dma_cursor *c, uint32_t bytes, uint8_t *out)
{
    struct dma_seg s;
    uint32_t done = 0;

    while (done < bytes && dma_cursor_take(c, bytes - done, &s)) {
        if (out) {
            memcpy(out + done, (const uint8_t *)(uintptr_t)(s.addr - MODEL_DEV), s.len);
        }
        done += s.len;
    }
    return done;
}

/* One command; false: the rest cannot be expressed. */
static bool build(struct dma_cursor *cur, enum dptr_kind kind, uint32_t most, uint32_t block)
{
    static uint8_t want[MEMORY], got[MEMORY];
    struct nvme_queue *q = model->ctrl->io[0];
    struct dma_cursor before = *cur;
    struct nvme_sqe *sqe;
    struct nvme_cmd *cmd = nvme_queue_get(q, &sqe);
    int64_t bytes = dptr_build(q, cmd, sqe, kind, cur, most, block);

    if (bytes < 0) { /* all list pages are free: there is no other reason */
        if (bytes != SK_EINVAL || memcmp(&before, cur, sizeof(before)) != 0) {
            abort();
        }
        nvme_queue_unget(q, cmd);
        return copy(cur, block, NULL) == block; /* the driver takes it through a page of its own */
    }
    if (bytes == 0 || bytes > most || bytes % block || copy(&before, (uint32_t)bytes, want) != bytes ||
        memcmp(&before, cur, sizeof(before)) != 0) {
        abort();
    }
    if (model_transfer(model, sqe, got, (uint32_t)bytes, false) != 0 || memcmp(want, got, (size_t)bytes) != 0) {
        abort();
    }
    nvme_queue_unget(q, cmd);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dma_seg seg[SEGS_MAX];

    input.at = data;
    input.left = size;
    enum dptr_kind kind = (enum dptr_kind)pick(3);
    uint32_t block = pick(2) ? 4096 : 512, most = max(4096u << pick(9), block);
    struct dma_cursor cur = {.seg = seg, .count = segs_take(seg)};

    while (cur.index < cur.count && build(&cur, kind, most, block)) {
    }
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int64_t err;

    (void)argc, (void)argv;
    model = model_new(64);
    model_start(model, &err);
    for (unsigned i = 0; i < MEMORY; i++) {
        memory[i] = (uint8_t)(i * 2654435761u >> 24);
    }
    return err != 0 || !freopen("/dev/null", "w", stdout);
}

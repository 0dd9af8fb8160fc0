// SPDX-License-Identifier: MIT
/* Fuzz target: the input is the ring memory of a hostile driver. The first byte chooses the features (bit 3: packed).
 * Chains are taken and returned until the queue is empty or broken; every segment count must respect the limits. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>
#include <virtio/vring.h>

#define NUM 16u
#define BYTES 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void queue_start(struct vring *vq, const struct gmem *mem, uint8_t choice)
{
    struct vring_config cfg = {
        .num = NUM, .desc = 0, .avail = 256, .used = 320, .features = (uint64_t)(choice & 3) << 28};

    if (choice & 8) {
        cfg.features |= VIRTIO_F_RING_PACKED;
        cfg.base = VRING_BASE_PACKED;
    }
    if (vring_init(vq, mem, &cfg)) {
        abort();
    }
}

static void check(const struct vring *vq, int n, const struct vring_chain *c)
{
    if (n > 8 || (n > 0 && (unsigned)n != (unsigned)c->readable + c->writable) ||
        (n < 0) != (vring_error(vq) != NULL) || vq->in_flight > vq->num) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(4096) uint8_t ram[BYTES];
    struct gmem mem;
    struct vring vq;
    struct vring_seg seg[8];
    struct vring_chain c;

    if (size < 1) {
        return 0;
    }
    memset(ram, 0, sizeof(ram));
    memcpy(ram, data + 1, min(size - 1, sizeof(ram)));
    gmem_init(&mem);
    if (gmem_add(&mem, &(struct gmem_region){.gpa = 0, .size = BYTES, .host = ram})) {
        abort();
    }
    queue_start(&vq, &mem, data[0]);
    for (unsigned i = 0; i < 64; i++) {
        int n = vring_pop(&vq, seg, ARRAY_SIZE(seg), &c);

        check(&vq, n, &c);
        if (n <= 0) {
            break;
        }
        if (data[0] & 4) {
            vring_push(&vq, c.head, 1);
        }
        if (data[0] & 16) {
            (void)vring_publish(&vq);
        }
    }
    (void)vring_publish(&vq);
    vring_kick_disable(&vq);
    (void)vring_kick_enable(&vq);
    return 0;
}

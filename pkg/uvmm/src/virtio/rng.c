// SPDX-License-Identifier: MIT
/* The virtio entropy device [virtio-1.2 5.4]: one queue of buffers to fill. Entropy comes from the processor's own
 * source, RDSEED, or else RDRAND [SDM-1 7.3.17]; a processor that has neither gives the guest no device, as there is no
 * other source here that deserves the name. Each chain is filled up to FILL bytes, and what one notification brings up
 * to BUDGET bytes; a guest that wants more gets on with it in between. */

#include "../device.h"
#include "../gmem.h"
#include "../log.h"
#include "virtio.h"
#include <cpuid.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <stdlib.h>
#include <util/bits.h>
#include <virtio/vring.h>

#define QUEUE_SIZE 64u
#define FILL 256u
#define BUDGET 4096u
#define CLASS_OTHER 0x00ff00u
#define VIRTIO_ID_ENTROPY 4u
#define TRIES 1000u /* the source may be empty for a moment [SDM-1 7.3.17] */

#define CPUID1_ECX_RDRAND BIT(30)
#define CPUID7_EBX_RDSEED BIT(18)

struct rng {
    struct virtio_dev dev;
    struct gmem mem;
    struct vring ring;
    struct server_source more;
    rng_word_fn word;
};
static bool present;

static bool rdseed_word(uint64_t *v)
{
    unsigned char ok;

    __asm__ volatile("rdseed %0; setc %1" : "=r"(*v), "=qm"(ok) : : "cc");
    return ok != 0;
}

static bool rdrand_word(uint64_t *v)
{
    unsigned char ok;

    __asm__ volatile("rdrand %0; setc %1" : "=r"(*v), "=qm"(ok) : : "cc");
    return ok != 0;
}

rng_word_fn rng_source(void)
{
    unsigned a, b, c, d;

    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & CPUID7_EBX_RDSEED)) {
        return rdseed_word;
    }
    return __get_cpuid(1, &a, &b, &c, &d) && (c & CPUID1_ECX_RDRAND) ? rdrand_word : NULL;
}

static bool word_get(struct rng *r, uint64_t *v)
{
    for (unsigned i = 0; i < TRIES; i++) {
        if (r->word(v)) {
            return true;
        }
    }
    return false;
}

static void broken(struct rng *r, const char *why)
{
    log_info(LOG_VIRTIO, "%s: %s: the device needs a reset by its driver", r->dev.pci.name, why);
    virtio_broken(&r->dev);
}

/* Fills the writable segments. Bytes written; less than there is room for when the source is empty or after FILL bytes;
 * -1: a segment is not in memory. */
static int chain_fill(struct rng *r, const struct vring_seg *seg, unsigned count)
{
    uint32_t done = 0;

    for (unsigned i = 0; i < count; i++) {
        for (uint32_t off = 0; off < seg[i].len && done < FILL;) {
            uint64_t v;
            uint32_t room = min(seg[i].len - off, FILL - done), n = min(room, (uint32_t)sizeof(v));
            if (!word_get(r, &v)) {
                return (int)done;
            }
            if (ram_write(seg[i].gpa + off, &v, n) < 0) {
                return -1;
            }
            off += n;
            done += n;
        }
    }
    return (int)done;
}

/* One chain; bytes, 0: none there, -1: the device is broken. */
static int chain_serve(struct rng *r)
{
    struct vring_seg seg[QUEUE_SIZE];
    struct vring_chain chain;
    int n = vring_pop(&r->ring, seg, QUEUE_SIZE, &chain);

    if (n < 0) {
        broken(r, vring_error(&r->ring));
        return -1;
    }
    if (n == 0) {
        return 0;
    }
    int filled = chain_fill(r, seg + chain.readable, chain.writable);
    if (filled < 0) {
        broken(r, "buffer outside memory");
        return -1;
    }
    vring_push(&r->ring, chain.head, (uint32_t)filled);
    return filled > 0 ? filled : 1;
}

static void rng_run(struct rng *r)
{
    int left = BUDGET, n = 1;

    if (!r->dev.queue[0].started || (r->dev.status & VIRTIO_STATUS_NEEDS_RESET)) {
        return;
    }
    while (left > 0 && n > 0) {
        n = chain_serve(r);
        left -= n;
        if (n == 0 && vring_kick_enable(&r->ring)) {
            n = 1; /* one came meanwhile */
        }
    }
    if (n < 0) {
        return;
    }
    if (vring_publish(&r->ring)) {
        virtio_queue_interrupt(&r->dev, 0);
    }
    if (left <= 0) {
        sys_signal_raise(r->more.cap);
    }
}

static void more_event(void *ctx)
{
    rng_run(ctx);
}

static struct rng *rng_of(struct virtio_dev *d)
{
    return container_of(d, struct rng, dev);
}

static int rng_queue_start(struct virtio_dev *d, unsigned q)
{
    const struct virtio_queue *vq = &d->queue[q];
    struct vring_config cfg = {
        .num = vq->size, .desc = vq->desc, .avail = vq->driver, .used = vq->device, .features = d->accepted};

    return (int)vring_init(&rng_of(d)->ring, &rng_of(d)->mem, &cfg);
}

static void rng_notify(struct virtio_dev *d, unsigned q)
{
    (void)q;
    rng_run(rng_of(d));
}

static int rng_reset(struct virtio_dev *d)
{
    (void)d;
    return SK_OK;
}

static const struct virtio_ops rng_ops = {.queue_start = rng_queue_start, .notify = rng_notify, .reset = rng_reset};

static int64_t memory_init(struct gmem *mem)
{
    unsigned n;
    const struct ram_region *r = ram_regions(&n);
    int64_t err = 0;

    gmem_init(mem);
    for (unsigned i = 0; i < n && err >= 0; i++) {
        err = gmem_add(mem, &(struct gmem_region){.gpa = r[i].gpa, .size = r[i].size, .host = r[i].host});
    }
    return err;
}

static int rng_create(struct rng *r, const char *name, bool mmio)
{
    const struct virtio_info info = {
        .name = name,
        .id = VIRTIO_ID_ENTROPY,
        .class_code = CLASS_OTHER,
        .features = VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX,
        .queue_count = 1,
        .queue_size = QUEUE_SIZE,
        .ops = &rng_ops,
        .mmio = mmio,
    };
    int64_t err = memory_init(&r->mem);

    err = err < 0 ? err : server_signal(&r->more, CAP_NULL, more_event, r);
    return err < 0 ? (int)err : virtio_dev_add(&r->dev, &info);
}

static int rng_probe(const void *fdt, int node, const char *name)
{
    static struct rng rng;
    bool mmio = virtio_node_mmio(fdt, node);

    if (present) {
        log_error(LOG_VIRTIO, "device tree node %s: there can be only one entropy device: remove one of the two nodes",
                  name);
        return SK_EEXIST;
    }
    rng = (struct rng){.word = rng_source()};
    if (rng.word == NULL) {
        log_warn(LOG_VIRTIO,
                 "device tree node %s is disabled: this processor has neither RDSEED nor RDRAND, and there is "
                 "no other source of entropy",
                 name);
        return SK_ENODEV;
    }
    if (!mmio && virtio_bus_check(name) != SK_OK) {
        return SK_ENOENT;
    }
    int err = rng_create(&rng, name, mmio);
    if (err) {
        log_error(LOG_VIRTIO, "device tree node %s: making the entropy device: %s", name, sk_strerror(err));
    }
    present = err == SK_OK;
    return err;
}

void virtio_rng_forget(void)
{
    present = false;
}

const struct device_type virtio_rng_type = {.compatible = "skerry,virtio-rng", .probe = rng_probe};
const struct device_type virtio_rng_mmio_type = {
    .compatible = "skerry,virtio-rng-mmio", .probe = rng_probe, .reset = virtio_mmio_reset};

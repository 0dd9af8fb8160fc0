// SPDX-License-Identifier: MIT
/* A virtio driver's side of a block device on the model controller: the ring in "guest memory" of two regions,
 * requests, fixtures. For the tests of requests, each of which includes it once. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model.h"
#include <abi/types.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 8192u
#define RAM (4u << 20)
#define GPA 0x1000u /* guest RAM begins here, in two regions that meet at SPLIT */
#define SPLIT 0x200000u
#define DESC 0x2000u
#define AVAIL 0x4000u
#define USED 0x5000u
#define HEAD 0x8000u /* headers: 16 bytes each */
#define STATUS 0xa000u
#define DATA 0x10000u
#define NUM 256u

struct env {
    struct model *m;
    struct nvme_ctrl *c;
    struct blkdev *d;
    struct qos qos;
    uint8_t *ram;
    uint16_t next; /* descriptor to use next */
    uint16_t heads;
    unsigned calls, changes;
};

static inline void *at(struct env *e, uint64_t gpa)
{
    return e->ram + gpa;
}
static inline void count_call(void *ctx)
{
    ((struct env *)ctx)->calls++;
}
static inline void count_change(void *ctx)
{
    ((struct env *)ctx)->changes++;
}

static inline void attach(struct env *e, struct blk_target t, uint64_t drop_features)
{
    struct gmem_region r[2] = {
        {.gpa = GPA, .size = SPLIT - GPA, .host = e->ram + GPA, .dev = (uintptr_t)e->ram + GPA + MODEL_DEV},
        {.gpa = SPLIT, .size = RAM - SPLIT, .host = e->ram + SPLIT, .dev = (uintptr_t)e->ram + SPLIT + MODEL_DEV},
    };

    if (!e->d) {
        e->d = malloc(sizeof(*e->d));
    }
    blkdev_init(e->d, &e->qos);
    e->d->changed = count_change;
    e->d->changed_ctx = e;
    blkdev_attach(e->d, &t);
    assert_int_equal(gmem_add(&e->d->mem, &r[0]), SK_OK);
    assert_int_equal(gmem_add(&e->d->mem, &r[1]), SK_OK);
    assert_int_equal(blkdev_set_features(e->d, e->d->offered & ~drop_features), SK_OK);
    e->d->queue[0].call = count_call;
    e->d->queue[0].call_ctx = e;
    assert_int_equal(blkdev_vring_num(e->d, 0, NUM), SK_OK);
    assert_int_equal(blkdev_vring_addr(e->d, 0, DESC, AVAIL, USED), SK_OK);
    assert_int_equal(blkdev_vring_base(e->d, 0, 0), SK_OK);
    assert_int_equal(blkdev_vring_enable(e->d, 0, true), SK_OK);
}

static inline struct blk_target whole(struct env *e)
{
    struct nvme_ns *ns = e->c->ns[0];

    return (struct blk_target){.ns = ns,
                               .blocks = ns->info.blocks,
                               .live = ns->live,
                               .whole = true,
                               .readonly = ns->info.readonly,
                               .id = "MODEL1:n1"};
}

static inline struct env *env_new(uint32_t sgls, uint32_t block_size, uint8_t mdts)
{
    struct env *e = calloc(1, sizeof(*e));
    int64_t err;

    e->m = model_new(BLOCKS);
    e->m->id.sgls = sgls;
    e->m->id.mdts = mdts;
    if (block_size != 512) {
        free(e->m->ns[0].data);
        model_add_ns(e->m, 1, BLOCKS * 512 / block_size, block_size);
    }
    for (size_t i = 0; i < BLOCKS * 512; i++) {
        e->m->ns[0].data[i] = (uint8_t)(i * 7 + i / 509);
    }
    e->c = model_start(e->m, &err);
    assert_int_equal(err, SK_OK);
    e->m->irq = 0;
    e->m->reads = e->m->sq_doorbells = e->m->cq_doorbells = e->m->max_bytes = 0;
    e->ram = aligned_alloc(4096, RAM);
    memset(e->ram, 0, RAM);
    attach(e, whole(e), VIRTIO_F_EVENT_IDX);
    return e;
}

static inline void env_free(struct env *e)
{
    model_stop(e->m);
    assert_int_equal(e->m->dma_live, 0);
    model_free(e->m);
    free(e->ram);
    free(e->d);
    free(e);
}

static inline int setup(void **state)
{
    return !(*state = env_new(1, 512, 7));
}
static inline int setup_dword(void **state)
{
    return !(*state = env_new(2, 512, 7));
}
static inline int setup_prp(void **state)
{
    return !(*state = env_new(0, 512, 7));
}
static inline int setup_4k(void **state)
{
    return !(*state = env_new(1, 4096, 7));
}
static inline int setup_prp_mdts1(void **state)
{
    return !(*state = env_new(0, 512, 1));
}
static inline int setup_sgl_mdts1(void **state)
{
    return !(*state = env_new(1, 512, 1));
}
static inline int teardown(void **state)
{
    env_free(*state);
    return 0;
}

/* --- the virtio driver --- */

static inline void desc(struct env *e, uint64_t gpa, uint32_t len, uint16_t flags)
{
    struct virtq_desc *t = at(e, DESC);

    t[e->next % NUM] =
        (struct virtq_desc){.addr = gpa, .len = len, .flags = flags, .next = (uint16_t)((e->next + 1) % NUM)};
    e->next++;
}

static inline void avail(struct env *e, uint16_t head)
{
    struct virtq_avail *a = at(e, AVAIL);

    a->ring[a->idx % NUM] = head % NUM;
    a->idx++;
}

struct piece {
    uint64_t gpa;
    uint32_t len;
};

/* Makes a request available; returns where its status will be. */
static inline uint8_t *post(struct env *e, uint32_t type, uint64_t sector, const struct piece *p, unsigned n)
{
    uint16_t head = e->next, slot = e->heads++ % 256;
    struct virtio_blk_req *h = at(e, HEAD + slot * 16u);
    bool in = type != VIRTIO_BLK_T_OUT && type != VIRTIO_BLK_T_DISCARD && type != VIRTIO_BLK_T_WRITE_ZEROES;
    uint16_t dir = in ? VIRTQ_DESC_F_WRITE : 0;

    *h = (struct virtio_blk_req){.type = type, .sector = sector};
    desc(e, HEAD + slot * 16u, 16, VIRTQ_DESC_F_NEXT);
    for (unsigned i = 0; i < n; i++) {
        desc(e, p[i].gpa, p[i].len, VIRTQ_DESC_F_NEXT | dir);
    }
    uint8_t *status = at(e, STATUS + slot);

    *status = 0xff;
    desc(e, STATUS + slot, 1, VIRTQ_DESC_F_WRITE);
    avail(e, head);
    return status;
}

static inline void kick(struct env *e)
{
    blkdev_kick(&e->d->queue[0]);
    while (model_interrupt(e->m)) {
    }
}

static inline uint8_t run(struct env *e, uint32_t type, uint64_t sector, const struct piece *p, unsigned n)
{
    uint8_t *status = post(e, type, sector, p, n);

    kick(e);
    return *status;
}

static inline uint8_t run1(struct env *e, uint32_t type, uint64_t sector, uint64_t gpa, uint32_t len)
{
    return run(e, type, sector, &(struct piece){gpa, len}, 1);
}

static inline struct virtq_used *used(struct env *e)
{
    return at(e, USED);
}
static inline uint8_t *disk(struct env *e, uint64_t sector)
{
    return e->m->ns[0].data + sector * 512;
}

/* A test with the fixture that is named. */
#define T(f, s)                                                                                                        \
    {                                                                                                                  \
#f " (" #s ")", f, s, teardown, NULL                                                                           \
    }

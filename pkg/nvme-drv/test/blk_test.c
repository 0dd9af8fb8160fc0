// SPDX-License-Identifier: MIT
/* Requests end to end: a virtio driver's ring in "guest memory", the block device, the NVMe driver, the model
 * controller and its disk. With SGLs, with dword-aligned SGLs and with PRPs. */
#include "driver.h"

static void test_read(void **state)
{
    struct env *e = *state;

    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), VIRTIO_BLK_S_OK);
    assert_memory_equal(at(e, DATA), disk(e, 16), 4096);
    assert_int_equal(used(e)->idx, 1);
    assert_int_equal(used(e)->ring[0].len, 4097);
    assert_int_equal(e->m->sq_doorbells, 1);
    assert_int_equal(e->m->cq_doorbells, 1);
    assert_int_equal(e->calls, 1);
    assert_int_equal(e->m->lists, 0); /* the hot path needs no list */
}

static void test_write(void **state)
{
    struct env *e = *state;

    memset(at(e, DATA), 0xab, 8192);
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 80, DATA, 8192), VIRTIO_BLK_S_OK);
    for (unsigned i = 0; i < 8192; i++) {
        assert_int_equal(disk(e, 80)[i], 0xab);
    }
    assert_int_equal(used(e)->ring[0].len, 1);
    assert_int_equal(e->m->fua_writes, 0);
    assert_int_equal(run(e, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
    assert_int_equal(e->m->flushes, 1);
}

static void test_fua(void **state)
{
    struct env *e = *state;

    attach(e, whole(e), VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_CONFIG_WCE);
    memset(at(e, AVAIL), 0, 4);
    e->next = 0;
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 80, DATA, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(e->m->fua_writes, 1);
}

static void test_writeback(void **state)
{
    struct env *e = *state;
    uint8_t off = 0, bad = 2;

    assert_int_equal(e->d->config.writeback, 1);
    assert_int_equal(blkdev_set_config(e->d, 32, &bad, 1), SK_EINVAL);
    assert_int_equal(blkdev_set_config(e->d, 0, &off, 1), SK_EPERM);
    assert_int_equal(blkdev_set_config(e->d, 32, &off, 1), SK_OK);
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 80, DATA, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(e->m->fua_writes, 1);
}

static void test_get_id(void **state)
{
    struct env *e = *state;

    memset(at(e, DATA), 0x77, 24);
    assert_int_equal(run1(e, VIRTIO_BLK_T_GET_ID, 0, DATA, 20), VIRTIO_BLK_S_OK);
    assert_memory_equal(at(e, DATA), "MODEL1:n1\0\0\0\0\0\0\0\0\0\0\0ww", 22);
    assert_int_equal(used(e)->ring[0].len, 21);
}

static void test_refused(void **state)
{
    struct env *e = *state;
    struct piece odd[2] = {{DATA, 256}, {DATA + 8192, 128}};

    assert_int_equal(run1(e, 99, 0, DATA, 512), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(run1(e, VIRTIO_BLK_T_SECURE_ERASE, 0, DATA, 16), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, BLOCKS, DATA, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, BLOCKS - 1, DATA, 1024), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, UINT64_MAX, DATA, 1024), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, UINT64_MAX - 7, DATA, 4096), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, DATA, 100), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(e, VIRTIO_BLK_T_IN, 0, odd, 2), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(e, VIRTIO_BLK_T_IN, 0, NULL, 0), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, 0, 512), VIRTIO_BLK_S_IOERR); /* no memory there */
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, RAM - 512, 1024), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 0, UINT64_MAX - 511, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(e->m->reads + e->m->writes, 0);
    assert_false(e->d->needs_reset);
}

static void test_readonly(void **state)
{
    struct env *e = *state;
    struct blk_target t = whole(e);

    t.readonly = true;
    attach(e, t, 0);
    assert_true(e->d->features & VIRTIO_BLK_F_RO);
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 0, DATA, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(e->m->writes, 0);
}

static void test_partition(void **state)
{
    struct env *e = *state;
    struct blk_target t = whole(e);

    t.first = 1000;
    t.blocks = 100;
    attach(e, t, 0);
    assert_int_equal(e->d->config.capacity, 100);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 99, DATA, 512), VIRTIO_BLK_S_OK);
    assert_memory_equal(at(e, DATA), disk(e, 1099), 512);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 99, DATA, 1024), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 100, DATA, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, UINT64_MAX - 900, DATA, 512), VIRTIO_BLK_S_IOERR);
}

/* Header and status in any framing [virtio-1.2 2.7.4]: one readable and one writable descriptor, or many. */
static void test_framing(void **state)
{
    struct env *e = *state;
    struct virtio_blk_req *h = at(e, HEAD);

    *h = (struct virtio_blk_req){.type = VIRTIO_BLK_T_IN, .sector = 3};
    desc(e, HEAD, 5, VIRTQ_DESC_F_NEXT);
    desc(e, HEAD + 5, 11, VIRTQ_DESC_F_NEXT);
    desc(e, DATA, 513, VIRTQ_DESC_F_WRITE); /* data and status */
    avail(e, 0);
    kick(e);
    assert_memory_equal(at(e, DATA), disk(e, 3), 512);
    assert_int_equal(((uint8_t *)at(e, DATA))[512], VIRTIO_BLK_S_OK);
    *h = (struct virtio_blk_req){.type = VIRTIO_BLK_T_OUT, .sector = 4};
    memset(at(e, HEAD + 16), 0x31, 512);
    desc(e, HEAD, 528, VIRTQ_DESC_F_NEXT); /* header and data */
    desc(e, STATUS, 1, VIRTQ_DESC_F_WRITE);
    avail(e, 3);
    kick(e);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_OK);
    assert_int_equal(disk(e, 4)[0], 0x31);
    assert_int_equal(disk(e, 4)[511], 0x31);
}

/* Random scatter lists: page pieces, or pieces of whole blocks that PRPs must split, across both regions. */
static void test_scatter(void **state)
{
    struct env *e = *state;
    uint32_t bs = e->c->ns[0]->info.block_size, seed = 1;
    uint8_t *copy = malloc(1 << 20);

    for (unsigned round = 0; round < 400; round++) {
        struct piece p[60];
        unsigned n = 1 + round % 60;
        uint64_t gpa = DATA + (round % 8) * 512, total = 0;

        for (unsigned i = 0; i < n; i++) {
            seed = seed * 1103515245 + 12345;
            uint32_t len = (1 + (seed >> 16) % (bs == 512 ? 16 : 4)) * bs;

            p[i] = (struct piece){gpa, len};
            gpa += len;
            if (seed >> 28 & 1) {
                gpa = round & 1 ? align_up(gpa, 4096) + 4096 : gpa + 512 * (seed >> 20 & 7);
            }
            total += len;
        }
        if (round % 7 == 0) {
            p[n / 2].gpa = SPLIT - 512; /* a piece that lies in both regions */
        }
        seed = seed * 1103515245 + 12345;
        uint64_t sector = (seed >> 8) % (BLOCKS - total / 512) / (bs / 512) * (bs / 512);
        bool write = round % 3 == 0;

        for (unsigned i = 0, off = 0; i < n; off += p[i++].len) {
            memset(at(e, p[i].gpa), (int)(round + i), p[i].len);
        }
        for (unsigned i = 0, off = 0; i < n; off += p[i++].len) {
            memcpy(copy + off, at(e, p[i].gpa), p[i].len);
        }
        assert_int_equal(run(e, write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, sector, p, n), VIRTIO_BLK_S_OK);
        for (unsigned i = 0, off = 0; i < n && !write && round % 7; off += p[i++].len) {
            assert_memory_equal(at(e, p[i].gpa), disk(e, sector) + off, p[i].len);
        }
        if (write) {
            assert_memory_equal(disk(e, sector), copy, total);
        }
    }
    assert_true(e->m->max_bytes <= e->c->ns[0]->max_transfer);
    free(copy);
}

/* Blocks that the controller cannot reach in place go through a page of ours, and no byte besides is written. */
static void test_bounce(void **state)
{
    struct env *e = *state;
    uint32_t bs = e->c->ns[0]->info.block_size;
    struct piece split[3] = {
        {DATA, bs - 2}, {DATA + 9001, bs + 1}, {SPLIT - 700, bs + 1}}; /* the last in both regions */
    struct piece odd[1] = {{DATA + 2, 40 * bs}};

    memset(at(e, DATA), 0xee, 40 * bs + 4);
    assert_int_equal(run(e, VIRTIO_BLK_T_IN, 0, odd, 1), VIRTIO_BLK_S_OK);
    assert_memory_equal(at(e, DATA + 2), disk(e, 0), 40 * bs);
    assert_memory_equal(at(e, DATA), "\xee\xee", 2);
    assert_memory_equal(at(e, DATA + 2 + 40 * bs), "\xee\xee", 2);
    assert_int_equal(run(e, VIRTIO_BLK_T_IN, 8, split, 3), VIRTIO_BLK_S_OK);
    for (unsigned i = 0, off = 0; i < 3; off += split[i++].len) {
        assert_memory_equal(at(e, split[i].gpa), disk(e, 8) + off, split[i].len);
        memset(at(e, split[i].gpa), 0x40 + (int)i, split[i].len);
    }
    assert_int_equal(run(e, VIRTIO_BLK_T_OUT, 800, split, 3), VIRTIO_BLK_S_OK);
    for (unsigned i = 0, off = 0; i < 3; off += split[i++].len) {
        assert_memory_equal(at(e, split[i].gpa), disk(e, 800) + off, split[i].len);
    }
    assert_int_equal(e->c->ns[0]->queue->in_flight, 0);
    unsigned pages = 0;
    while (nvme_list_get(e->c->ns[0]->queue) != NVME_LIST_NONE) { /* all of them are back */
        pages++;
    }
    assert_int_equal(pages, NVME_LIST_PAGES);
}

/* More such blocks than there are pages: the rest waits. */
static void test_bounce_stall(void **state)
{
    struct env *e = *state;
    uint8_t *status[40];

    e->m->hold = true;
    for (unsigned i = 0; i < 40; i++) {
        status[i] = post(e, VIRTIO_BLK_T_IN, i * 8, &(struct piece){DATA + 1 + i * 4099, 4096}, 1);
    }
    kick(e);
    for (unsigned i = 0; i < 1000 && used(e)->idx < 40; i++) {
        model_release(e->m, i & 1);
        model_interrupt(e->m);
    }
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(*status[i], VIRTIO_BLK_S_OK);
        assert_memory_equal(at(e, DATA + 1 + i * 4099), disk(e, i * 8), 4096);
    }
}

static void test_dword(void **state)
{
    struct env *e = *state;
    struct piece split[2] = {{DATA, 256}, {DATA + 8192, 256}};

    assert_int_equal(run(e, VIRTIO_BLK_T_IN, 0, split, 2), VIRTIO_BLK_S_OK);
    assert_int_equal(e->m->lists, 1);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, DATA + 2, 512), VIRTIO_BLK_S_OK);
    assert_memory_equal(at(e, DATA + 2), disk(e, 0), 512);
}

/* More than 512 pages: a chain of list pages. Only possible without MDTS. */
static void test_long_list(void **state)
{
    (void)state;
    struct env *e = env_new(0, 512, 0);
    struct nvme_queue *q = e->c->ns[0]->queue;
    struct nvme_sqe *sqe;
    struct nvme_cmd *cmd = nvme_queue_get(q, &sqe);
    static struct dma_seg seg[1200];
    struct dma_cursor cur = {.seg = seg, .count = 1200};

    for (unsigned i = 0; i < 1200; i++) {
        seg[i] = (struct dma_seg){.addr = 0x10000000 + (i ^ 1u) * 8192ull, .len = 4096};
    }
    assert_int_equal(dptr_build(q, cmd, sqe, DPTR_PRP, &cur, 1200 * 4096, 512), 1200 * 4096);
    assert_true(sqe->dptr[0] == seg[0].addr);
    uint64_t *list = (uint64_t *)(uintptr_t)(sqe->dptr[1] - MODEL_DEV);

    for (unsigned i = 1, k = 0; i < 1200; i++, k++) {
        if (k == 511) {
            list = (uint64_t *)(uintptr_t)(list[511] - MODEL_DEV);
            k = 0;
        }
        assert_true(list[k] == seg[i].addr);
    }
    nvme_queue_unget(q, cmd);
    /* all list pages are back */
    unsigned pages = 0;
    while (nvme_list_get(q) != NVME_LIST_NONE) {
        pages++;
    }
    assert_int_equal(pages, NVME_LIST_PAGES);
    env_free(e);
}

static void test_batch(void **state)
{
    struct env *e = *state;
    uint8_t *status[32];

    e->m->hold = true;
    for (unsigned i = 0; i < 32; i++) {
        status[i] = post(e, VIRTIO_BLK_T_IN, i * 8, &(struct piece){DATA + i * 4096, 4096}, 1);
    }
    kick(e);
    assert_int_equal(e->m->sq_doorbells, 1);
    assert_int_equal(used(e)->idx, 0);
    e->m->hold = false;
    model_release(e->m, true); /* completed out of order */
    model_interrupt(e->m);
    assert_int_equal(e->m->cq_doorbells, 1);
    assert_int_equal(e->calls, 1);
    assert_int_equal(used(e)->idx, 32);
    for (unsigned i = 0; i < 32; i++) {
        assert_int_equal(*status[i], VIRTIO_BLK_S_OK);
        assert_memory_equal(at(e, DATA + i * 4096), disk(e, i * 8), 4096);
    }
}

/* More commands than slots and list pages: requests stall and go on. */
static void test_stall(void **state)
{
    struct env *e = *state;
    uint8_t *status[64];
    struct piece p[2];

    e->m->hold = true;
    for (unsigned i = 0; i < 64; i++) { /* each needs a list, or two commands */
        p[0] = (struct piece){DATA + i * 16384, 4096};
        p[1] = (struct piece){DATA + i * 16384 + 8192, 8192};
        status[i] = post(e, VIRTIO_BLK_T_IN, i * 24, p, 2);
        kick(e);
    }
    for (unsigned i = 0; i < 100 && used(e)->idx < 64; i++) {
        model_release(e->m, i & 1);
        model_interrupt(e->m);
    }
    assert_int_equal(used(e)->idx, 64);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(*status[i], VIRTIO_BLK_S_OK);
        assert_memory_equal(at(e, DATA + i * 16384), disk(e, i * 24), 4096);
        assert_memory_equal(at(e, DATA + i * 16384 + 8192), disk(e, i * 24 + 8), 8192);
    }
    assert_int_equal(e->d->queue[0].busy, 0);
}

static void test_stall_small_queue(void **state)
{
    struct env *e = *state;
    struct nvme_queue *q = e->c->ns[0]->queue;
    uint8_t *status[20];

    while (q->in_flight < q->entries - 3) { /* only two slots are left */
        struct nvme_sqe *sqe;
        struct nvme_cmd *cmd = nvme_queue_get(q, &sqe);

        cmd->done = (nvme_done_fn)NULL;
        q->in_flight++;
        cmd->busy = true;
    }
    e->m->hold = true;
    for (unsigned i = 0; i < 20; i++) {
        status[i] = post(e, i == 7 ? VIRTIO_BLK_T_FLUSH : VIRTIO_BLK_T_IN, i * 8,
                         &(struct piece){DATA + i * 4096, 4096}, i != 7);
    }
    kick(e);
    assert_int_equal(e->m->held_count, 2);
    for (unsigned i = 0; i < 20; i++) {
        model_release(e->m, false);
        model_interrupt(e->m);
    }
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(*status[i], VIRTIO_BLK_S_OK);
    }
    for (unsigned i = 0; i + 1 < q->entries; i++) {
        q->cmd[i].busy = false;
    }
}

static void test_broken_ring(void **state)
{
    struct env *e = *state;

    e->m->hold = true;
    post(e, VIRTIO_BLK_T_IN, 0, &(struct piece){DATA, 512}, 1);
    kick(e);
    desc(e, HEAD, 16, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE); /* no header, then no status */
    desc(e, HEAD, 16, 0);
    avail(e, 3);
    kick(e);
    assert_true(e->d->needs_reset);
    assert_int_equal(e->changes, 1);
    assert_false(blkdev_stop(e->d)); /* the first request is still in flight */
    e->m->hold = false;
    model_release(e->m, false);
    model_interrupt(e->m);
    assert_int_equal(used(e)->idx, 0); /* a broken ring is left alone */
    assert_int_equal(e->changes, 2);
    assert_true(blkdev_stop(e->d));
    blkdev_reset(e->d);
    memset(at(e, AVAIL), 0, 4);
    attach(e, whole(e), 0);
    e->next = 0;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
}

static void test_no_status(void **state)
{
    struct env *e = *state;

    desc(e, HEAD, 16, 0);
    avail(e, 0);
    kick(e);
    assert_true(e->d->needs_reset);
}

static void test_stop_drains(void **state)
{
    struct env *e = *state;

    e->m->hold = true;
    uint8_t *status = post(e, VIRTIO_BLK_T_IN, 0, &(struct piece){DATA, 512}, 1);

    kick(e);
    assert_false(blkdev_stop(e->d));
    assert_int_equal(blkdev_vring_num(e->d, 0, 8), SK_EBUSY);
    post(e, VIRTIO_BLK_T_IN, 0, &(struct piece){DATA, 512}, 1);
    kick(e); /* not taken any more */
    model_release(e->m, false);
    model_interrupt(e->m);
    assert_int_equal(*status, VIRTIO_BLK_S_OK);
    assert_int_equal(used(e)->idx, 1);
    assert_int_equal(e->changes, 1);
    assert_true(blkdev_stop(e->d));
}

static void test_event_idx_batch(void **state)
{
    struct env *e = *state;
    uint16_t *used_event = (uint16_t *)at(e, AVAIL + 4 + 2 * NUM);

    attach(e, whole(e), 0);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
    e->calls = 0;
    *used_event = 3; /* the driver wants to hear of the fourth only */
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(e->calls, 0);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(e->calls, 1);
}

static void test_config_errors(void **state)
{
    struct env *e = *state;
    struct blkdev *d = e->d;

    assert_int_equal(d->config.capacity, BLOCKS);
    assert_int_equal(blkdev_set_features(d, 0), SK_EINVAL);
    assert_int_equal(blkdev_set_features(d, d->offered | VIRTIO_BLK_F_SECURE_ERASE), SK_EINVAL);
    assert_int_equal(blkdev_set_features(d, d->offered), SK_EBUSY);
    assert_true(blkdev_stop(d));
    assert_int_equal(blkdev_vring_num(d, BLK_QUEUES, 8), SK_ERANGE);
    assert_int_equal(blkdev_vring_num(d, 0, 512), SK_EINVAL);
    assert_int_equal(blkdev_vring_num(d, 0, 7), SK_EINVAL);
    assert_int_equal(blkdev_vring_enable(d, 0, true), SK_OK);
    assert_true(blkdev_stop(d));
    assert_int_equal(blkdev_vring_num(d, 0, 8), SK_OK);
    assert_int_equal(blkdev_vring_enable(d, 0, true), SK_EINVAL); /* no addresses for that size */
    assert_int_equal(blkdev_vring_addr(d, 0, RAM, AVAIL, USED), SK_ERANGE);
    assert_int_equal(blkdev_vring_addr(d, 0, 8, AVAIL, USED), SK_EINVAL);
    assert_int_equal(blkdev_vring_base(d, 0, 65536), SK_EINVAL);
    assert_int_equal(blkdev_vring_enable(d, 7, true), SK_ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_read, setup),
        T(test_read, setup_prp),
        T(test_read, setup_4k),
        T(test_write, setup),
        T(test_write, setup_prp),
        T(test_fua, setup),
        T(test_writeback, setup),
        T(test_get_id, setup),
        T(test_refused, setup),
        T(test_refused, setup_4k),
        T(test_readonly, setup),
        T(test_partition, setup),
        T(test_framing, setup),
        T(test_scatter, setup),
        T(test_scatter, setup_dword),
        T(test_scatter, setup_prp),
        T(test_scatter, setup_4k),
        T(test_scatter, setup_prp_mdts1),
        T(test_scatter, setup_sgl_mdts1),
        T(test_bounce, setup_prp),
        T(test_bounce, setup_dword),
        T(test_bounce, setup),
        T(test_bounce, setup_4k),
        T(test_bounce, setup_prp_mdts1),
        T(test_bounce_stall, setup_prp),
        T(test_dword, setup_dword),
        cmocka_unit_test(test_long_list),
        T(test_batch, setup),
        T(test_batch, setup_prp),
        T(test_stall, setup),
        T(test_stall, setup_prp),
        T(test_stall, setup_prp_mdts1),
        T(test_stall_small_queue, setup),
        T(test_broken_ring, setup),
        T(test_no_status, setup),
        T(test_stop_drains, setup),
        T(test_event_idx_batch, setup),
        T(test_config_errors, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

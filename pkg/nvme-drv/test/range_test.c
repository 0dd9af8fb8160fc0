// SPDX-License-Identifier: MIT
/* Discard, write zeroes and the configuration's limits: from a virtio driver's ring to the model controller's disk. */
#include "driver.h"

#include "../src/blkrange.h"

/* Puts ranges at DATA and runs the request. */
static uint8_t run_ranges(struct env *e, uint32_t type, const struct virtio_blk_range *r, unsigned n)
{
    memcpy(at(e, DATA), r, n * sizeof(*r));
    return run1(e, type, 0, DATA, n * (uint32_t)sizeof(*r));
}

static bool all_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

static void test_discard(void **state)
{
    struct env *e = *state;
    const struct virtio_blk_range r[3] = {{16, 8, 0}, {80, 0, 0}, {BLOCKS - 8, 8, 0}};
    struct piece cut[3] = {{DATA, 5}, {DATA + 5, 27}, {DATA + 32, 16}};

    assert_true(e->d->features & VIRTIO_BLK_F_DISCARD);
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, r, 3), VIRTIO_BLK_S_OK);
    assert_int_equal(e->m->deallocates, 1);
    assert_int_equal(used(e)->ring[0].len, 1);
    assert_true(all_zero(disk(e, 16), 8 * 512) && all_zero(disk(e, BLOCKS - 8), 8 * 512));
    assert_false(all_zero(disk(e, 15), 512) || all_zero(disk(e, 24), 512) || all_zero(disk(e, 80), 512));
    assert_int_equal(run(e, VIRTIO_BLK_T_DISCARD, 0, cut, 3), VIRTIO_BLK_S_OK);
    assert_int_equal(e->m->deallocates, 2);
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, r + 1, 1), VIRTIO_BLK_S_OK); /* nothing to do */
    assert_int_equal(e->m->deallocates, 2);
    for (unsigned i = 0; i < 200; i++) { /* list pages come back */
        assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, r, 1), VIRTIO_BLK_S_OK);
    }
}

static void test_discard_stalls(void **state)
{
    struct env *e = *state;
    uint8_t *status[80];

    *(struct virtio_blk_range *)at(e, DATA) = (struct virtio_blk_range){8, 8, 0};
    e->m->hold = true;
    for (unsigned i = 0; i < 80; i++) { /* more than there are list pages */
        status[i] = post(e, VIRTIO_BLK_T_DISCARD, 0, &(struct piece){DATA, 16}, 1);
    }
    blkdev_kick(&e->d->queue[0]);
    assert_non_null(e->d->queue[0].stalled);
    e->m->hold = false;
    model_release(e->m, true);
    kick(e);
    for (unsigned i = 0; i < 80; i++) {
        assert_int_equal(*status[i], VIRTIO_BLK_S_OK);
    }
    assert_int_equal(e->m->deallocates, 80);
}

static void test_write_zeroes(void **state)
{
    struct env *e = *state;
    const struct virtio_blk_range r[2] = {{16, 1024, 0}, {4096, 4096, VIRTIO_BLK_RANGE_F_UNMAP}};
    uint8_t off = 0;

    e->m->max_bytes = 0;
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_WRITE_ZEROES, r, 2), VIRTIO_BLK_S_OK);
    assert_true(all_zero(disk(e, 16), 1024 * 512) && all_zero(disk(e, 4096), 4096 * 512));
    assert_false(all_zero(disk(e, 15), 512) || all_zero(disk(e, 1040), 512) || all_zero(disk(e, 4095), 512));
    assert_true(e->m->max_bytes <= 4096u << e->m->id.mdts);
    assert_int_equal(e->m->deac, 0); /* this drive cannot */
    e->c->ns[0]->info.zeroes_deallocate = true;
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_WRITE_ZEROES, r, 2), VIRTIO_BLK_S_OK);
    assert_int_equal(e->m->deac, 4096 * 512 / min(4096u << e->m->id.mdts, 4096u * 512));
    assert_int_equal(e->m->fua_writes, 0);
    assert_int_equal(blkdev_set_config(e->d, 32, &off, 1), SK_OK);
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_WRITE_ZEROES, r, 1), VIRTIO_BLK_S_OK);
    assert_true(e->m->fua_writes > 0);
}

/* One bad range, and nothing of the request is done. */
static void test_range_refused(void **state)
{
    static const struct {
        uint32_t type;
        struct virtio_blk_range r;
        uint8_t want;
    } bad[] = {
        {VIRTIO_BLK_T_DISCARD, {BLOCKS, 8, 0}, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_DISCARD, {BLOCKS - 8, 16, 0}, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_DISCARD, {UINT64_MAX - 7, 8, 0}, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_DISCARD, {0, BLK_DISCARD_SECTORS + 8, 0}, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_DISCARD, {0, 8, VIRTIO_BLK_RANGE_F_UNMAP}, VIRTIO_BLK_S_UNSUPP},
        {VIRTIO_BLK_T_DISCARD, {0, 8, 2}, VIRTIO_BLK_S_UNSUPP},
        {VIRTIO_BLK_T_WRITE_ZEROES, {BLOCKS - 8, 16, 0}, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_WRITE_ZEROES, {0, BLK_ZEROES_SECTORS + 8, 0}, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_WRITE_ZEROES, {0, 8, 0x80000000}, VIRTIO_BLK_S_UNSUPP},
    };
    struct env *e = *state;
    struct virtio_blk_range two[BLK_RANGES_MAX + 1] = {{0, 8, 0}};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        two[1] = bad[i].r;
        assert_int_equal(run_ranges(e, bad[i].type, two, 2), bad[i].want);
    }
    assert_int_equal(run1(e, VIRTIO_BLK_T_DISCARD, 0, DATA, 15), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(e, VIRTIO_BLK_T_DISCARD, 0, NULL, 0), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run1(e, VIRTIO_BLK_T_DISCARD, 0, RAM - 8, 16), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, two, BLK_RANGES_MAX + 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(e->m->deallocates + e->m->zeroes, 0);
}

static void test_range_alignment(void **state) /* 4 KiB blocks */
{
    struct env *e = *state;
    const struct virtio_blk_range odd[2] = {{4, 8, 0}, {8, 4, 0}}, good = {8, 16, 0};

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, &odd[i], 1), VIRTIO_BLK_S_IOERR);
        assert_int_equal(run_ranges(e, VIRTIO_BLK_T_WRITE_ZEROES, &odd[i], 1), VIRTIO_BLK_S_IOERR);
    }
    assert_int_equal(e->m->deallocates + e->m->zeroes, 0);
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, &good, 1), VIRTIO_BLK_S_OK);
    assert_true(all_zero(disk(e, 8), 8192) && !all_zero(disk(e, 24), 512) && !all_zero(disk(e, 7), 512));
    assert_int_equal(e->d->config.discard_sector_alignment, 8);
}

/* With empty rings. */
static void attach_again(struct env *e, struct blk_target t, uint64_t drop_features)
{
    memset(at(e, AVAIL), 0, 4);
    memset(at(e, USED), 0, 4);
    e->next = 0;
    attach(e, t, drop_features);
}

static void test_range_limits(void **state)
{
    struct env *e = *state;
    struct blk_target t = whole(e);
    const struct virtio_blk_range inside = {99, 1, 0}, outside = {99, 2, 0};

    t.first = 1000;
    t.blocks = 100;
    attach_again(e, t, 0);
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, &outside, 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, &inside, 1), VIRTIO_BLK_S_OK);
    assert_true(all_zero(disk(e, 1099), 512) && !all_zero(disk(e, 1100), 512));
    t.readonly = true;
    attach_again(e, t, 0);
    assert_false(e->d->offered & (VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES));
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, &inside, 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_WRITE_ZEROES, &inside, 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(e->m->deallocates, 1);
}

static void test_range_features(void **state)
{
    struct env *e = *state;
    const struct virtio_blk_range r = {0, 8, 0};

    attach(e, whole(e), VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES);
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, &r, 1), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_WRITE_ZEROES, &r, 1), VIRTIO_BLK_S_UNSUPP);
    e->c->id.dsm = false;
    attach(e, whole(e), 0);
    assert_false(e->d->offered & VIRTIO_BLK_F_DISCARD);
    assert_true(e->d->offered & VIRTIO_BLK_F_WRITE_ZEROES);
    e->c->id.dsm = true;
}

/* On a namespace with protection information only whole units are discarded. */
static void test_discard_units(void **state)
{
    struct env *e = *state;
    struct ident_ns *info = &e->c->ns[0]->info;
    const struct virtio_blk_range r[3] = {{35, 22, 0}, {73, 7, 0}, {128, 8, 0}}, part = {81, 14, 0};

    info->protect = info->special = true;
    info->discard_granularity = 8;
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, r, 3), VIRTIO_BLK_S_OK);
    assert_int_equal(e->m->deallocates, 1);
    assert_true(all_zero(disk(e, 40), 16 * 512) && all_zero(disk(e, 128), 8 * 512));
    assert_false(all_zero(disk(e, 39), 512) || all_zero(disk(e, 56), 512) || all_zero(disk(e, 73), 512));
    assert_int_equal(run_ranges(e, VIRTIO_BLK_T_DISCARD, &part, 1), VIRTIO_BLK_S_OK); /* nothing is left of it */
    assert_int_equal(e->m->deallocates, 1);
}

static void test_topology(void **state)
{
    struct env *e = *state;
    struct blk_target t = whole(e);
    struct ident_ns *info = &e->c->ns[0]->info;

    assert_int_equal(e->d->config.topology.physical_block_exp, 0);
    assert_int_equal(e->d->config.topology.min_io_size, 1);
    assert_int_equal(e->d->config.topology.opt_io_size, 0);
    assert_int_equal(e->d->config.size_max, BLK_SIZE_MAX);
    assert_int_equal(e->d->config.seg_max, BLK_SEG_MAX);
    info->write_granularity = 8;
    info->write_optimal = 64;
    info->discard_granularity = 16;
    t.first = 1001;
    t.blocks = 100;
    attach(e, t, 0);
    assert_int_equal(e->d->config.topology.physical_block_exp, 3);
    assert_int_equal(e->d->config.topology.alignment_offset, 7);
    assert_int_equal(e->d->config.topology.min_io_size, 8);
    assert_int_equal(e->d->config.topology.opt_io_size, 64);
    assert_int_equal(e->d->config.discard_sector_alignment, 16);
}

/* --- several queues --- */

static struct nvme_queue *start_queue(struct env *e, unsigned i)
{
    uint64_t at_gpa = 0x100000 + i * 0x10000;

    assert_int_equal(blkdev_vring_num(e->d, i, 64), SK_OK);
    assert_int_equal(blkdev_vring_addr(e->d, i, at_gpa, at_gpa + 0x2000, at_gpa + 0x4000), SK_OK);
    assert_int_equal(blkdev_vring_enable(e->d, i, true), SK_OK);
    return e->d->queue[i].nq;
}

static void test_queue_pairs(void **state)
{
    struct env *e = *state;
    struct nvme_queue *first = e->d->queue[0].nq;

    assert_int_equal(e->d->config.num_queues, BLK_QUEUES);
    assert_true(e->d->features & VIRTIO_BLK_F_MQ);
    assert_int_equal(blkdev_vring_num(e->d, BLK_QUEUES, 64), SK_ERANGE);
    assert_ptr_equal(first, e->c->ns[0]->queue);
    assert_ptr_equal(start_queue(e, 1), first); /* until the worker has made one */
    assert_true(e->d->queue[1].wants_pair);
    model_timeout(e->m);
    blkdev_kick(&e->d->queue[1]);
    assert_ptr_not_equal(e->d->queue[1].nq, first);
    assert_false(e->d->queue[1].wants_pair);
    assert_int_not_equal(e->d->queue[1].nq->vector, first->vector);
    assert_int_equal(first->users, 1);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
    assert_true(blkdev_stop(e->d));
    blkdev_pairs_release(e->d);
    assert_int_equal(first->users, 0);
    assert_int_equal(e->c->io[1]->users, 0);
}

/* A queue that starts later takes the pair that was made for another: that one gets the next. */
static void test_queue_pairs_taken(void **state)
{
    struct env *e = *state;
    struct nvme_queue *first = e->d->queue[0].nq;

    assert_ptr_equal(start_queue(e, 1), first);
    model_timeout(e->m);
    assert_ptr_not_equal(start_queue(e, 2), first);
    blkdev_kick(&e->d->queue[1]);
    assert_ptr_equal(e->d->queue[1].nq, first);
    assert_true(e->d->queue[1].wants_pair);
    model_timeout(e->m);
    blkdev_kick(&e->d->queue[1]);
    assert_ptr_not_equal(e->d->queue[1].nq, first);
    assert_ptr_not_equal(e->d->queue[1].nq, e->d->queue[2].nq);
    assert_false(e->d->queue[1].wants_pair);
    assert_int_equal(first->users, 1);
}

static void test_queue_pairs_few(void **state)
{
    struct env *e = *state;

    e->c->io_granted = 1;
    assert_ptr_equal(start_queue(e, 1), e->d->queue[0].nq);
    assert_false(e->d->queue[1].wants_pair);
    e->c->io_granted = 3;
    start_queue(e, 2);
    e->m->fail_admin = true;
    e->m->fail_admin_opcode = 5;
    model_timeout(e->m);
    blkdev_kick(&e->d->queue[2]);
    assert_ptr_equal(e->d->queue[2].nq, e->d->queue[0].nq); /* refused: shared for good */
    assert_false(e->d->queue[2].wants_pair);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_discard, setup),
        T(test_discard, setup_prp),
        T(test_discard_stalls, setup),
        T(test_write_zeroes, setup),
        T(test_write_zeroes, setup_prp_mdts1),
        T(test_range_refused, setup),
        T(test_range_refused, setup_4k),
        T(test_range_alignment, setup_4k),
        T(test_range_limits, setup),
        T(test_range_features, setup),
        T(test_discard_units, setup),
        T(test_topology, setup),
        T(test_queue_pairs, setup),
        T(test_queue_pairs_taken, setup),
        T(test_queue_pairs_few, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Namespaces that go, come back, or change under a virtio driver that uses them.
#include "driver.h"

/* The controller tells, and the worker looks. */
static void notice(struct env *e)
{
    model_ns_notice(e->m, 1);
    do {
        nvme_ctrl_work(e->c);
    } while (model_interrupt(e->m));
}

static struct env *with_events(void **state)
{
    struct env *e = *state;

    nvme_ctrl_work(e->c);
    e->c->ns_changed = false;
    return e;
}

static void test_gone(void **state)
{
    struct env *e = with_events(state);

    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 3, DATA, 512), VIRTIO_BLK_S_OK);
    e->m->ns[0].detached = true;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 3, DATA, 512), VIRTIO_BLK_S_IOERR); /* the drive says so */
    notice(e);
    assert_true(e->c->ns_changed);
    assert_true(blk_target_lost(&e->d->target));
    unsigned doorbells = e->m->sq_doorbells;

    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 3, DATA, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(e, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_IOERR);
    assert_int_equal(e->m->sq_doorbells, doorbells); /* we know it ourselves */
    assert_false(e->d->needs_reset);
    e->m->ns[0].detached = false;
    notice(e);
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 3, DATA, 512), VIRTIO_BLK_S_OK);
}

/* What was meant for one namespace must not be written to another. */
static void test_replaced(void **state)
{
    struct env *e = with_events(state);

    e->m->ns[0].uuid = 9;
    notice(e);
    unsigned writes = e->m->writes;

    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 3, DATA, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(e->m->writes, writes);
    struct blk_target t = whole(e);

    assert_true(blkdev_stop(e->d));
    blkdev_pairs_release(e->d);
    e->next = 0;
    memset(e->ram + DESC, 0, DATA - DESC);
    attach(e, t, VIRTIO_F_EVENT_IDX);
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 3, DATA, 512), VIRTIO_BLK_S_OK);
}

static void test_resized(void **state)
{
    struct env *e = with_events(state);
    uint32_t generation = e->d->generation;

    e->m->ns[0].blocks = BLOCKS / 2;
    notice(e);
    assert_false(blk_target_lost(&e->d->target));
    assert_int_equal(e->c->ns[0]->info.blocks, BLOCKS / 2);
    blkdev_resize(e->d, e->c->ns[0]->info.blocks);
    assert_int_equal(e->d->config.capacity, BLOCKS / 2);
    assert_int_not_equal(e->d->generation, generation);
    unsigned doorbells = e->m->sq_doorbells;

    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, BLOCKS / 2, DATA, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(e->m->sq_doorbells, doorbells);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, BLOCKS / 2 - 1, DATA, 512), VIRTIO_BLK_S_OK);
    e->m->ns[0].blocks = BLOCKS;
    notice(e);
    blkdev_resize(e->d, e->c->ns[0]->info.blocks);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, BLOCKS - 1, DATA, 512), VIRTIO_BLK_S_OK);
}

/* Writes fail as long as the drive does not take any: its own answer, or ours once we know. */
static void test_write_protected(void **state)
{
    struct env *e = with_events(state);

    e->m->ns[0].write_protected = true;
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 3, DATA, 512), VIRTIO_BLK_S_IOERR);
    notice(e);
    assert_true(e->c->ns_changed && e->c->ns[0]->info.readonly && !blk_target_lost(&e->d->target));
    blkdev_protect(e->d, true);
    unsigned doorbells = e->m->sq_doorbells;

    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 3, DATA, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(e->m->sq_doorbells, doorbells);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 3, DATA, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(run(e, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
    e->m->ns[0].write_protected = false;
    notice(e);
    assert_false(e->c->ns[0]->info.readonly);
    blkdev_protect(e->d, false);
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 3, DATA, 512), VIRTIO_BLK_S_OK);
}

/* Requests that come while the controller is off wait for it. */
static void test_off(void **state)
{
    struct env *e = with_events(state);

    nvme_ctrl_unuse(e->c);
    nvme_ctrl_work(e->c);
    assert_int_equal(e->c->state, CTRL_OFF);
    uint8_t *status = post(e, VIRTIO_BLK_T_IN, 5, &(struct piece){DATA, 512}, 1);

    kick(e);
    assert_int_equal(*status, 0xff);
    nvme_ctrl_use(e->c);
    nvme_ctrl_work(e->c);
    blkdev_flush();
    while (model_interrupt(e->m)) {
    }
    assert_int_equal(*status, VIRTIO_BLK_S_OK);
    assert_memory_equal(at(e, DATA), disk(e, 5), 512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_gone, setup), T(test_replaced, setup), T(test_resized, setup),
                                       T(test_write_protected, setup), T(test_off, setup)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

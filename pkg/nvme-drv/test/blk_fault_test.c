// SPDX-License-Identifier: MIT
/* Requests while the drive fails: errors, retries, aborts, time-outs, resets, a controller that dies, and completions
 * that are wrong, late, twice or lost. */
#include "driver.h"

static void test_device_error(void **state)
{
    struct env *e = *state;

    e->m->fail_status = 0x4281; /* unrecovered read error, do not retry */
    e->m->fail_lba = 20;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), VIRTIO_BLK_S_IOERR);
    assert_int_equal(used(e)->ring[0].len, 1);
    assert_int_equal(e->c->ns[0]->queue->repeated, 0);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 24, DATA, 4096), VIRTIO_BLK_S_OK);
    e->m->fail_status = 0x4100; /* a command-specific error with SC 0 is an error too */
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), VIRTIO_BLK_S_IOERR);
}

/* A failure that may pass is tried again: the driver sees latency only. */
static void test_retry(void **state)
{
    struct env *e = *state;
    struct nvme_queue *q = e->c->ns[0]->queue;
    uint64_t start = e->m->now;

    e->m->fail_status = 0x281;
    e->m->fail_lba = 20;
    e->m->fail_times = 3;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    uint8_t *other = post(e, VIRTIO_BLK_T_IN, 40, &(struct piece){DATA + 8192, 4096}, 1);

    kick(e);
    assert_int_equal(*other, VIRTIO_BLK_S_OK); /* others do not wait */
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_OK);
    assert_memory_equal(at(e, DATA), disk(e, 16), 4096);
    assert_int_equal(q->repeated, 3);
    assert_true(e->m->now - start >= 210 * 1000000ull); /* 10 + 40 + 160 ms */
    assert_int_equal(e->c->resets, 0);
    assert_int_equal(q->in_flight, 0);
}

static void test_retry_ends(void **state)
{
    struct env *e = *state;

    e->m->fail_status = 0x281;
    e->m->fail_lba = 20;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_IOERR);
    assert_int_equal(e->c->ns[0]->queue->repeated, NVME_TRIES_MAX);
    assert_int_equal(used(e)->idx, 1);
}

/* A write with a list page keeps it until it succeeds. */
static void test_retry_list(void **state)
{
    struct env *e = *state;
    struct piece p[3] = {{DATA, 4096}, {DATA + 12288, 8192}, {DATA + 32768, 4096}};

    for (unsigned i = 0; i < 3; i++) {
        memset(at(e, p[i].gpa), 0x50 + (int)i, p[i].len);
    }
    e->m->fail_status = 0x280;
    e->m->fail_lba = 30;
    e->m->fail_times = 1;
    uint8_t *status = post(e, VIRTIO_BLK_T_OUT, 20, p, 3);

    kick(e);
    assert_int_equal(run(e, VIRTIO_BLK_T_OUT, 100, p, 3), VIRTIO_BLK_S_OK);
    model_timeout(e->m);
    assert_int_equal(*status, VIRTIO_BLK_S_OK);
    assert_memory_equal(disk(e, 20), disk(e, 100), 16384);
    assert_int_equal(disk(e, 51)[511], 0x52);
}

static void test_abort(void **state)
{
    struct env *e = *state;
    uint64_t start = e->m->now;

    e->m->drop_io = 1;
    e->m->abort_works = true;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_OK);
    assert_memory_equal(at(e, DATA), disk(e, 16), 4096);
    assert_int_equal(e->m->aborts, 1);
    assert_int_equal(e->c->resets, 0);
    assert_true(e->m->now - start >= NVME_IO_TIMEOUT_NS && e->m->now - start < NVME_IO_TIMEOUT_NS + 2 * NVME_HEALTH_NS);
}

static void test_timeout(void **state)
{
    struct env *e = *state;
    uint64_t start = e->m->now;

    e->m->drop_io = 2;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    memset(at(e, DATA + 8192), 0x3c, 4096);
    uint8_t *other = post(e, VIRTIO_BLK_T_OUT, 160, &(struct piece){DATA + 8192, 4096}, 1);

    kick(e);
    model_timeout(e->m);
    assert_true(e->m->now - start >= NVME_IO_TIMEOUT_NS + NVME_ABORT_NS);
    assert_true(e->m->now - start < NVME_IO_TIMEOUT_NS + NVME_ABORT_NS + 2 * NVME_HEALTH_NS);
    assert_int_equal(e->m->aborts, 2);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_OK);
    assert_int_equal(*other, VIRTIO_BLK_S_OK);
    assert_memory_equal(at(e, DATA), disk(e, 16), 4096);
    assert_int_equal(disk(e, 160)[4095], 0x3c);
    assert_int_equal(e->c->state, CTRL_READY);
    assert_int_equal(e->c->resets, 1);
    assert_int_equal(e->c->aborting, 0);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), VIRTIO_BLK_S_OK); /* works again */
}

/* A full queue of commands in flight survives a reset; list pages are neither lost nor used twice. */
static void test_replay_many(void **state)
{
    struct env *e = *state;
    uint8_t *status[50];

    e->m->drop_io = 40;
    for (unsigned i = 0; i < 50; i++) {
        struct piece p[3] = {
            {DATA + i * 20480, 4096}, {DATA + i * 20480 + 8192, 4096}, {DATA + i * 20480 + 16384, 4096}};

        status[i] = post(e, VIRTIO_BLK_T_IN, i * 24, p, 3);
    }
    kick(e);
    model_timeout(e->m);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(*status[i], VIRTIO_BLK_S_OK);
        for (unsigned k = 0; k < 3; k++) {
            assert_memory_equal(at(e, DATA + i * 20480 + k * 8192), disk(e, i * 24 + k * 8), 4096);
        }
    }
    assert_int_equal(e->c->resets, 1);
    assert_int_equal(used(e)->idx, 50);
    assert_int_equal(e->d->queue[0].busy, 0);
}

/* A command that is never answered ends with an error, others go on. */
static void test_never_answered(void **state)
{
    struct env *e = *state;

    e->m->drop_io = 1000;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_IOERR);
    assert_int_equal(e->c->resets, 3);
    assert_int_equal(e->c->state, CTRL_READY);
    e->m->drop_io = 0;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), VIRTIO_BLK_S_OK);
}

/* Resets that help nobody come to an end. */
static void test_barren(void **state)
{
    struct env *e = *state;

    e->m->drop_io = 100000;
    for (unsigned i = 0; i < 5 && e->c->state == CTRL_READY; i++) {
        uint8_t *status = post(e, VIRTIO_BLK_T_IN, 16, &(struct piece){DATA, 4096}, 1);

        kick(e);
        model_timeout(e->m);
        assert_int_equal(*status, VIRTIO_BLK_S_IOERR);
    }
    assert_int_equal(e->c->state, CTRL_DEAD);
    assert_true(e->c->resets <= NVME_BARREN_RESETS + 1);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), VIRTIO_BLK_S_IOERR);
}

/* CSTS.CFS is seen long before the command's time-out, and a reset mends it. */
static void test_fatal(void **state)
{
    struct env *e = *state;
    uint64_t start = e->m->now;

    e->m->fatal_io = 1;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_OK);
    assert_true(e->m->now - start < 3 * NVME_HEALTH_NS);
    assert_int_equal(e->c->resets, 1);
}

static void test_fatal_for_good(void **state)
{
    struct env *e = *state;

    e->m->fatal = true;
    e->m->fatal_io = 1;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_IOERR);
    assert_int_equal(e->c->state, CTRL_DEAD);
    assert_int_equal(e->c->resets, NVME_RESET_TRIES);
}

/* The first attempts to reset fail. */
static void test_reset_tries(void **state)
{
    struct env *e = *state;

    e->m->drop_io = 1;
    e->m->fail_resets = NVME_RESET_TRIES - 1;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_OK);
    assert_int_equal(e->c->resets, NVME_RESET_TRIES);
}

/* The late completion of a command that was sent again belongs to nobody. */
static void test_late_completion(void **state)
{
    struct env *e = *state;
    struct nvme_queue *q = e->c->ns[0]->queue;

    e->m->duplicate = true;
    e->m->fail_status = 0x281;
    e->m->fail_lba = 20;
    e->m->fail_times = 1;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    assert_int_equal(q->strays, 1); /* the second completion came while the command was parked */
    e->m->duplicate = false;
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_OK);
    assert_int_equal(used(e)->idx, 1);
}

static void test_lost_interrupt(void **state)
{
    struct env *e = *state;

    e->m->no_irq = true;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_OK);
    assert_int_equal(e->c->resets, 0);
}

static void test_waits_for_reset(void **state)
{
    struct env *e = *state;

    e->m->drop_io = 1;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    while (e->c->state == CTRL_READY) {
        e->m->now = e->m->armed;
        nvme_ctrl_check(e->c);
        nvme_ctrl_interrupt(e->c, 0);
    }
    assert_int_equal(e->c->state, CTRL_RESETTING);
    uint8_t *status = post(e, VIRTIO_BLK_T_IN, 32, &(struct piece){DATA, 4096}, 1);

    kick(e);
    assert_int_equal(*status, 0xff);
    nvme_ctrl_recover(e->c);
    blkdev_flush();
    kick(e);
    assert_int_equal(*status, VIRTIO_BLK_S_OK);
}

static void test_dies(void **state)
{
    struct env *e = *state;

    e->m->drop_io = 1;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    e->m->all_ones = true;
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_IOERR);
    assert_int_equal(e->c->state, CTRL_DEAD);
    assert_int_equal(e->m->isolated, 1);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(e, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_IOERR);
}

static void test_wrong_cid(void **state)
{
    struct env *e = *state;

    e->m->wrong_cid = true;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff);
    e->m->wrong_cid = false;
    assert_int_equal(e->c->ns[0]->queue->strays, 1);
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_OK);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), VIRTIO_BLK_S_OK);
}

static void test_duplicates(void **state)
{
    struct env *e = *state;

    e->m->duplicate = true;
    for (unsigned i = 0; i < 300; i++) { /* also across the end of the completion queue */
        assert_int_equal(run1(e, VIRTIO_BLK_T_IN, i, DATA, 512), VIRTIO_BLK_S_OK);
        assert_memory_equal(at(e, DATA), disk(e, i), 512);
        e->next = 0;
    }
    assert_int_equal(e->c->ns[0]->queue->strays, 300);
}

static void test_bad_phase(void **state)
{
    struct env *e = *state;

    e->m->bad_phase = true;
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 16, DATA, 4096), 0xff); /* looks like nothing new */
    e->m->bad_phase = false;
    model_timeout(e->m);
    assert_int_equal(*(uint8_t *)at(e, STATUS), VIRTIO_BLK_S_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_device_error, setup),    T(test_retry, setup),
        T(test_retry, setup_prp),       T(test_retry_ends, setup),
        T(test_retry_list, setup),      T(test_retry_list, setup_prp),
        T(test_abort, setup),           T(test_timeout, setup),
        T(test_timeout, setup_prp),     T(test_replay_many, setup),
        T(test_replay_many, setup_prp), T(test_never_answered, setup),
        T(test_barren, setup),          T(test_fatal, setup),
        T(test_fatal_for_good, setup),  T(test_reset_tries, setup),
        T(test_late_completion, setup), T(test_lost_interrupt, setup),
        T(test_waits_for_reset, setup), T(test_dies, setup),
        T(test_wrong_cid, setup),       T(test_duplicates, setup),
        T(test_bad_phase, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

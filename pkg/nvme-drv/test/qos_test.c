// SPDX-License-Identifier: MIT
/* Statistics, limits and fairness: each by itself, and in the block device on the model controller. */
#include "driver.h"

#define MS 1000000ull
#define SECOND (1000 * MS)

/* --- statistics --- */

static void test_buckets(void **state)
{
    (void)state;
    assert_int_equal(stat_bucket(0), 0);
    assert_int_equal(stat_bucket(1023), 0);
    assert_int_equal(stat_bucket(1024), 1);
    assert_int_equal(stat_bucket(UINT64_MAX), STAT_BUCKETS - 1);
    for (uint64_t ns = 1000; ns < 20 * SECOND; ns += ns / 7) {
        unsigned i = stat_bucket(ns);

        assert_true(ns < stat_bucket_end(i));
        assert_true(i == 0 || ns >= stat_bucket_end(i - 1));
        assert_int_equal(stat_bucket(stat_bucket_end(i) - 1), i);
    }
}

static void test_statistics(void **state)
{
    struct stat s = {0}, sum = {0};

    (void)state;
    for (unsigned i = 1; i <= 100; i++) {
        stat_begin(&s);
        stat_begin(&s);
        stat_end(&s, STAT_READ, 512, i * MS, i != 50);
        stat_end(&s, STAT_FLUSH, 0, 10, true);
    }
    assert_int_equal(s.op[STAT_READ].ops, 100);
    assert_int_equal(s.op[STAT_READ].errors, 1);
    assert_int_equal(s.op[STAT_READ].bytes, 99 * 512);
    assert_int_equal(s.op[STAT_READ].max_ns, 100 * MS);
    assert_int_equal(s.op[STAT_READ].sum_ns, 5050 * MS);
    assert_in_range(stat_quantile(&s.op[STAT_READ], 500), 50 * MS, 62 * MS);
    assert_in_range(stat_quantile(&s.op[STAT_READ], 990), 99 * MS, 100 * MS);
    assert_int_equal(stat_quantile(&s.op[STAT_FLUSH], 990), 10);
    assert_int_equal(stat_quantile(&s.op[STAT_WRITE], 500), 0);
    assert_int_equal(s.depth, 0);
    assert_int_equal(s.max_depth, 2);
    stat_add(&sum, &s);
    stat_add(&sum, &s);
    assert_int_equal(sum.op[STAT_READ].ops, 200);
    assert_int_equal(sum.op[STAT_READ].max_ns, 100 * MS);
    stat_begin(&s);
    stat_reset(&s);
    assert_int_equal(s.op[STAT_READ].ops + s.op[STAT_FLUSH].bucket[0], 0);
    assert_int_equal(s.depth, 1);
    assert_int_equal(s.max_depth, 1);
}

/* --- limits --- */

/* Requests of so many bytes, always one waiting, for 5 s: how many went. Wake-ups come `late`. */
static uint64_t flood(struct limit_options o, uint64_t bytes, uint64_t late)
{
    uint64_t start = 7 * SECOND, now = start, count = 0;
    struct limit l;

    limit_init(&l, &o);
    while (now < start + 5 * SECOND) {
        uint64_t until = limit_wait(&l, now);

        if (until) {
            assert_true(until > now);
            now = until + late;
        } else {
            limit_charge(&l, now, 1, bytes);
            now += 1000; /* what a request takes */
            count++;
        }
    }
    return count;
}

static void expect_near(uint64_t got, uint64_t want)
{
    assert_in_range(got, want * 95 / 100, want * 105 / 100);
}

static void test_limits(void **state)
{
    (void)state;
    for (uint64_t late = 0; late <= 20 * MS; late += 10 * MS) {
        expect_near(flood((struct limit_options){.iops = 100}, 4096, late), 500);
        expect_near(flood((struct limit_options){.iops = 7777}, 131072, late), 5 * 7777);
        expect_near(flood((struct limit_options){.mbps = 10}, 4096, late), 50000000 / 4096);
        expect_near(flood((struct limit_options){.mbps = 10}, 131072, late), 50000000 / 131072);
        expect_near(flood((struct limit_options){.mbps = 10}, 1 << 20, late), 50000000 >> 20);
        expect_near(flood((struct limit_options){.iops = 50, .mbps = 100}, 4096, late), 250);
        expect_near(flood((struct limit_options){.iops = 50000, .mbps = 1}, 4096, late), 5000000 / 4096);
    }
    expect_near(flood((struct limit_options){.iops = 300000}, 512, 0), 1500000);
    /* a shorter burst than the wake-ups are late loses some, but never exceeds */
    assert_true(flood((struct limit_options){.iops = 1000, .burst_ms = 1}, 512, 10 * MS) <= 5001);
}

static void test_burst(void **state)
{
    struct limit l;
    unsigned n = 0;

    (void)state;
    limit_init(&l, &(struct limit_options){.iops = 1000, .burst_ms = 500});
    while (limit_wait(&l, SECOND) == 0) {
        limit_charge(&l, SECOND, 1, 0);
        n++;
    }
    assert_in_range(n, 500, 501);
    assert_true(limit_wait(&l, SECOND + 10 * MS) == 0 && limit_wait(&l, 10 * SECOND) == 0);
    limit_init(&l, &(struct limit_options){0});
    assert_false(l.on);
}

static void test_limit_values(void **state)
{
    static const char *const bad[] = {
        "", "0", "-1", "+1", " 1", "1x", "1KK", "K", "1.5", "0x10", "10000001", "11M", "99999999999999999999"};
    uint32_t v = 0;

    (void)state;
    assert_true(limit_parse("1", 10000000, &v) && v == 1);
    assert_true(limit_parse("15K", 10000000, &v) && v == 15000);
    assert_true(limit_parse("2m", 10000000, &v) && v == 2000000);
    assert_true(limit_parse("10M", 10000000, &v) && v == 10000000);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(limit_parse(bad[i], 10000000, &v));
    }
    assert_int_equal(v, 10000000);
}

/* --- fairness --- */

static void test_shares(void **state)
{
    struct fair_client a = {0}, b = {0}, c = {0};
    struct fair f = {0};

    (void)state;
    assert_true(fair_may_send(&f, &a)); /* nobody is there yet, nothing is in flight */
    fair_enter(&f, &a, SECOND);
    assert_int_equal(f.share, FAIR_ALONE);
    fair_enter(&f, &b, SECOND);
    fair_enter(&f, &a, SECOND);
    assert_int_equal(f.share, FAIR_SHARED / 2);
    a.in_flight = FAIR_SHARED / 2;
    assert_false(fair_may_send(&f, &a));
    assert_true(fair_may_send(&f, &b));
    fair_enter(&f, &c, SECOND);
    assert_int_equal(f.count, 3);
    /* b and c have been idle for more than a second; a has not */
    fair_enter(&f, &a, 3 * SECOND);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.share, FAIR_ALONE);
    fair_enter(&f, &b, 3 * SECOND);
    fair_leave(&f, &a);
    fair_leave(&f, &a);
    assert_int_equal(f.count, 1);
    fair_leave(&f, &b);
    assert_null(f.first);
    assert_false(a.active || b.active || c.active);
}

/* --- in the block device --- */

static uint64_t armed;

static void arm(void *ctx, uint64_t deadline)
{
    (void)ctx;
    armed = deadline;
}

static void limit(struct env *e, struct limit_options o)
{
    limit_init(&e->qos.limit, &o);
    e->qos.arm = arm;
    armed = 0;
}

/* Lets time pass until the limits were waited for: false: nothing waits. */
static bool pass(struct env *e)
{
    if (!armed) {
        return false;
    }
    e->m->now = max(e->m->now, armed);
    armed = 0;
    blkdev_limit_over(e->d);
    blkdev_flush();
    while (model_interrupt(e->m)) {
    }
    return true;
}

static void test_counts(void **state)
{
    struct env *e = *state;
    struct virtio_blk_range *r = at(e, DATA);
    const struct stat *s = &e->qos.stat;

    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, 0, DATA, 8192), VIRTIO_BLK_S_OK);
    assert_int_equal(run1(e, VIRTIO_BLK_T_OUT, 0, DATA, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(run1(e, VIRTIO_BLK_T_IN, BLOCKS, DATA, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(e, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK);
    assert_int_equal(run1(e, VIRTIO_BLK_T_GET_ID, 0, DATA, 20), VIRTIO_BLK_S_OK);
    assert_int_equal(run1(e, 99, 0, DATA, 512), VIRTIO_BLK_S_UNSUPP);
    r[0] = (struct virtio_blk_range){.sector = 8, .num_sectors = 16};
    r[1] = (struct virtio_blk_range){.sector = 80, .num_sectors = 32};
    assert_int_equal(run1(e, VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA, 32), VIRTIO_BLK_S_OK);
    r[0] = (struct virtio_blk_range){.sector = 8, .num_sectors = 16};
    assert_int_equal(run1(e, VIRTIO_BLK_T_DISCARD, 0, DATA, 16), VIRTIO_BLK_S_OK);
    assert_int_equal(s->op[STAT_READ].ops, 2);
    assert_int_equal(s->op[STAT_READ].errors, 1);
    assert_int_equal(s->op[STAT_READ].bytes, 8192);
    assert_int_equal(s->op[STAT_WRITE].bytes, 512);
    assert_int_equal(s->op[STAT_FLUSH].ops, 1);
    assert_int_equal(s->op[STAT_OTHER].ops, 2);
    assert_int_equal(s->op[STAT_OTHER].errors, 1);
    assert_int_equal(s->op[STAT_ZEROES].ops, 1);
    assert_int_equal(s->op[STAT_ZEROES].bytes, 48 * 512);
    assert_int_equal(s->op[STAT_DISCARD].bytes, 16 * 512);
    assert_int_equal(s->depth, 0);
    assert_int_equal(e->qos.fair.in_flight, 0);
}

static void test_latency(void **state)
{
    struct env *e = *state;

    e->m->hold = true;
    post(e, VIRTIO_BLK_T_IN, 0, &(struct piece){DATA, 512}, 1);
    kick(e);
    assert_int_equal(e->qos.stat.depth, 1);
    e->m->now += 3 * MS;
    model_release(e->m, false);
    model_interrupt(e->m);
    assert_int_equal(e->qos.stat.op[STAT_READ].max_ns, 3 * MS);
    assert_int_equal(e->qos.stat.depth, 0);
}

static void test_retries_counted(void **state)
{
    struct env *e = *state;

    e->m->fail_lba = 40;
    e->m->fail_status = 0x281; /* may pass */
    e->m->fail_times = 2;
    uint8_t *status = post(e, VIRTIO_BLK_T_IN, 40, &(struct piece){DATA, 512}, 1);

    kick(e);
    model_timeout(e->m);
    assert_int_equal(*status, VIRTIO_BLK_S_OK);
    assert_int_equal(e->qos.stat.retries, 2);
    assert_int_equal(e->qos.stat.op[STAT_READ].errors, 0);
}

static void test_limited(void **state)
{
    struct env *e = *state;
    uint64_t start = e->m->now;
    unsigned waits = 0;

    limit(e, (struct limit_options){.iops = 1000, .burst_ms = 1});
    for (unsigned i = 0; i < 80; i++) {
        post(e, i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_FLUSH, 0, &(struct piece){DATA, 512}, i % 2);
    }
    kick(e);
    assert_in_range(used(e)->idx, 1, 2);
    assert_int_equal(e->m->held_count, 0);
    kick(e); /* more kicks change nothing */
    assert_in_range(used(e)->idx, 1, 2);
    while (pass(e)) {
        waits++;
    }
    assert_int_equal(used(e)->idx, 80);
    assert_in_range(e->m->now - start, 77 * MS, 81 * MS);
    assert_in_range(e->qos.stat.limited_ns, 70 * MS, 81 * MS);
    assert_true(waits >= 30);
    /* get-id is nothing to the drive */
    limit(e, (struct limit_options){.iops = 1, .burst_ms = 1});
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(run1(e, VIRTIO_BLK_T_GET_ID, 0, DATA, 20), VIRTIO_BLK_S_OK);
    }
    assert_int_equal(armed, 0);
}

static void test_limited_ranges(void **state)
{
    struct env *e = *state;
    struct virtio_blk_range *r = at(e, DATA);
    uint64_t start = e->m->now;

    limit(e, (struct limit_options){.mbps = 1});
    r[0] = (struct virtio_blk_range){.sector = 0, .num_sectors = 4000}; /* 2 s of it */
    assert_int_equal(run1(e, VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA, 16), VIRTIO_BLK_S_OK);
    uint8_t *status = post(e, VIRTIO_BLK_T_DISCARD, 0, &(struct piece){DATA, 16}, 1);

    kick(e);
    assert_int_equal(*status, 0xff);
    while (pass(e)) {
    }
    assert_int_equal(*status, VIRTIO_BLK_S_OK);
    assert_in_range(e->m->now - start, 1990 * MS, 2060 * MS);
    /* a discarded range counts for 1 MiB at most */
    assert_in_range(e->qos.limit.bytes_paid_ns - e->m->now, 1048 * MS, 1110 * MS);
}

/* A queue that is stopped does not wait for its limits. */
static void test_limited_stop(void **state)
{
    struct env *e = *state;

    limit(e, (struct limit_options){.iops = 1, .burst_ms = 1});
    run1(e, VIRTIO_BLK_T_IN, 0, DATA, 512);
    uint8_t *status = post(e, VIRTIO_BLK_T_IN, 0, &(struct piece){DATA, 512}, 1);

    kick(e);
    assert_int_equal(*status, 0xff);
    assert_false(blkdev_stop(e->d));
    blkdev_flush();
    model_interrupt(e->m);
    blkdev_flush();
    assert_int_equal(*status, VIRTIO_BLK_S_OK);
    assert_true(blkdev_stop(e->d));
}

/* Alone, a flood has so much in flight; with another client a share, and the other's requests never wait for it. */
static void test_flood(void **state)
{
    struct env *e = *state, other = {.m = e->m, .c = e->c};
    uint8_t *status[60];

    other.ram = aligned_alloc(4096, RAM);
    memset(other.ram, 0, RAM);
    attach(&other, whole(e), VIRTIO_F_EVENT_IDX);
    e->m->hold = true;
    e->m->now += 5 * SECOND;
    for (unsigned i = 0; i < 60; i++) {
        status[i] = post(e, VIRTIO_BLK_T_IN, 0, &(struct piece){DATA, 2u << 20}, 1);
    }
    kick(e);
    assert_in_range(e->qos.fair.in_flight, FAIR_ALONE, FAIR_ALONE + FAIR_COMMAND_MAX);
    assert_int_equal(e->m->held_count, 32); /* MDTS is 512 KiB */
    for (unsigned i = 0; i < 130; i++) {
        uint8_t *small = post(&other, VIRTIO_BLK_T_IN, i, &(struct piece){DATA, 512}, 1);

        blkdev_kick(&other.d->queue[0]);
        assert_int_equal(other.qos.fair.in_flight, FAIR_COMMAND); /* it went at once */
        if (i > 0) {
            assert_true(e->qos.fair.in_flight < FAIR_SHARED / 2 + FAIR_COMMAND_MAX);
        }
        model_release(e->m, false);
        model_interrupt(e->m);
        blkdev_flush();
        assert_int_equal(*small, VIRTIO_BLK_S_OK);
    }
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(*status[i], VIRTIO_BLK_S_OK);
    }
    assert_int_equal(e->qos.fair.in_flight + other.qos.fair.in_flight, 0);
    blkdev_pairs_release(other.d);
    free(other.ram);
    free(other.d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_burst),
        cmocka_unit_test(test_limit_values),
        cmocka_unit_test(test_shares),
        cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_latency, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retries_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limited_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limited_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

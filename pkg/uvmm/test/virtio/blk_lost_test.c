// SPDX-License-Identifier: MIT
// blk_lost.c: block servers that end, and what comes then.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "blk_server.h"

#include <string.h>
#include <util/bits.h>
#include <virtio/inflight.h>

/* The server ends; the helper thread's call waits until there is another one. */
static void server_ends(void)
{
    srv.dead = true;
    fake.gate->event(fake.gate->ctx);
    fake_events();
    assert_non_null(fake.thread);
}

static void server_comes(void)
{
    srv.dead = false;
    memset(srv.queue, 0, sizeof(srv.queue));
    srv.features = srv.regions = srv.lifelines = 0;
    srv.config[32] = 1;
    fake.thread->entry(fake.thread->arg);
    fake_events();
}

static void test_server_dies(void **state)
{
    (void)state;
    start();
    assert_int_equal(srv.lifelines, 1);
    common_write(&drv, 20, 1, 0x0f);
    cap_t kick = srv.queue[0].kick, call = srv.queue[0].call;

    server_ends();
    assert_int_equal(common_read(&drv, 20, 1), 15); // the guest sees nothing
    assert_int_equal(fake.logs, 1);
    assert_non_null(strstr(fake.log, "is gone"));
    assert_int_equal(fake.timer_ns - fake.now, 60000000000ull);
    bus_mmio_write(drv.config + 32, 1, 0); // write through
    fake_out(drv.notify, 2, 0);
    server_comes();
    assert_null(fake.thread);
    assert_int_equal(fake.timer_ns, DEADLINE_NEVER);
    assert_int_equal(srv.regions, 1);
    assert_int_equal(srv.lifelines, 1);
    assert_int_equal(srv.features, VERSION_1 | 1ull << 29 | 1ull << 11);
    assert_int_equal(srv.config[32], 0);
    assert_int_equal(srv.queue[0].num, 128);
    assert_int_equal(srv.queue[0].addr[2], 0x3000);
    assert_int_equal(srv.queue[0].kick, kick);
    assert_int_equal(srv.queue[0].call, call);
    assert_true(srv.queue[0].enabled);
    assert_true(fake.raised[kick - FAKE_CAPS]); // what came in the meantime
    fake.raised[call - FAKE_CAPS] = true;
    fake_events();
    assert_int_equal(fake.msi.count, 1);
    server_ends(); // again
    server_comes();
    assert_true(srv.queue[0].enabled);
}

/* The next one ends while it still looks for the disk. */
static void test_server_dies_before_ready(void **state)
{
    (void)state;
    start();
    server_ends();
    srv.status = SK_EAGAIN;
    server_comes();
    assert_int_equal(srv.lifelines, 1);
    assert_int_equal(srv.regions, 0);
    assert_null(fake.thread);
    server_ends();
    srv.status = SK_OK;
    server_comes();
    assert_int_equal(srv.lifelines, 1);
    assert_true(srv.queue[0].enabled);
    assert_int_equal(fake.timer_ns, DEADLINE_NEVER);
}

static bool first_server_ends(void)
{
    static bool ended;

    if (srv.status == SK_EAGAIN && !ended) {
        ended = true;
        fake.gate->event(fake.gate->ctx);
        srv.status = SK_OK; /* and the next one has the disk */
        srv.ready = CAP_NULL;
        return true;
    }
    return false;
}

/* The same at the start of the VM. */
static void test_server_dies_in_probe(void **state)
{
    (void)state;
    srv.status = SK_EAGAIN;
    fake.poll = first_server_ends;
    assert_int_equal(probe(), SK_OK);
    assert_int_equal(srv.lifelines, 2);
    assert_int_not_equal(srv.ready, CAP_NULL);
    assert_int_equal(srv.regions, 1);
}

/* The next one is there before it is noticed that the last one has ended, in the middle of a session's begin. */
static void test_next_server_at_any_call(void **state)
{
    static const enum blk_op op[] = {BLK_SET_LIFELINE,   BLK_GET_STATUS,     BLK_ADD_MEM_REG,
                                     BLK_SET_FEATURES,   BLK_SET_VRING_NUM,  BLK_SET_VRING_ADDR,
                                     BLK_SET_VRING_KICK, BLK_SET_VRING_CALL, BLK_SET_VRING_ENABLE};

    (void)state;
    start();
    for (unsigned i = 0; i < ARRAY_SIZE(op); i++) {
        server_ends();
        srv.next_op = op[i];
        server_comes();
        assert_int_equal(srv.next_op, 0);
        assert_non_null(fake.thread);
        assert_null(strstr(fake.log, "I/O error"));
        server_comes();
        assert_null(fake.thread);
        assert_int_equal(srv.regions, 1);
        assert_true(srv.queue[0].enabled);
    }
}

static void test_next_server_in_probe(void **state)
{
    static const enum blk_op op[] = {BLK_SET_LIFELINE,  BLK_GET_STATUS, BLK_GET_FEATURES,
                                     BLK_GET_QUEUE_NUM, BLK_GET_CONFIG, BLK_ADD_MEM_REG};

    for (unsigned i = 0; i < ARRAY_SIZE(op); i++) {
        srv.next_op = op[i];
        start();
        assert_int_equal(srv.next_op, 0);
        assert_int_equal(srv.regions, 1);
        assert_true(srv.queue[0].enabled);
        server_ends(); // which is noticed
        teardown(state);
        setup(state);
    }
}

/* A reset of the device, and a new start, while there is no server. */
static void test_reset_without_server(void **state)
{
    (void)state;
    start();
    server_ends();
    common_write(&drv, 20, 1, 0);
    assert_int_equal(common_read(&drv, 20, 1), 0);
    assert_true(driver_features(&drv, VERSION_1));
    driver_queue(&drv, 0, 64, 0x1000, 0x2000, 0x3000);
    driver_ok(&drv);
    assert_int_equal(common_read(&drv, 20, 1), 15);
    server_comes();
    assert_int_equal(srv.features, VERSION_1);
    assert_int_equal(srv.queue[0].num, 64);
    assert_true(srv.queue[0].enabled);
}

/* A reset that waits for the server's requests when it ends. */
static void test_server_dies_in_reset(void **state)
{
    (void)state;
    start();
    srv.fail_op = BLK_RESET;
    srv.fail_with = SK_EAGAIN;
    common_write(&drv, 20, 1, 0);
    assert_true(common_read(&drv, 20, 1) != 0);
    server_ends();
    assert_int_equal(common_read(&drv, 20, 1), 0);
}

static void post(uint16_t index, uint32_t at)
{
    struct virtq_desc d[2] = {{at, 16, VIRTQ_DESC_F_NEXT, (uint16_t)(2 * index + 1)},
                              {at + 16, 1, VIRTQ_DESC_F_WRITE, 0}};
    uint16_t head = (uint16_t)(2 * index), idx = (uint16_t)(index + 1);

    fake.ram[at + 16] = 0xff;
    memcpy(fake.ram + 0x1000 + 32 * index, d, sizeof(d));
    memcpy(fake.ram + 0x2000 + 4 + 2 * index, &head, 2);
    memcpy(fake.ram + 0x2000 + 2, &idx, 2);
}

static uint16_t used_idx(void)
{
    uint16_t v;

    memcpy(&v, fake.ram + 0x3000 + 2, 2);
    return v;
}

/* Nobody comes: what the old server had taken and what is posted ends with errors; then one comes, after all. */
static void test_no_server_in_time(void **state)
{
    struct gmem mem;
    struct vring old;
    struct vring_seg seg[4];
    struct vring_chain c;
    struct vring_config cfg = {.num = 128, .desc = 0x1000, .avail = 0x2000, .used = 0x3000, .features = VERSION_1};

    (void)state;
    start_with(VERSION_1);
    gmem_init(&mem);
    assert_int_equal(gmem_add(&mem, &(struct gmem_region){.gpa = 0, .size = FAKE_RAM, .host = fake.ram}), SK_OK);
    assert_int_equal(vring_init(&old, &mem, &cfg), SK_OK);
    inflight_init(fake.record, &old);
    post(0, 0x8000);
    assert_int_equal(vring_pop(&old, seg, 4, &c), 2);
    inflight_take(fake.record, 9, &old, &c);
    post(1, 0x8100);
    server_ends();
    fake.msi.count = 0;
    fake.raised[fake.timer - FAKE_CAPS] = true;
    fake_events();
    assert_int_equal(used_idx(), 2);
    assert_int_equal(fake.ram[0x8010], 1); // VIRTIO_BLK_S_IOERR
    assert_int_equal(fake.ram[0x8110], 1);
    assert_true(fake.msi.count > 0);
    assert_int_equal(common_read(&drv, 20, 1), 15);
    post(2, 0x8200);
    fake_out(drv.notify, 2, 0);
    fake_events();
    assert_int_equal(used_idx(), 3);
    assert_int_equal(fake.ram[0x8210], 1);
    server_comes();
    assert_true(srv.queue[0].enabled);
    assert_int_equal(inflight_recover(fake.record, &mem, &cfg), SK_OK);
    assert_int_equal(cfg.base, 3); // and nothing in flight
    post(3, 0x8300);
    fake_out(drv.notify, 2, 0);
    fake_events();
    assert_int_equal(used_idx(), 3); // that is the server's business
}

/* The new server is another one, or the gate is gone for good. */
static void test_server_refuses(void **state)
{
    (void)state;
    start();
    server_ends();
    srv.fail_op = BLK_SET_FEATURES;
    srv.fail_with = SK_EINVAL;
    server_comes();
    assert_non_null(strstr(fake.log, "does not take over"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_server_dies),          T(test_server_dies_before_ready), T(test_server_dies_in_probe),
        T(test_reset_without_server), T(test_server_dies_in_reset),     T(test_no_server_in_time),
        T(test_server_refuses),       T(test_next_server_at_any_call),  T(test_next_server_in_probe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

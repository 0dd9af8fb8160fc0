// SPDX-License-Identifier: MIT
// The block proxy against a model of a block server (proto/blk.h) that records what it is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "blk_server.h"

#include <string.h>
#include <util/bits.h>

static void test_start(void **state)
{
    (void)state;
    start();
    assert_int_equal(cfg_read(1, 0, 4), 0x10421af4);
    assert_int_equal(bus_mmio_read(drv.config, 8), 20480);
    common_write(&drv, 0, 4, 0);
    assert_int_equal(common_read(&drv, 4, 4), (uint32_t)OFFERED);
    common_write(&drv, 0, 4, 1);
    assert_int_equal(common_read(&drv, 4, 4), 0x101); // no NOTIFICATION_DATA, no ACCESS_PLATFORM
    assert_int_equal(srv.regions, 1);
    assert_int_equal(srv.resets, 1); // the driver's
    assert_int_equal(srv.features, VERSION_1 | 1ull << 29 | 1ull << 11);
    assert_int_equal(srv.queue[0].num, 128);
    assert_int_equal(srv.queue[0].addr[0], 0x1000);
    assert_int_equal(srv.queue[0].addr[1], 0x2000);
    assert_int_equal(srv.queue[0].addr[2], 0x3000);
    assert_int_equal(srv.queue[0].base, 0);
    assert_true(srv.queue[0].enabled);
}

static void test_signals(void **state)
{
    (void)state;
    start();
    assert_int_equal(fake_doorbell_at(drv.notify), srv.queue[0].kick);
    fake_out(drv.notify, 2, 0);
    assert_true(fake.raised[srv.queue[0].kick - FAKE_CAPS]);
    fake.raised[srv.queue[0].call - FAKE_CAPS] = true;
    fake_events();
    assert_int_equal(fake.msi.count, 1);
    assert_int_equal(fake.msi.data, 0x41);
}

/* A queue is reset and made anew at another place [virtio-1.2 2.6.1, 4.1.4.3.1]; offsets typed from there. */
static void test_queue_reset(void **state)
{
    (void)state;
    start_with(VERSION_1 | RING_RESET);
    cap_t kick = srv.queue[0].kick;

    common_write(&drv, 22, 2, 0);
    assert_int_equal(common_read(&drv, 58, 2), 0);
    common_write(&drv, 58, 2, 0); // not a 1
    assert_int_equal(common_read(&drv, 28, 2), 1);
    srv.busy = 2;
    common_write(&drv, 58, 2, 1);
    assert_int_equal(common_read(&drv, 58, 2), 1); // still at it
    assert_int_equal(fake.doorbells, 0);
    common_write(&drv, 28, 2, 1); // too early
    fake.raised[srv.ready - FAKE_CAPS] = true;
    fake_events();
    assert_int_equal(common_read(&drv, 58, 2), 1);
    fake.raised[srv.ready - FAKE_CAPS] = true;
    fake_events();
    assert_int_equal(common_read(&drv, 58, 2), 0);
    assert_int_equal(common_read(&drv, 28, 2), 0);
    assert_int_equal(common_read(&drv, 20, 1), 15); // the device goes on
    assert_false(srv.queue[0].enabled);
    driver_queue(&drv, 0, 64, 0x4000, 0x5000, 0x6000);
    assert_true(srv.queue[0].enabled);
    assert_int_equal(srv.queue[0].num, 64);
    assert_int_equal(srv.queue[0].addr[0], 0x4000);
    assert_int_equal(srv.queue[0].base, 0);
    assert_int_equal(srv.queue[0].kick, kick);
    assert_int_equal(fake_doorbell_at(drv.notify), kick);
    common_write(&drv, 58, 2, 1); // at once
    assert_int_equal(common_read(&drv, 58, 2), 0);
    assert_int_equal(common_read(&drv, 28, 2), 0);
}

static void test_queue_reset_not_negotiated(void **state)
{
    (void)state;
    start_with(VERSION_1);
    common_write(&drv, 22, 2, 0);
    common_write(&drv, 58, 2, 1);
    assert_int_equal(common_read(&drv, 28, 2), 1);
    assert_true(srv.queue[0].enabled);
}

/* The device's reset in the middle of a queue's. */
static void test_queue_reset_overtaken(void **state)
{
    (void)state;
    start_with(VERSION_1 | RING_RESET);
    common_write(&drv, 22, 2, 0);
    srv.busy = 1;
    common_write(&drv, 58, 2, 1);
    common_write(&drv, 20, 1, 0);
    assert_int_equal(common_read(&drv, 20, 1), 0);
    common_write(&drv, 22, 2, 0);
    assert_int_equal(common_read(&drv, 58, 2), 0);
    assert_true(driver_features(&drv, VERSION_1 | RING_RESET));
    driver_queue(&drv, 0, 128, 0x1000, 0x2000, 0x3000);
    driver_ok(&drv);
    assert_true(srv.queue[0].enabled);
    fake.raised[srv.ready - FAKE_CAPS] = true;
    fake_events();
    assert_true(srv.queue[0].enabled);
}

static void test_doorbell_moves(void **state)
{
    (void)state;
    start();
    uint16_t old = drv.notify;
    cfg_write(slot, 0x14, 4, 0xe000);
    assert_int_equal(fake_doorbell_at(old), CAP_NULL);
    assert_int_equal(fake_doorbell_at(0xe000), srv.queue[0].kick);
    cfg_write(slot, 4, 2, 2); // port decoding off
    assert_int_equal(fake.doorbells, 0);
    cfg_write(slot, 4, 2, 3);
    assert_int_equal(fake.doorbells, 1);
    common_write(&drv, 20, 1, 0);
    assert_int_equal(fake.doorbells, 0);
    assert_int_equal(srv.resets, 2);
}

static void test_without_doorbells(void **state)
{
    (void)state;
    fake.doorbells_refused = true;
    start();
    fake_out(drv.notify, 2, 0);
    assert_true(fake.raised[srv.queue[0].kick - FAKE_CAPS]);
}

static void test_no_cap(void **state)
{
    (void)state;
    fake.node_cap = CAP_NULL;
    assert_int_equal(probe(), SK_ENODEV);
    assert_int_equal(fake.logs, 0);
    assert_int_equal(cfg_read(1, 0, 4), 0xffffffff);
}

static void test_wrong_timeout(void **state)
{
    (void)state;
    fake.timeout_len = 2;
    assert_int_equal(probe(), SK_EINVAL);
    assert_non_null(strstr(fake.log, "disk: skerry,server-timeout must be one number of seconds"));
    fake.timeout_len = 4;
    assert_int_equal(probe(), SK_OK);
}

static void no_disk(const char *words)
{
    assert_int_equal(probe(), SK_ENODEV);
    assert_int_equal(cfg_read(1, 0, 4), 0xffffffff);
    assert_non_null(strstr(fake.log, words));
    assert_non_null(strstr(fake.log, "qdrv"));
    for (unsigned i = 0; i < FAKE_SIGNALS; i++) {
        assert_null(fake.source[i]);
    }
}

static void test_wrong_serial(void **state)
{
    (void)state;
    srv.status = SK_ENODEV;
    no_disk("no such disk");
    assert_int_equal(fake.logs, 1);
}

static void test_busy(void **state)
{
    (void)state;
    srv.status = SK_EBUSY;
    no_disk("another client");
}

static void test_server_never_comes(void **state)
{
    (void)state;
    srv.bound = false;
    no_disk("not answered");
    assert_int_equal(fake.logs, 2); // waiting, then giving up
    assert_in_range(fake.now, 10000000000ull, 30000000000ull);
}

static void test_never_ready(void **state)
{
    (void)state;
    srv.status = SK_EAGAIN;
    no_disk("not answered");
}

static bool poll_ready(void)
{
    srv.status = SK_OK;
    fake.raised[srv.ready - FAKE_CAPS] = true;
    return true;
}

static void test_ready_later(void **state)
{
    (void)state;
    srv.status = SK_EAGAIN;
    fake.poll = poll_ready;
    assert_int_equal(probe(), SK_OK);
    assert_int_equal(fake.logs, 0);
}

static void test_malformed_server(void **state)
{
    (void)state;
    srv.queues = 0;
    no_disk("an error");
    static const enum blk_op ops[] = {BLK_GET_FEATURES, BLK_GET_QUEUE_NUM, BLK_GET_CONFIG, BLK_ADD_MEM_REG};
    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
        setup(NULL);
        srv.fail_op = ops[i];
        srv.fail_with = i % 2 ? SK_OK : SK_ENOMEM; // a reply without its content is an error, too
        if (ops[i] == BLK_ADD_MEM_REG) {
            srv.fail_with = SK_ENOMEM;
        }
        no_disk("an error");
    }
}

static void test_queue_clamp(void **state)
{
    (void)state;
    srv.queues = 64;
    srv.config[34] = 64;
    assert_int_equal(probe(), SK_OK);
    driver_find(&drv, slot);
    assert_int_equal(common_read(&drv, 18, 2), 1); /* one for each virtual processor */
    assert_int_equal(bus_mmio_read(drv.config + 34, 2), 1);
}

static void raise_ready(void)
{
    fake.raised[srv.ready - FAKE_CAPS] = true;
    fake_events();
}

static void test_config_change(void **state)
{
    (void)state;
    start();
    raise_ready();
    assert_int_equal(fake.msi.count, 0); // nothing changed
    srv.config[1] = 0xa0;
    raise_ready();
    assert_int_equal(bus_mmio_read(drv.config, 8), 40960);
    assert_int_equal(common_read(&drv, 21, 1), 1);
    assert_int_equal(fake.msi.count, 1);
    assert_int_equal(fake.msi.data, 0x40);
}

static void test_needs_reset(void **state)
{
    (void)state;
    start();
    srv.device_status = 0x40;
    raise_ready();
    assert_int_equal(common_read(&drv, 20, 1), 0x4f);
    assert_int_equal(fake.msi.data, 0x40);
}

static void test_writeback(void **state)
{
    (void)state;
    start();
    bus_mmio_write(drv.config + 32, 1, 1);
    assert_int_equal(srv.config[32], 1);
    assert_int_equal(bus_mmio_read(drv.config + 32, 1), 1);
    bus_mmio_write(drv.config + 32, 4, 0); // not an access to the byte
    bus_mmio_write(drv.config, 1, 9);
    assert_int_equal(srv.config[32], 1);
    assert_int_equal(srv.config[0], 0);
}

/* Requests in flight hold up the reset: the driver sees status 0 only when the server has let go of its memory. */
static void test_slow_reset(void **state)
{
    (void)state;
    start();
    srv.fail_op = BLK_RESET;
    srv.fail_with = SK_EAGAIN;
    common_write(&drv, 20, 1, 0);
    assert_int_equal(common_read(&drv, 20, 1), 0x4f);
    assert_int_equal(fake.doorbells, 0);
    common_write(&drv, 20, 1, 1); // does not count
    raise_ready();                // still not
    assert_int_equal(common_read(&drv, 20, 1), 0x4f);
    fake.raised[srv.queue[0].call - FAKE_CAPS] = true;
    fake_events();
    assert_int_equal(fake.msi.count, 0); // no interrupts from a device in its reset
    srv.fail_op = 0;
    raise_ready();
    assert_int_equal(common_read(&drv, 20, 1), 0);
    assert_int_equal(srv.resets, 2);
    assert_true(driver_features(&drv, VERSION_1));
}

static void test_queue_refused(void **state)
{
    (void)state;
    srv.fail_op = BLK_SET_VRING_ADDR;
    srv.fail_with = SK_ERANGE;
    assert_int_equal(probe(), SK_OK);
    driver_find(&drv, slot);
    assert_true(driver_features(&drv, VERSION_1));
    driver_queue(&drv, 0, 128, 0x1000, 0x2000, 0x3000);
    driver_ok(&drv);
    assert_int_equal(common_read(&drv, 20, 1), 0x4f);
    assert_int_equal(fake.doorbells, 0);
}

static void test_vm_reset(void **state)
{
    (void)state;
    start();
    pci_host_reset();
    assert_int_equal(srv.resets, 2);
    assert_int_equal(fake.doorbells, 0);
    assert_int_equal(common_read(&drv, 20, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_start),
        T(test_signals),
        T(test_queue_reset),
        T(test_queue_reset_not_negotiated),
        T(test_queue_reset_overtaken),
        T(test_doorbell_moves),
        T(test_without_doorbells),
        T(test_no_cap),
        T(test_wrong_timeout),
        T(test_wrong_serial),
        T(test_busy),
        T(test_server_never_comes),
        T(test_never_ready),
        T(test_ready_later),
        T(test_malformed_server),
        T(test_queue_clamp),
        T(test_config_change),
        T(test_needs_reset),
        T(test_writeback),
        T(test_slow_reset),
        T(test_queue_refused),
        T(test_vm_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

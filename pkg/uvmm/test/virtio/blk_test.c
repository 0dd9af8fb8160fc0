// SPDX-License-Identifier: MIT
// The block proxy against a model of a block server (proto/blk.h) that records what it is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../../src/device.h"
#include "../../src/virtio/blk_priv.h"
#include "fakes.h"
#include <proto/blk.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/thread.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>
#include <virtio/inflight.h>

#define VERSION_1 (1ull << 32)
#define RING_RESET (1ull << 40)
#define OFFERED                                                                                                        \
    (VERSION_1 | RING_RESET | 1ull << 29 | 1ull << 28 | 1ull << 38 | 1ull << 33 | 1ull << 12 | 1ull << 11 | 1ull << 9)
#define CONFIG 72u

struct server_queue {
    uint64_t num, addr[3], base;
    cap_t kick, call;
    bool enabled;
};

static struct {
    int64_t status; /* of BLK_GET_STATUS; DEVICE_NEEDS_RESET in device_status */
    uint8_t device_status;
    bool bound; /* takes calls */
    bool dead;  /* calls end with SK_EGONE */
    int64_t fail_op, fail_with;
    unsigned resets, regions, calls, lifelines;
    unsigned busy; /* so many BLK_GET_VRING_BASE say that requests are in flight */
    uint64_t features;
    uint8_t config[CONFIG];
    uint16_t queues;
    cap_t ready;
    struct server_queue queue[VIRTIO_QUEUES_MAX];
} srv;
static struct driver drv;
static unsigned slot;

static int64_t reply(int64_t status, unsigned words)
{
    return (int64_t)TAG((uint32_t)status, words, 0);
}

static int64_t get_config(uint64_t *mr)
{
    uint64_t off = mr[0], size = mr[1];

    if (!range_ok(off, size, CONFIG)) {
        return reply(SK_ERANGE, 0);
    }
    mr[0] = size;
    memset(&mr[1], 0, align_up(size, 8));
    memcpy(&mr[1], srv.config + off, size);
    mr[1 + align_up(size, 8) / 8] = 7;
    return reply(SK_OK, (unsigned)(2 + align_up(size, 8) / 8));
}

static int64_t set_vring(enum blk_op op, struct server_queue *q, const uint64_t *mr)
{
    cap_t cap = sk_utcb()->send_cap[0];

    switch (op) {
    case BLK_SET_VRING_NUM:
        q->num = mr[1];
        break;
    case BLK_SET_VRING_ADDR:
        memcpy(q->addr, &mr[1], sizeof(q->addr));
        break;
    case BLK_SET_VRING_BASE:
        q->base = mr[1];
        break;
    case BLK_SET_VRING_KICK:
        assert_int_equal(sk_utcb()->send_rights[0], RIGHT_BIND);
        q->kick = cap;
        break;
    case BLK_SET_VRING_CALL:
        assert_int_equal(sk_utcb()->send_rights[0], RIGHT_CALL);
        q->call = cap;
        break;
    default:
        q->enabled = mr[1];
    }
    return reply(SK_OK, 0);
}

static int64_t dispatch(enum blk_op op, uint64_t *mr)
{
    switch (op) {
    case BLK_GET_STATUS:
        mr[0] = srv.device_status;
        mr[1] = 1;
        return reply(srv.status, srv.status < 0 ? 0 : 2);
    case BLK_BIND_READY:
        srv.ready = sk_utcb()->send_cap[0];
        return reply(SK_OK, 0);
    case BLK_GET_FEATURES:
        mr[0] = OFFERED;
        return reply(SK_OK, 1);
    case BLK_SET_FEATURES:
        srv.features = mr[0];
        return reply(SK_OK, 0);
    case BLK_GET_QUEUE_NUM:
        mr[0] = srv.queues;
        mr[1] = 256;
        return reply(SK_OK, 2);
    case BLK_GET_CONFIG:
        return get_config(mr);
    case BLK_SET_CONFIG:
        assert_int_equal(mr[0], 32);
        assert_int_equal(mr[1], 1);
        srv.config[32] = (uint8_t)mr[2];
        return reply(SK_OK, 0);
    case BLK_ADD_MEM_REG:
        assert_int_equal(mr[0], 0);
        assert_int_equal(mr[1], FAKE_RAM);
        assert_int_equal(sk_utcb()->send_cap[0], 40);
        assert_int_equal(sk_utcb()->send_rights[0], RIGHT_R | RIGHT_W);
        srv.regions++;
        return reply(SK_OK, 0);
    case BLK_GET_VRING_BASE:
        assert_in_range(mr[0], 0, VIRTIO_QUEUES_MAX - 1);
        if (srv.busy > 0) {
            srv.busy--;
            return reply(SK_EAGAIN, 0);
        }
        srv.queue[mr[0]] = (struct server_queue){0};
        mr[0] = 5;
        return reply(SK_OK, 1);
    case BLK_SET_LIFELINE:
        assert_int_equal(sk_utcb()->send_cap[0], FAKE_LIFELINE);
        assert_int_equal(sk_utcb()->send_rights[0], RIGHT_CALL);
        srv.lifelines++;
        return reply(SK_OK, 0);
    case BLK_SET_INFLIGHT:
        assert_int_equal(sk_utcb()->send_cap[0], FAKE_RECORD);
        assert_int_equal(mr[1], mr[0] * 8192);
        return reply(SK_OK, 0);
    case BLK_RESET:
        srv.resets++;
        srv.features = 0;
        memset(srv.queue, 0, sizeof(srv.queue));
        return reply(SK_OK, 0);
    default:
        assert_in_range(op, BLK_SET_VRING_NUM, BLK_SET_VRING_ENABLE);
        assert_in_range(mr[0], 0, VIRTIO_QUEUES_MAX - 1);
        return set_vring(op, &srv.queue[mr[0]], mr);
    }
}

static int64_t server(uint64_t tag, uint64_t deadline)
{
    if (srv.dead) {
        return SK_EGONE;
    }
    if (!srv.bound) {
        fake.now = deadline;
        return SK_ETIMEDOUT;
    }
    srv.calls++;
    if (TAG_LABEL(tag) == (uint64_t)srv.fail_op) {
        return reply(srv.fail_with, 0);
    }
    return dispatch((enum blk_op)TAG_LABEL(tag), sk_utcb()->mr);
}

static int setup(void **state)
{
    (void)state;
    fake_init();
    memset(&srv, 0, sizeof(srv));
    srv.bound = true;
    srv.queues = 1;
    srv.config[1] = 0x50; // 20480 sectors
    srv.config[34] = 1;
    fake.node_cap = FAKE_GATE;
    fake.server = server;
    assert_int_equal(pci_host_create(), SK_OK);
    slot = 1;
    return 0;
}

/* A device lives as long as its program: here the test frees it. It begins with its struct pci_dev. */
static int teardown(void **state)
{
    (void)state;
    free(pci_host_dev(slot));
    blk_list = NULL;
    return 0;
}

static int probe(void)
{
    return virtio_blk_type.probe(NULL, 0, "disk");
}

static void start(void)
{
    assert_int_equal(probe(), SK_OK);
    driver_find(&drv, slot);
    assert_true(driver_features(&drv, VERSION_1 | 1ull << 29 | 1ull << 11));
    driver_msix(&drv, 2);
    common_write(&drv, 16, 2, 0);
    driver_queue(&drv, 0, 128, 0x1000, 0x2000, 0x3000);
    driver_ok(&drv);
    assert_int_equal(common_read(&drv, 20, 1), 15);
}

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

static void start_with(uint64_t features)
{
    assert_int_equal(probe(), SK_OK);
    driver_find(&drv, slot);
    assert_true(driver_features(&drv, features));
    driver_msix(&drv, 2);
    driver_queue(&drv, 0, 128, 0x1000, 0x2000, 0x3000);
    driver_ok(&drv);
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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
        T(test_server_dies),
        T(test_server_dies_before_ready),
        T(test_server_dies_in_probe),
        T(test_reset_without_server),
        T(test_server_dies_in_reset),
        T(test_no_server_in_time),
        T(test_server_refuses),
        T(test_queue_refused),
        T(test_vm_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

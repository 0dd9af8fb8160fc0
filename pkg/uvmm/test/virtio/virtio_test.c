// SPDX-License-Identifier: MIT
// Virtio over PCI as a driver sees it, and the console on it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../../src/device.h"
#include "../../src/virtio/regs.h"
#include "../../src/virtio/virtio.h"
#include "fakes.h"
#include <string.h>
#include <util/bits.h>

#define NUM 8u
#define VERSION_1 (1ull << 32)
#define EVENT_IDX (1ull << 29)
#define RING(q) (0x1000u + 0x3000u * (q))
#define DESC(q) RING(q)
#define AVAIL(q) (RING(q) + 0x1000)
#define USED(q) (RING(q) + 0x2000)
#define DATA 0x10000u

static struct driver drv;
static uint16_t avail_idx[2];

/* The devices under test keep their state in static variables, as a program has one of each: a test starts with a VM
 * reset. */
static int setup(void **state)
{
    static bool made;

    (void)state;
    memset(avail_idx, 0, sizeof(avail_idx));
    if (!made) {
        fake_init();
        assert_int_equal(pci_host_create(), SK_OK);
        assert_int_equal(virtio_console_type.probe(NULL, 0, "console"), SK_OK);
        made = true;
    }
    pci_host_reset();
    memset(fake.ram, 0, FAKE_RAM);
    memset(&fake.msi, 0, sizeof(fake.msi));
    memset(fake.raised, 0, sizeof(fake.raised));
    fake.out_len = fake.in_len = fake.logs = 0;
    driver_find(&drv, 1);
    return 0;
}

static void start(uint64_t features)
{
    assert_true(driver_features(&drv, features));
    driver_msix(&drv, 3);
    common_write(&drv, 16, 2, 0);
    for (unsigned q = 0; q < 2; q++) {
        driver_queue(&drv, q, NUM, DESC(q), AVAIL(q), USED(q));
    }
    driver_ok(&drv);
    assert_int_equal(common_read(&drv, 20, 1), 15);
}

static void put(uint32_t addr, const void *data, unsigned len)
{
    memcpy(fake.ram + addr, data, len);
}
static uint16_t get16(uint32_t addr)
{
    uint16_t v;

    memcpy(&v, fake.ram + addr, 2);
    return v;
}
static uint32_t get32(uint32_t addr)
{
    return get16(addr) | (uint32_t)get16(addr + 2) << 16;
}

static void desc_set(unsigned q, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
    struct virtq_desc d = {addr, len, flags, next};

    put(DESC(q) + 16 * i, &d, sizeof(d));
}

static void offer(unsigned q, uint16_t head)
{
    uint16_t idx = ++avail_idx[q];

    put(AVAIL(q) + 4 + 2 * ((idx - 1u) % NUM), &head, 2);
    put(AVAIL(q) + 2, &idx, 2);
}

static void notify(unsigned q)
{
    fake_out((uint16_t)(drv.notify + drv.multiplier * q), 2, q);
    fake_events();
}

/* Typed from [virtio-1.2 4.1.4.3] by its field widths, not from regs.h: offset, width. */
static void test_common_layout(void **state)
{
    static const struct {
        unsigned off, width;
        uint32_t value;
    } expect[] = {
        {0, 4, 1},  {4, 4, 1},         {8, 4, 1},  {12, 4, 1},       {16, 2, 0}, {18, 2, 2}, {20, 1, 15},
        {21, 1, 0}, {22, 2, 1},        {24, 2, 8}, {26, 2, 2},       {28, 2, 1}, {30, 2, 1}, {32, 4, DESC(1)},
        {36, 4, 0}, {40, 4, AVAIL(1)}, {44, 4, 0}, {48, 4, USED(1)}, {52, 4, 0}, {56, 4, 0},
    };

    (void)state;
    start(VERSION_1);
    common_write(&drv, 0, 4, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(expect); i++) {
        assert_int_equal(common_read(&drv, expect[i].off, expect[i].width), expect[i].value);
    }
}

static void test_identity(void **state)
{
    (void)state;
    assert_int_equal(cfg_read(1, 0, 4), 0x10431af4); // 0x1040 + 3
    assert_int_equal(cfg_read(1, 8, 4), 0x07800001);
    assert_in_range(cfg_read(1, 0x2e, 2), 0x40, 0xffff);
    assert_true(drv.common && drv.isr && drv.config && drv.notify && drv.window && drv.msix);
    assert_int_equal(drv.multiplier, 4);
    assert_int_equal(bus_mmio_read(drv.config + 4, 4), 1);
    assert_int_equal(common_read(&drv, 18, 2), 2);
    assert_int_equal(common_read(&drv, 24, 2), 128);
}

static void test_features(void **state)
{
    (void)state;
    common_write(&drv, 0, 4, 0);
    assert_int_equal(common_read(&drv, 4, 4), 0x30000004);
    common_write(&drv, 0, 4, 1);
    assert_int_equal(common_read(&drv, 4, 4), 1);
    common_write(&drv, 0, 4, 2);
    assert_int_equal(common_read(&drv, 4, 4), 0);
    assert_false(driver_features(&drv, 0));                      // VERSION_1 is a must
    assert_false(driver_features(&drv, VERSION_1 | 1ull << 33)); // not offered
    assert_true(driver_features(&drv, VERSION_1 | EVENT_IDX));
    common_write(&drv, 12, 4, 0); // too late
    assert_int_equal(common_read(&drv, 12, 4), 1);
}

static void test_status(void **state)
{
    (void)state;
    common_write(&drv, 20, 1, 0x0f); // all at once, without features
    assert_int_equal(common_read(&drv, 20, 1), 3);
    common_write(&drv, 20, 1, 4); // DRIVER_OK without FEATURES_OK
    assert_int_equal(common_read(&drv, 20, 1), 3);
    assert_true(driver_features(&drv, VERSION_1));
    common_write(&drv, 20, 1, 1); // bits do not go away
    assert_int_equal(common_read(&drv, 20, 1), 11);
    common_write(&drv, 20, 1, 0xf0); // reserved and NEEDS_RESET are not the driver's
    assert_int_equal(common_read(&drv, 20, 1), 0x8b);
    common_write(&drv, 20, 1, 0);
    assert_int_equal(common_read(&drv, 20, 1), 0);
}

static void test_queue_registers_lock(void **state)
{
    (void)state;
    common_write(&drv, 28, 2, 1); // enable before FEATURES_OK
    assert_int_equal(common_read(&drv, 28, 2), 0);
    start(VERSION_1);
    common_write(&drv, 24, 2, 4);
    common_write(&drv, 32, 4, 0x5000);
    assert_int_equal(common_read(&drv, 24, 2), NUM);
    assert_int_equal(common_read(&drv, 32, 4), DESC(1));
    common_write(&drv, 28, 2, 0); // a driver cannot disable
    assert_int_equal(common_read(&drv, 28, 2), 1);
    common_write(&drv, 26, 2, 9); // no such vector
    assert_int_equal(common_read(&drv, 26, 2), 0xffff);
    common_write(&drv, 22, 2, 7); // no such queue
    assert_int_equal(common_read(&drv, 24, 2), 0);
    common_write(&drv, 28, 2, 1);
}

static void bad_queue(unsigned size, uint64_t desc, uint64_t avail, uint64_t used)
{
    pci_host_reset();
    driver_find(&drv, 1);
    assert_true(driver_features(&drv, VERSION_1));
    driver_msix(&drv, 3);
    common_write(&drv, 16, 2, 0);
    driver_queue(&drv, 0, size, desc, avail, used);
    fake.msi.count = 0;
    driver_ok(&drv);
    assert_int_equal(common_read(&drv, 20, 1), 0x4f);
    assert_int_equal(fake.msi.count, 1);
    assert_int_equal(fake.msi.data, 0x40);
    notify(0); // nothing happens
}

static void test_bad_queues(void **state)
{
    (void)state;
    bad_queue(0, 0x1000, 0x2000, 0x3000);
    bad_queue(12, 0x1000, 0x2000, 0x3000);
    bad_queue(256, 0x1000, 0x2000, 0x3000);
    bad_queue(NUM, 0x1008, 0x2000, 0x3000);
    bad_queue(NUM, 0x1000, 0x2001, 0x3000);
    bad_queue(NUM, 0x1000, 0x2000, 0x3002);
    bad_queue(NUM, FAKE_RAM - 0x70, 0x2000, 0x3000);
    bad_queue(NUM, 0x1000, FAKE_RAM, 0x3000);
    bad_queue(NUM, 0x1000, 0x2000, 0xfffffffffffffffcull);
}

static void test_late_enable(void **state)
{
    (void)state;
    assert_true(driver_features(&drv, VERSION_1));
    driver_ok(&drv);
    driver_queue(&drv, 1, NUM, DESC(1), AVAIL(1), USED(1));
    put(DATA, "late", 4);
    desc_set(1, 0, DATA, 4, 0, 0);
    offer(1, 0);
    notify(1);
    assert_string_equal(fake.out, "late");
}

static void test_window(void **state)
{
    (void)state;
    cfg_write(1, drv.window + 4, 1, 0); // BAR 0
    cfg_write(1, drv.window + 8, 4, 20);
    cfg_write(1, drv.window + 12, 4, 1);
    cfg_write(1, drv.window + 16, 4, 1); // device_status = ACKNOWLEDGE
    assert_int_equal(common_read(&drv, 20, 1), 1);
    common_write(&drv, 20, 1, 3);
    assert_int_equal(cfg_read(1, drv.window + 16, 1), 3);
    cfg_write(1, drv.window + 8, 4, 18);
    cfg_write(1, drv.window + 12, 4, 2);
    assert_int_equal(cfg_read(1, drv.window + 16, 2), 2);
    // What is not valid does nothing: length, alignment, range, BAR.
    static const uint32_t bad[][3] = {{0, 20, 3}, {0, 21, 2},  {0, 0x4000, 4}, {0, 0xfffffffc, 4},
                                      {3, 0, 4},  {200, 0, 4}, {0, 20, 0}};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        cfg_write(1, drv.window + 4, 1, bad[i][0]);
        cfg_write(1, drv.window + 8, 4, bad[i][1]);
        cfg_write(1, drv.window + 12, 4, bad[i][2]);
        cfg_write(1, drv.window + 16, 4, 0x11);
        (void)cfg_read(1, drv.window + 16, 4);
        assert_int_equal(common_read(&drv, 20, 1), 3);
    }
}

static void test_isr(void **state)
{
    (void)state;
    assert_true(driver_features(&drv, VERSION_1));
    driver_queue(&drv, 1, NUM, DESC(1), AVAIL(1), USED(1));
    driver_ok(&drv);
    desc_set(1, 0, DATA, 1, 0, 0);
    offer(1, 0);
    notify(1);
    fake_wait(4000000);
    assert_true(fake.line[17]);
    assert_int_equal(bus_mmio_read(drv.isr, 1), 1);
    assert_false(fake.line[17]);
    assert_int_equal(bus_mmio_read(drv.isr, 1), 0);
    desc_set(1, 0, DATA, 1, 0, 0);
    offer(1, 99); // breaks the queue
    notify(1);
    assert_int_equal(bus_mmio_read(drv.isr, 1), 2);
    assert_int_equal(common_read(&drv, 20, 1), 0x4f);
}

/* --- console --- */

static void test_output(void **state)
{
    (void)state;
    start(VERSION_1);
    put(DATA, "Hello, world", 12);
    desc_set(1, 0, DATA, 5, 1, 1);
    desc_set(1, 1, DATA + 5, 7, 0, 0);
    offer(1, 0);
    notify(1);
    assert_string_equal(fake.out, "Hello, world");
    assert_int_equal(get16(USED(1) + 2), 1);
    assert_int_equal(get32(USED(1) + 4), 0);
    assert_int_equal(get32(USED(1) + 8), 0);
    assert_int_equal(fake.msi.count, 0);
    fake_wait(4000000);
    assert_int_equal(fake.msi.count, 1);
    assert_int_equal(fake.msi.data, 0x42);
    fake_wait(4000000);
    assert_int_equal(fake.msi.count, 1);
}

/* A driver that polls, as Linux does, gets no interrupts; one that waits in the end gets one. */
static void test_output_polled(void **state)
{
    (void)state;
    start(VERSION_1 | EVENT_IDX);
    put(DATA, "x", 1);
    desc_set(1, 0, DATA, 1, 0, 0);
    for (uint16_t used = 1; used <= 4 * NUM; used++) {
        offer(1, 0);
        notify(1);
        assert_int_equal(get16(USED(1) + 2), used);
        put(AVAIL(1) + 4 + 2 * NUM, &used, 2); // used_event
        fake_wait(used == 1 ? 4000000 : 1000000);
        assert_int_equal(fake.msi.count, 1); // for the very first, in any case
    }
    fake_wait(4000000);
    fake_wait(4000000);
    assert_int_equal(fake.out_len, 4 * NUM);
    assert_int_equal(fake.msi.count, 1);
    offer(1, 0);
    notify(1);
    fake_wait(4000000);
    assert_int_equal(fake.msi.count, 2);
}

/* More than is written at one go: the rest follows by the device's own signal. */
static void test_output_long(void **state)
{
    (void)state;
    start(VERSION_1 | EVENT_IDX);
    memset(fake.ram + DATA, 'x', 0x20000);
    desc_set(1, 0, DATA, 0x20000, 0, 0);
    offer(1, 0);
    fake_out((uint16_t)(drv.notify + 4), 2, 1);
    assert_int_equal(fake.out_len, 0x10000);
    assert_int_equal(get16(USED(1) + 2), 0);
    fake_events();
    assert_int_equal(fake.out_len, 0x20000);
    assert_int_equal(get16(USED(1) + 2), 1);
}

static void rx_offer(uint16_t i, uint32_t len)
{
    desc_set(0, i, DATA + 0x1000u * i, len, VIRTQ_DESC_F_WRITE, 0);
    offer(0, i);
}

static void test_input(void **state)
{
    (void)state;
    start(VERSION_1);
    rx_offer(0, 16);
    rx_offer(1, 16);
    notify(0);
    assert_int_equal(get16(USED(0) + 2), 0);
    fake_input("ls\n");
    assert_int_equal(get16(USED(0) + 2), 1);
    assert_int_equal(get32(USED(0) + 8), 3);
    assert_memory_equal(fake.ram + DATA, "ls\n", 3);
    assert_int_equal(fake.msi.data, 0x41);
    assert_int_equal(fake.msi.count, 1);
}

/* Input that comes before buffers do, and more than they hold, waits. */
static void test_input_backpressure(void **state)
{
    (void)state;
    fake_input("early");
    start(VERSION_1 | EVENT_IDX);
    assert_int_equal(fake.in_len, 5);
    rx_offer(0, 3);
    notify(0);
    assert_int_equal(get32(USED(0) + 8), 3);
    assert_int_equal(fake.in_len, 2);
    assert_int_equal(get16(USED(0) + 4 + 8 * NUM), 1); // avail_event: kick for the next buffer
    rx_offer(1, 3);
    notify(0);
    assert_int_equal(get16(USED(0) + 2), 2);
    assert_memory_equal(fake.ram + DATA + 0x1000, "ly", 2);
}

static void test_input_split(void **state)
{
    (void)state;
    start(VERSION_1);
    desc_set(0, 0, DATA, 2, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, 1);
    desc_set(0, 1, DATA + 0x1000, 8, VIRTQ_DESC_F_WRITE, 0);
    offer(0, 0);
    fake_input("abcd");
    assert_memory_equal(fake.ram + DATA, "ab", 2);
    assert_memory_equal(fake.ram + DATA + 0x1000, "cd", 2);
    assert_int_equal(get32(USED(0) + 8), 4);
}

static void expect_broken(unsigned q)
{
    notify(q);
    assert_int_equal(common_read(&drv, 20, 1), 0x4f);
    assert_int_equal(fake.msi.data, 0x40);
    unsigned logs = fake.logs;
    notify(q);
    assert_int_equal(fake.logs, logs); // says it once
}

static void test_hostile_buffers(void **state)
{
    (void)state;
    start(VERSION_1);
    desc_set(1, 0, FAKE_RAM - 2, 8, 0, 0);
    offer(1, 0);
    expect_broken(1);
    setup(NULL);
    start(VERSION_1);
    desc_set(1, 0, DATA, 8, VIRTQ_DESC_F_NEXT, 0); // a loop
    offer(1, 0);
    expect_broken(1);
    setup(NULL);
    start(VERSION_1);
    desc_set(0, 0, 0xfffffffffffffff0ull, 64, VIRTQ_DESC_F_WRITE, 0);
    offer(0, 0);
    fake_input("a lot of input, more than sixteen bytes");
    expect_broken(0);
}

static void test_emergency_write(void **state)
{
    (void)state;
    bus_mmio_write(drv.config + 8, 4, '!');
    assert_string_equal(fake.out, "!");
    bus_mmio_write(drv.config + 0, 2, 80); // read-only
    assert_int_equal(bus_mmio_read(drv.config, 2), 0);
}

static void test_driver_reset(void **state)
{
    (void)state;
    start(VERSION_1);
    put(DATA, "x", 1);
    desc_set(1, 0, DATA, 1, 0, 0);
    common_write(&drv, 20, 1, 0);
    offer(1, 0);
    notify(1);
    assert_int_equal(fake.out_len, 0);
    assert_int_equal(common_read(&drv, 32, 4), 0);
    memset(fake.ram, 0, 0x10000);
    memset(avail_idx, 0, sizeof(avail_idx));
    start(VERSION_1);
    desc_set(1, 0, DATA, 1, 0, 0);
    offer(1, 0);
    notify(1);
    assert_string_equal(fake.out, "x");
}

static void test_second_console(void **state)
{
    (void)state;
    assert_int_equal(virtio_console_type.probe(NULL, 0, "console2"), SK_EEXIST);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_common_layout),
        T(test_identity),
        T(test_features),
        T(test_status),
        T(test_queue_registers_lock),
        T(test_bad_queues),
        T(test_late_enable),
        T(test_window),
        T(test_isr),
        T(test_output),
        T(test_output_polled),
        T(test_output_long),
        T(test_input),
        T(test_input_backpressure),
        T(test_input_split),
        T(test_hostile_buffers),
        T(test_emergency_write),
        T(test_driver_reset),
        T(test_second_console),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

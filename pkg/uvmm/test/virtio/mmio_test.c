// SPDX-License-Identifier: MIT
/* Virtio over MMIO as a driver sees it, with the entropy device behind it. Register numbers are typed from the
 * specification's table [virtio-1.2 4.2.2]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../../src/device.h"
#include "../../src/virtio/virtio.h"
#include "fakes.h"
#include <string.h>

#define AT VIRTIO_MMIO_BASE
#define LINE 5
#define DESC 0x1000u
#define AVAIL 0x2000u
#define USED 0x3000u
#define DATA 0x4000u

static uint16_t idx;

static uint32_t r(unsigned reg)
{
    return (uint32_t)bus_mmio_read(AT + reg, 4);
}

static void w(unsigned reg, uint32_t v)
{
    bus_mmio_write(AT + reg, 4, v);
}

static int setup(void **state)
{
    (void)state;
    fake_init();
    idx = 0;
    if (rng_source() == NULL) {
        skip();
    }
    assert_int_equal(virtio_rng_mmio_type.probe("", 0, "rng"), SK_OK);
    return 0;
}

static void negotiate(void)
{
    w(0x070, 0);
    w(0x070, 1);
    w(0x070, 3);
    w(0x014, 1);
    assert_int_equal(r(0x010) & 1, 1); /* VERSION_1 */
    w(0x024, 1);
    w(0x020, 1);
    w(0x070, 0xb);
    assert_int_equal(r(0x070), 0xb);
}

static void start(void)
{
    negotiate();
    w(0x030, 0);
    assert_int_equal(r(0x034), 64);
    assert_int_equal(r(0x044), 0);
    w(0x038, 8);
    w(0x080, DESC);
    w(0x084, 0);
    w(0x090, AVAIL);
    w(0x094, 0);
    w(0x0a0, USED);
    w(0x0a4, 0);
    w(0x044, 1);
    assert_int_equal(r(0x044), 1);
    w(0x070, 0xf);
}

static void put16(uint32_t at, uint16_t v)
{
    memcpy(fake.ram + at, &v, 2);
}

static uint32_t get32(uint32_t at)
{
    uint32_t v;

    memcpy(&v, fake.ram + at, 4);
    return v;
}

static void ask(uint64_t gpa, uint32_t len)
{
    memcpy(fake.ram + DESC, &gpa, 8);
    memcpy(fake.ram + DESC + 8, &len, 4);
    put16(DESC + 12, 2); /* writable */
    put16(AVAIL + 4 + 2 * (idx % 8), 0);
    put16(AVAIL + 2, ++idx);
    w(0x050, 0);
}

static void test_identity(void **state)
{
    (void)state;
    assert_int_equal(r(0x000), 0x74726976);
    assert_int_equal(r(0x004), 2);
    assert_int_equal(r(0x008), 4);
    assert_int_equal(r(0x0b0), 0xffffffff);
    assert_int_equal(bus_mmio_read(AT, 1), 0); /* 32 bits only */
    assert_int_equal(bus_mmio_read(AT + 0x100, 1), 0);
    w(0x030, 1);
    assert_int_equal(r(0x034), 0); /* no such queue */
    assert_int_equal(fake.present, 0x100);
}

static void test_entropy(void **state)
{
    (void)state;
    start();
    ask(DATA, 64);
    assert_int_equal(get32(USED), 1 << 16);
    assert_int_equal(get32(USED + 8), 64);
    assert_false(get32(DATA) == 0 && get32(DATA + 60) == 0);
    assert_int_equal(get32(DATA + 64), 0);
    assert_true(fake.line[LINE]);
    assert_int_equal(r(0x060), 1);
    w(0x064, 1);
    assert_int_equal(r(0x060), 0);
    assert_false(fake.line[LINE]);
    ask(DATA, 1 << 16); /* no more than it gives at once */
    assert_int_equal(get32(USED + 16), 256);
}

static void test_bad_buffer(void **state)
{
    (void)state;
    start();
    ask(FAKE_RAM, 16);
    assert_int_equal(r(0x070), 0x4f);
    assert_int_equal(r(0x060), 2);
    w(0x070, 0);
    assert_int_equal(r(0x070), 0);
    assert_false(fake.line[LINE]);
}

static void test_bad_values(void **state)
{
    (void)state;
    negotiate();
    w(0x030, 0x10000); /* does not become queue 0 */
    w(0x030, 0);
    w(0x038, 7); /* no power of two */
    w(0x044, 1);
    w(0x070, 0xf);
    assert_int_equal(r(0x070), 0x4f);
    w(0x070, 0x100);
    assert_int_equal(r(0x070), 0x4f);
    virtio_mmio_reset();
    assert_int_equal(r(0x070), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_identity, setup),
        cmocka_unit_test_setup(test_entropy, setup),
        cmocka_unit_test_setup(test_bad_buffer, setup),
        cmocka_unit_test_setup(test_bad_values, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// The battery-backed clock's formats, and what is no date. Expected values: date -u -d '...' +%s.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <wallclock.h>

enum { BCD_24 = 0x02, BINARY_24 = 0x06, BCD_12 = 0x00, BINARY_12 = 0x04 };

static void expect(struct wallclock_regs r, uint64_t want)
{
    uint64_t got = 0;

    assert_true(wallclock_decode(&r, &got));
    assert_int_equal(got, want);
}

static void test_formats(void **state)
{
    (void)state;
    expect((struct wallclock_regs){0x56, 0x34, 0x12, 0x22, 0x11, 0x26, 0x20, BCD_24}, 1795350896);
    expect((struct wallclock_regs){56, 34, 12, 22, 11, 26, 20, BINARY_24}, 1795350896);
    expect((struct wallclock_regs){0x56, 0x34, 0x92, 0x22, 0x11, 0x26, 0x20, BCD_12}, 1795350896); /* 12 PM is noon */
    expect((struct wallclock_regs){56, 34, 12, 22, 11, 26, 20, BINARY_12}, 1795307696);            /* 12 AM is 0 h */
    expect((struct wallclock_regs){0, 0, 0x81, 1, 1, 0, 20, BINARY_12}, 946731600);
}

static void test_calendar(void **state)
{
    (void)state;
    expect((struct wallclock_regs){0, 0, 0, 1, 1, 70, 19, BINARY_24}, 0);
    expect((struct wallclock_regs){0, 0, 0, 1, 3, 0, 20, BINARY_24}, 951868800);    /* 2000 is a leap year */
    expect((struct wallclock_regs){59, 59, 23, 29, 2, 24, 20, BINARY_24}, 1709251199);
    expect((struct wallclock_regs){0, 0, 0, 1, 3, 0, 21, BINARY_24}, 4107542400ull); /* 2100 is none */
    expect((struct wallclock_regs){0, 0, 0, 1, 1, 26, 0, BINARY_24}, 1767225600);    /* no century byte: 20xx */
}

static void test_no_date(void **state)
{
    static const struct wallclock_regs bad[] = {
        {0x60, 0, 0, 1, 1, 0x26, 0x20, BCD_24}, {0x0a, 0, 0, 1, 1, 0x26, 0x20, BCD_24}, {0, 60, 0, 1, 1, 26, 20, BINARY_24},
        {0, 0, 24, 1, 1, 26, 20, BINARY_24},    {0, 0, 0, 0, 1, 26, 20, BINARY_24},     {0, 0, 0, 32, 1, 26, 20, BINARY_24},
        {0, 0, 0, 1, 0, 26, 20, BINARY_24},     {0, 0, 0, 1, 13, 26, 20, BINARY_24},    {0, 0, 0, 1, 1, 100, 20, BINARY_24},
        {0, 0, 0, 1, 1, 26, 20, BINARY_12},     {0, 0, 0, 1, 1, 69, 19, BINARY_24},     {255, 255, 255, 255, 255, 255, 255, 255},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t seconds;

        assert_false(wallclock_decode(&bad[i], &seconds));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_no_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Host test: lib/fmt says what the C library says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int fmt_vsnprintf(char *text, size_t size, const char *format, va_list list);
int fmt_snprintf(char *text, size_t size, const char *format, ...);

#define vsnprintf fmt_vsnprintf
#define snprintf fmt_snprintf
#include "../src/fmt.c"
#undef vsnprintf
#undef snprintf

/* Formats whose argument is an integer of that many bytes. */
static const char *const ints[] = {"%d",    "%i",      "%u",   "%x",    "%X",     "%5d",    "%-5d|", "%05d",
                                   "%08x",  "%#x",     "%#X",  "%#08x", "%#010x", "%-#8x|", "%.3d",  "%.0d",
                                   "%8.3d", "%-8.3u|", "%02x", "%hhx",  "%hd",    "%hu",    "%3c",   "%-3c|",
                                   "a%db",  "%%%d%%",  "%1d",  "%20u",  "%020d",  "%-020d|"};
static const char *const longs[] = {"%ld", "%lu", "%lx", "%lld",  "%llu",     "%llx", "%016lx", "%zu",
                                    "%zx", "%jd", "%td", "%#llx", "%-22lld|", "%p",   "%20p"};
static const uint64_t values[] = {0,
                                  1,
                                  7,
                                  10,
                                  255,
                                  256,
                                  65535,
                                  99999,
                                  INT_MAX,
                                  UINT_MAX,
                                  1ull << 31,
                                  (uint64_t)-1,
                                  (uint64_t)-5,
                                  (uint64_t)INT64_MAX,
                                  (uint64_t)INT64_MIN,
                                  0x0123456789abcdef};

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

#define SAME(...)                                                                                                      \
    do {                                                                                                               \
        char ours[128], theirs[128];                                                                                   \
        int a = fmt_snprintf(ours, sizeof(ours), __VA_ARGS__), b = snprintf(theirs, sizeof(theirs), __VA_ARGS__);      \
        assert_string_equal(ours, theirs);                                                                             \
        assert_int_equal(a, b);                                                                                        \
    } while (0)

static void test_numbers(void **state)
{
    (void)state;
    for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
        for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
            bool c = strchr(ints[i], 'c');

            SAME(ints[i], c ? 'x' : (int)values[v]);
        }
        for (size_t i = 0; i < sizeof(longs) / sizeof(longs[0]); i++) {
            if (values[v] != 0 || !strchr(longs[i], 'p')) { /* glibc's "(nil)" */
                SAME(longs[i], values[v]);
            }
        }
    }
}

static void test_texts(void **state)
{
    (void)state;
    SAME("%s", "");
    SAME("%s and %s", "one", "two");
    SAME("%10s|%-10s|%.2s|%.*s|%-*s|%*s|%5.1s|", "abc", "abc", "abc", 1, "abc", 6, "abc", -6, "abc", "abc");
    SAME("%-31s%s %-6s %-9s %llu bytes", "a", "b", "c", "d", 5ull);
    SAME("%02x:%02x.%x %04x:%04x, class %06x", 1, 2, 3, 4, 5, 6);
    SAME("100%%");
    SAME("%u %d %lu %s %x %u %d %lld %s %u", 1u, -1, 5ul, "x", 3, 4u, -5, -6ll, "y", 7u);
}

static void test_room(void **state)
{
    char text[8] = "xxxxxxx";

    (void)state;
    assert_int_equal(fmt_snprintf(text, 4, "%s", "abcdef"), 6);
    assert_string_equal(text, "abc");
    assert_int_equal(text[4], 'x');
    assert_int_equal(fmt_snprintf(text, 0, "%d", 12345), 5);
    assert_int_equal(fmt_snprintf(NULL, 0, "%d", 12345), 5);
    assert_string_equal(text, "abc");
    assert_int_equal(fmt_snprintf(text, 1, "%d", 1), 1);
    assert_string_equal(text, "");
}

static void test_unknown(void **state)
{
    char text[32];

    (void)state;
    fmt_snprintf(text, sizeof(text), "%k %d %", 5);
    assert_string_equal(text, "%k 5 %");
    fmt_snprintf(text, sizeof(text), "%s", (char *)NULL);
    assert_string_equal(text, "(null)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_texts),
                                       cmocka_unit_test(test_room), cmocka_unit_test(test_unknown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

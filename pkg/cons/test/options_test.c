// SPDX-License-Identifier: MIT
// Host tests of the command line.
#include "../src/options.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct options o;
static char error[256];

static bool parse(char *one, char *two)
{
    char *argv[] = {"cons", one, two, NULL};

    return options_parse(&o, !one ? 1 : !two ? 2 : 3, argv, error, sizeof(error));
}

static void good(void **state)
{
    (void)state;
    assert_true(parse(NULL, NULL));
    assert_null(o.connect);
    assert_int_equal(o.key, 5);
    assert_true(parse("-c", "vm1"));
    assert_string_equal(o.connect, "vm1");
    assert_true(parse("-k", "^x"));
    assert_int_equal(o.key, 24);
    assert_true(parse("--key=]", NULL));
    assert_int_equal(o.key, 29);
    assert_true(parse("--connect=a", "-kB"));
    assert_int_equal(o.key, 2);
}

static void bad(void **state)
{
    static char *const keys[] = {"", "^^^", "m", "J", "[", "h", "c", "D", "u", "5", "@", "ab", "`", "{"};

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_false(parse("-k", keys[i]));
        assert_non_null(strstr(error, "the key is a letter"));
    }
    assert_false(parse("-k", NULL));
    assert_non_null(strstr(error, "'-k'"));
    assert_false(parse("--nope", NULL));
    assert_non_null(strstr(error, "'--nope'"));
    assert_false(parse("vm1", NULL));
    assert_non_null(strstr(error, "'vm1' is no option"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

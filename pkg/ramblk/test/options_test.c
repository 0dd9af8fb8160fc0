// SPDX-License-Identifier: MIT
// The command line: what is understood, and a line for everything else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../src/options.h"
#include <stdio.h>
#include <string.h>

static char error[256];
static struct options o;

static bool parse(const char *line)
{
    static char copy[1024];
    static char *argv[128];
    int argc = 0;

    (void)snprintf(copy, sizeof(copy), "ramblk %s", line);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
        argv[argc++] = p;
    }
    argv[argc] = NULL;
    error[0] = 0;
    return options_parse(&o, argc, argv, error, sizeof(error));
}

static void test_good(void **state)
{
    (void)state;
    assert_true(parse("-v --client a --size 64M --client b --image rom/x --readonly --client c --size=1024"));
    assert_true(o.verbose);
    assert_int_equal(o.client_count, 3);
    assert_string_equal(o.client[0].cap, "a");
    assert_int_equal(o.client[0].size, 64 << 20);
    assert_false(o.client[0].readonly);
    assert_string_equal(o.client[1].image, "rom/x");
    assert_true(o.client[1].readonly);
    assert_int_equal(o.client[1].size, 0);
    assert_int_equal(o.client[2].size, 1024);
    assert_true(parse("--client a --size 64G"));
    assert_int_equal(o.client[0].size, 64ull << 30);
    assert_true(parse("--client a --size 3K"));
    assert_int_equal(o.client[0].size, 3072);
}

static void test_bad(void **state)
{
    static const struct {
        const char *line, *says;
    } bad[] = {
        {"", "no disk"},
        {"--client a", "how large"},
        {"--size 1M", "put --client"},
        {"--readonly", "put --client"},
        {"--client a --size 0", "--size 0"},
        {"--client a --size 511", "multiple of 512"},
        {"--client a --size 1T", "--size 1T"},
        {"--client a --size 1MB", "--size 1MB"},
        {"--client a --size -1M", "--size -1M"},
        {"--client a --size M", "--size M"},
        {"--client a --size 65G", "up to 64G"},
        {"--client a --size 99999999999999999999G", "up to 64G"},
        {"--client a --size 1M --client a --size 1M", "given twice"},
        {"--client", "needs a value"},
        {"--nosuch", "--nosuch is unknown"},
        {"-x", "is unknown"},
        {"--client a --size 1M more", "unexpected argument more"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(parse(bad[i].line));
        if (!strstr(error, bad[i].says) || strchr(error, '\n')) {
            fail_msg("'%s' says '%s'", bad[i].line, error);
        }
    }
}

static void test_many(void **state)
{
    char line[1024] = "";

    (void)state;
    for (unsigned i = 0; i < OPTIONS_CLIENTS_MAX; i++) {
        (void)snprintf(line + strlen(line), sizeof(line) - strlen(line), " --client c%u --size 1M", i);
    }
    assert_true(parse(line));
    strcat(line, " --client more --size 1M");
    assert_false(parse(line));
    assert_non_null(strstr(error, "no more than 16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

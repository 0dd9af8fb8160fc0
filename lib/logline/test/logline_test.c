// SPDX-License-Identifier: MIT
// Host tests of the lines of tagged logs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <logline/logline.h>

static char out[8192];
static size_t out_len, writes;

static void collect(const char *data, size_t len)
{
    memcpy(out + out_len, data, len);
    out_len += len;
    out[out_len] = '\0';
    writes++;
}

static struct logline_console console;

static int reset(void **state)
{
    (void)state;
    console = (struct logline_console){ .write = collect };
    out_len = writes = 0;
    out[0] = '\0';
    return 0;
}

static void say(struct logline *l, const char *s)
{
    logline_write(&console, l, s, strlen(s));
}

static void raw(const char *s)
{
    logline_raw(&console, s, strlen(s));
}

static void tag_and_colour(void **state)
{
    struct logline l;

    (void)state;
    assert_true(logline_init(&l, "nvme", "g"));
    say(&l, "NVMe[]: hello\n");
    assert_string_equal(out, "\033[32mnvme    | NVMe[]: hello\033[0m\n");
    assert_int_equal(writes, 1);
}

static void colour_names(void **state)
{
    struct logline l;

    (void)state;
    assert_true(logline_init(&l, "io", "red"));
    assert_string_equal(l.colour, "\033[31m");
    assert_true(logline_init(&l, "io", "M"));
    assert_string_equal(l.colour, "\033[35;1m");
    assert_true(logline_init(&l, "io", "Magenta"));
    assert_string_equal(l.colour, "\033[35;1m");
    assert_true(logline_init(&l, "io", ""));
    assert_string_equal(l.colour, "");
    assert_false(logline_init(&l, "io", "pink"));
    assert_false(logline_init(&l, "io", "greenish"));
    assert_string_equal(l.colour, "");
}

static void pieces_make_one_line(void **state)
{
    struct logline a, b;

    (void)state;
    logline_init(&a, "a", "");
    logline_init(&b, "b", "");
    say(&a, "one ");
    say(&b, "other\n");
    say(&a, "two\r\nthree");
    assert_string_equal(out, "b       | other\na       | one two\n");
    logline_flush(&console, &a);
    say(&a, " more\n");
    assert_string_equal(out, "b       | other\na       | one two\na       | three\na       :  more\n");
}

static void raw_line_is_ended_first(void **state)
{
    struct logline l;

    (void)state;
    logline_init(&l, "nvme", "");
    raw("~ # ");
    say(&l, "text\n");
    raw("done\n");
    say(&l, "next\n");
    assert_string_equal(out, "~ # \nnvme    | text\ndone\nnvme    | next\n");
}

static void long_tag_is_cut(void **state)
{
    struct logline l;

    (void)state;
    logline_init(&l, "storage-driver", "");
    say(&l, "x\n");
    assert_string_equal(out, "storage-| x\n");
}

static void controls_are_not_passed_on(void **state)
{
    struct logline l;

    (void)state;
    logline_init(&l, "a\nb", "");
    say(&l, "x\ry\b\tt\033[1m\x7f\n");
    logline_write(&console, &l, "p\0q\n", 4);
    assert_string_equal(out, "a?b     | xy\tt\033[1m\na?b     | pq\n");
}

static void long_lines_continue(void **state)
{
    struct logline l;
    char text[2 * LOGLINE_TEXT + 2];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\n';
    logline_init(&l, "t", "w");
    logline_write(&console, &l, text, sizeof(text));
    assert_int_equal(writes, 3);
    assert_non_null(strstr(out, "t       | xxx"));
    assert_non_null(strstr(out, "t       : xxx"));
    assert_non_null(strstr(out, "t       : x\033[0m\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tag_and_colour, reset),
        cmocka_unit_test_setup(colour_names, reset),
        cmocka_unit_test_setup(pieces_make_one_line, reset),
        cmocka_unit_test_setup(raw_line_is_ended_first, reset),
        cmocka_unit_test_setup(long_tag_is_cut, reset),
        cmocka_unit_test_setup(controls_are_not_passed_on, reset),
        cmocka_unit_test_setup(long_lines_continue, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

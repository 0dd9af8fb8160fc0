// SPDX-License-Identifier: MIT
// Host tests of the multiplexer and its menu.
#include "../src/mux.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY "\x05"
#define WIPE "\r\033[K"

static char out[65536];
static size_t out_len;
static struct mux_console *notified;

static void write_out(const char *data, size_t len)
{
    assert_true(out_len + len < sizeof(out));
    memcpy(out + out_len, data, len);
    out_len += len;
    out[out_len] = '\0';
}

static void input_ready(struct mux_console *c)
{
    notified = c;
}

static const struct mux_ops ops = {write_out, input_ready};
static struct mux_console *a, *b;

static void clear(void)
{
    out_len = 0;
    out[0] = '\0';
}

static int setup(void **state)
{
    (void)state;
    mux_init(&ops, 5, NULL);
    a = mux_add("a", "");
    b = mux_add("b", "g");
    notified = NULL;
    clear();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mux_init(&ops, 5, NULL); /* frees the consoles */
    return 0;
}

static void say(struct mux_console *c, const char *text)
{
    mux_output(c, text, strlen(text));
}

static void type(const char *text)
{
    mux_input(text, strlen(text));
}

/* Types a command in the menu; what came behind its echo, up to the next prompt. */
static const char *command(const char *text)
{
    static char answer[65536];

    type(KEY);
    clear();
    type(text);
    clear();
    type("\r");
    snprintf(answer, sizeof(answer), "%s", out);
    char *end = strstr(answer, "cons> ");
    if (end) {
        *end = '\0';
        type("\r");
    }
    clear();
    return answer;
}

static void lines_of_others_are_tagged(void **state)
{
    (void)state;
    say(a, "one ");
    say(b, "two\r\n");
    say(a, "more\n");
    assert_string_equal(out, "\033[32mb       | two\033[0m\na       | one more\n");
}

static void connected_is_raw(void **state)
{
    (void)state;
    say(a, "boot\n~ # ");
    assert_string_equal(command("connect a"), "\ncons    | connected to a (Ctrl-E: menu)\n~ # ");
    say(a, "ls\r\n\033[Hx");
    assert_string_equal(out, "ls\r\n\033[Hx");
    say(b, "text\n");
    assert_string_equal(out, "ls\r\n\033[Hx\n\033[32mb       | text\033[0m\n");
}

static void input_goes_to_the_connected(void **state)
{
    char buf[8];

    (void)state;
    type("x");
    assert_string_equal(out, "cons    | no console is connected (Ctrl-E: menu)\n");
    type("y");
    assert_string_equal(out, "cons    | no console is connected (Ctrl-E: menu)\n");
    command("connect b");
    type("hello");
    assert_ptr_equal(notified, b);
    assert_int_equal(mux_read(a, buf, sizeof(buf)), 0);
    assert_int_equal(mux_read(b, buf, 3), 3);
    assert_memory_equal(buf, "hel", 3);
    assert_int_equal(mux_read(b, buf, sizeof(buf)), 2);
    for (unsigned i = 0; i < MUX_INPUT + 5; i++) {
        type("z");
    }
    for (unsigned i = 0; i < MUX_INPUT; i++) {
        assert_int_equal(mux_read(b, buf, 1), 1);
    }
    assert_int_equal(mux_read(b, buf, 1), 0);
}

static void menu_keeps_its_line(void **state)
{
    (void)state;
    command("connect a");
    say(a, "$ ");
    clear();
    type(KEY "li");
    assert_string_equal(out, "\ncons> li");
    clear();
    say(b, "x\n");
    say(a, "y");
    assert_string_equal(out, WIPE "\033[32mb       | x\033[0m\ncons> li");
    clear();
    say(a, "z\n");
    assert_string_equal(out, WIPE "a       | yz\ncons> li");
}

static void menu_returns(void **state)
{
    char buf[4];

    (void)state;
    command("connect a");
    say(a, "$ ");
    type(KEY);
    clear();
    type("\r\n");
    assert_string_equal(out, "\n$ ");
    assert_int_equal(mux_read(a, buf, sizeof(buf)), 0); /* not the line feed */
    type("\n");
    assert_int_equal(mux_read(a, buf, sizeof(buf)), 1);
    type(KEY KEY);
    assert_int_equal(mux_read(a, buf, sizeof(buf)), 1);
    assert_int_equal(buf[0], 5);
    type(KEY "\x03q");
    assert_int_equal(mux_read(a, buf, sizeof(buf)), 1);
    assert_int_equal(buf[0], 'q');
}

static void line_editing(void **state)
{
    (void)state;
    say(a, "text\n");
    assert_string_equal(command("nonsense\x15tall\x7f\b\033[A\033OPil b\x08 a"), "\ntext\n");
    char lng[200];
    memset(lng, 'x', sizeof(lng) - 1);
    lng[sizeof(lng) - 1] = '\0';
    assert_non_null(strstr(command(lng), "there is no command 'xxx"));
}

static void hide_and_show(void **state)
{
    (void)state;
    assert_string_equal(command("hide b"), "\n");
    say(b, "secret\npart");
    mux_flush(b);
    assert_string_equal(out, "");
    assert_string_equal(command("tail b"), "\nsecret\npart\033[0m\n");
    command("show b");
    say(b, "ial\n");
    assert_string_equal(out, "\033[32mb       | ial\033[0m\n");
}

static void tail_lines(void **state)
{
    char line[32];

    (void)state;
    command("hide a");
    for (int i = 0; i < 5000; i++) {
        snprintf(line, sizeof(line), "line %d\r\n", i);
        say(a, line);
    }
    assert_string_equal(command("tail a 2"), "\nline 4998\nline 4999\n");
    assert_non_null(strstr(command("tail a"), "\nline 4980\n"));
    const char *all = command("t a 99999999999999999999");
    assert_true(strlen(all) <= MUX_SCROLLBACK);
    assert_non_null(strstr(all, "line 4000\n"));
    assert_null(strstr(all, "line 1000\n"));
    assert_string_equal(command("tail a 0"), "\n'0' is no number of lines\n");
    assert_string_equal(command("tail a -3"), "\n'-3' is no number of lines\n");
}

static void list_and_help(void **state)
{
    (void)state;
    command("connect b");
    const char *list = command("list");
    assert_non_null(strstr(list, "  a                               shown "));
    assert_non_null(strstr(list, "* \033[32mb"));
    assert_non_null(strstr(list, "connected"));
    assert_non_null(strstr(command("help"), "connect NAME"));
}

static void wrong_commands(void **state)
{
    (void)state;
    mux_add("bc", "");
    mux_add("bd", "");
    assert_string_equal(command("h"), "\nmore than one command begins with 'h'; type more of it\n");
    assert_string_equal(command("x"), "\nthere is no command 'x'; help lists them\n");
    assert_string_equal(command("connect"), "\nconnect needs a console's name\n");
    assert_string_equal(command("connect nope"), "\nno console, or more than one, is called 'nope'; list shows them\n");
    assert_string_equal(command("show b"), "\n"); /* exact, though others begin so */
    assert_string_equal(command("list all"), "\ntoo many words for list; help shows what it takes\n");
    assert_string_equal(command("show a b"), "\ntoo many words for show; help shows what it takes\n");
    assert_string_equal(command("tail a 1 2"), "\ntoo many words for tail; help shows what it takes\n");
}

static void ended_consoles(void **state)
{
    (void)state;
    command("connect a");
    say(a, "last words");
    mux_end(a);
    assert_string_equal(out, "last words\ncons    | a has ended\n");
    assert_string_equal(command("connect a"), "\nit has ended; tail shows its last lines\n");
    assert_string_equal(command("tail a"), "\nlast words\n");
    struct mux_console *again = mux_add("a", "");
    assert_string_equal(again->name, "a");
    assert_string_equal(command("tail a"), "\n");
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(mux_add("a", "")->name, "a-2");
    assert_string_equal(mux_add("a", "")->name, "a-3");
    assert_string_equal(mux_add("two words\n", "")->name, "two-words-");
    assert_string_equal(mux_add("", "")->name, "console");
    assert_int_equal(strlen(mux_add("a name that is much too long for anybody to type", "")->name), MUX_NAME - 5);
    assert_string_equal(out, "");
    mux_add("p", "pink");
    assert_non_null(strstr(out, "console \"p\": there is no such colour"));
}

static void too_many(void **state)
{
    struct mux_console *c, *last = NULL;

    (void)state;
    for (unsigned i = 2; i < MUX_CONSOLES; i++) {
        last = mux_add("c", "");
        assert_non_null(last);
    }
    assert_null(mux_add("one more", ""));
    mux_end(last);
    mux_end(b);
    c = mux_add("one-more", "");
    assert_non_null(c);
    assert_null(strstr(command("list"), "mb ")); /* b, the oldest that has ended, made room */
}

static void auto_connect(void **state)
{
    (void)state;
    mux_init(&ops, 24, "vm1");
    clear();
    mux_add("vm0", "");
    assert_string_equal(out, "");
    struct mux_console *c = mux_add("vm1", "");
    assert_string_equal(out, "cons    | connected to vm1 (Ctrl-X: menu)\n");
    mux_end(c);
    clear();
    mux_add("vm1", "");
    assert_string_equal(out, "cons    | connected to vm1 (Ctrl-X: menu)\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lines_of_others_are_tagged),
        TEST(connected_is_raw),
        TEST(input_goes_to_the_connected),
        TEST(menu_keeps_its_line),
        TEST(menu_returns),
        TEST(line_editing),
        TEST(hide_and_show),
        TEST(tail_lines),
        TEST(list_and_help),
        TEST(wrong_commands),
        TEST(ended_consoles),
        TEST(names),
        TEST(too_many),
        TEST(auto_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

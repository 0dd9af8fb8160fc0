// SPDX-License-Identifier: MIT
// Host tests of the commands of consoles.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <shell/shell.h>
#include <stdio.h>
#include <string.h>

static char out[8192], ran[256];
static size_t out_len;

static void collect(void *ctx, const char *text, size_t len)
{
    assert_ptr_equal(ctx, out);
    assert_true(out_len + len < sizeof(out));
    memcpy(out + out_len, text, len);
    out_len += len;
    out[out_len] = '\0';
}

static void cmd_note(struct shell *sh, unsigned argc, char *const *argv)
{
    (void)sh;
    ran[0] = '\0';
    for (unsigned i = 0; i < argc; i++) {
        strcat(ran, argv[i]);
        strcat(ran, "|");
    }
}

static void cmd_say(struct shell *sh, unsigned argc, char *const *argv)
{
    cmd_note(sh, argc, argv);
    shell_printf(sh, "said %s\n", argv[1]);
}

static const struct shell_command commands[] = {
    {"stat", "[CLIENT [reset]]", "counters", 0, 2, cmd_note},
    {"start", "", "begins", 0, 0, cmd_note},
    {"say", "TEXT", "says it", 1, 1, cmd_say},
    {"sta", "", "is a beginning of others", 0, 0, cmd_note},
    {"many", "", "takes many words", 0, SHELL_ARGS - 1, cmd_note},
};
#define COUNT (sizeof(commands) / sizeof(commands[0]))

static struct shell sh;

static void begin(const char *prompt)
{
    shell_init(&sh, commands, COUNT, prompt, collect, out);
    out_len = 0;
    out[0] = ran[0] = '\0';
}

static void type(const char *text)
{
    out_len = 0;
    out[0] = ran[0] = '\0';
    shell_input(&sh, text, strlen(text));
}

static void test_lines_run(void **state)
{
    (void)state;
    begin("");
    assert_true(shell_run(&sh, "stat cl1"));
    assert_string_equal(ran, "stat|cl1|");
    assert_true(shell_run(&sh, " \tstat  cl1\treset "));
    assert_string_equal(ran, "stat|cl1|reset|");
    assert_true(shell_run(&sh, "stat"));
    assert_true(shell_run(&sh, ""));
    assert_true(shell_run(&sh, "  "));
    assert_string_equal(out, "");
    assert_true(shell_run(&sh, "say x"));
    assert_string_equal(out, "said x\n"); /* no carriage return without a prompt */
}

static void test_abbreviations(void **state)
{
    (void)state;
    begin("");
    assert_true(shell_run(&sh, "star"));
    assert_string_equal(ran, "start|");
    assert_true(shell_run(&sh, "sta")); /* wholly, although it begins others */
    assert_string_equal(ran, "sta|");
    assert_true(shell_run(&sh, "m"));
    assert_string_equal(ran, "many|");
    assert_string_equal(out, "");
}

static void expect_refusal(const char *line, const char *why)
{
    begin("");
    assert_false(shell_run(&sh, line));
    assert_string_equal(out, why);
    assert_string_equal(ran, "");
}

static void test_refusals(void **state)
{
    char line[SHELL_LINE + 1];

    (void)state;
    expect_refusal("reboot", "there is no command 'reboot'; help lists them\n");
    expect_refusal("statt", "there is no command 'statt'; help lists them\n");
    expect_refusal("s", "'s' may be say or sta; type more of it\n");
    expect_refusal("say", "usage: say TEXT\n");
    expect_refusal("say a b", "usage: say TEXT\n");
    expect_refusal("start now", "usage: start\n");
    expect_refusal("many 1 2 3 4 5 6 7 8", "a line has no more than 8 words\n");
    memset(line, 'x', sizeof(line));
    line[SHELL_LINE] = '\0';
    expect_refusal(line, "a line has no more than 127 characters\n");
    assert_true(shell_run(&sh, "many 1 2 3 4 5 6 7"));
}

static void test_help(void **state)
{
    static const struct shell_command own[] = {{"help", "", "another", 0, 0, cmd_note}};

    (void)state;
    begin("");
    assert_true(shell_run(&sh, "help"));
    assert_non_null(strstr(out, "stat [CLIENT [reset]]  counters\n"));
    assert_non_null(strstr(out, "say TEXT               says it\n"));
    assert_non_null(strstr(out, "help                   this list\n"));
    shell_init(&sh, own, 1, "", collect, out);
    assert_true(shell_run(&sh, "help"));
    assert_string_equal(ran, "help|");
}

static void test_typing(void **state)
{
    (void)state;
    begin("> ");
    shell_prompt(&sh);
    assert_string_equal(out, "> ");
    type("say x\r");
    assert_string_equal(out, "say x\r\nsaid x\r\n> ");
    type("\n"); /* belongs to the carriage return */
    assert_string_equal(out, "");
    type("\n");
    assert_string_equal(out, "\r\n> ");
    type("st");
    shell_prompt(&sh); /* another line came between */
    assert_string_equal(out, "st> st");
    type("at\n");
    assert_string_equal(ran, "stat|");
}

static void test_editing(void **state)
{
    (void)state;
    begin("> ");
    type("\b\x7fsat\bx\b\b");
    assert_string_equal(out, "sat\b \bx\b \b\b \b");
    type("tat a\x15say 1\n");
    assert_string_equal(ran, "say|1|");
    type("start\x03");
    assert_string_equal(out, "start\r\n> ");
    assert_string_equal(ran, "");
    type("\033[A\033OP\033x\033[1;5Dmany\033[3~\n"); /* cursor and function keys are left out */
    assert_string_equal(ran, "many|");
    type("ma\033\rmany\n"); /* Enter within a sequence is Enter */
    assert_string_equal(ran, "many|");
    type("m\xc3\xa4\x01many\x15\n");
    assert_string_equal(ran, "");
}

static void test_long_input(void **state)
{
    (void)state;
    begin("> ");
    for (unsigned i = 0; i < SHELL_LINE - 1; i++) {
        type("x");
        assert_string_equal(out, "x");
    }
    type("x");
    assert_string_equal(out, "\a");
    type("\b");
    assert_string_equal(out, "\b \b");
    type("\n");
    assert_non_null(strstr(out, "there is no command 'xxx"));
    assert_string_equal(out + out_len - 2, "> ");
}

static void test_no_echo(void **state)
{
    (void)state;
    begin("");
    shell_prompt(&sh);
    type("say\b\bay x\r\n");
    assert_string_equal(out, "said x\n");
}

static void test_long_output(void **state)
{
    char text[2048];

    (void)state;
    begin("> ");
    memset(text, '\n', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    shell_printf(&sh, "%s", text);
    assert_int_equal(out_len, 1024); /* 512 line feeds, each with its carriage return */
    out_len = 0;
    shell_printf(&sh, "%s", "");
    assert_int_equal(out_len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_run),  cmocka_unit_test(test_abbreviations), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_help),       cmocka_unit_test(test_typing),        cmocka_unit_test(test_editing),
        cmocka_unit_test(test_long_input), cmocka_unit_test(test_no_echo),       cmocka_unit_test(test_long_output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

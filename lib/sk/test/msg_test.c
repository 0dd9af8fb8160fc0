// SPDX-License-Identifier: MIT
// Host tests of messages: what is written is what is read, and a hostile partner breaks nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sk/env.h>
#include <sk/msg.h>
#include "fake.h"

static int reset(void **state)
{
    (void)state;
    fake_reset();
    return 0;
}

/* Turns what m has written into a message to read. */
static void receive(struct msg *m, uint32_t words)
{
    uint32_t op = m->op;

    msg_begin(m, op);
    m->words = words;
}

static void round_trip(void **state)
{
    struct msg m;
    char text[16], data[3];

    (void)state;
    msg_begin(&m, 7);
    msg_put(&m, 0x1234);
    msg_put_str(&m, "eightbyt");
    msg_put_str(&m, "");
    msg_put_bytes(&m, "abc", 3);
    assert_int_equal(m.words, 1 + 2 + 1 + 2);
    assert_false(m.bad);
    assert_int_equal(fake.utcb.mr[5] >> 24, 0);
    receive(&m, m.words);
    assert_int_equal(msg_get(&m), 0x1234);
    msg_get_str(&m, text, sizeof(text));
    assert_string_equal(text, "eightbyt");
    msg_get_str(&m, text, sizeof(text));
    assert_string_equal(text, "");
    assert_int_equal(msg_get_bytes(&m, data, sizeof(data)), 3);
    assert_memory_equal(data, "abc", 3);
    assert_int_equal(msg_end(&m), SK_OK);
}

static void too_much_to_send(void **state)
{
    static char big[UTCB_BYTES];
    struct msg m;

    (void)state;
    msg_begin(&m, 1);
    msg_put_bytes(&m, big, sizeof(big));
    assert_true(m.bad);
    assert_int_equal(msg_call(&m, 5, 0), SK_EMSG);
    msg_begin(&m, 1);
    msg_put_bytes(&m, big, sizeof(big) - 8);
    assert_false(m.bad);
    msg_put(&m, 1);
    assert_true(m.bad);
    msg_begin(&m, 1);
    for (unsigned i = 0; i <= UTCB_CAPS; i++) {
        msg_put_cap(&m, 5, RIGHT_ALL);
    }
    assert_true(m.bad);
    assert_int_equal(m.caps, UTCB_CAPS);
}

static void lengths_that_lie(void **state)
{
    const uint64_t lies[] = { 9, 17, UTCB_BYTES, UINT64_MAX, UINT64_MAX - 6, 1ull << 63 };
    char buf[64];
    struct msg m;

    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        fake.utcb.mr[0] = lies[i];
        msg_begin(&m, 1);
        receive(&m, 2);
        assert_int_equal(msg_get_bytes(&m, buf, sizeof(buf)), 0);
        assert_int_equal(msg_end(&m), SK_EMSG);
    }
}

static void strings_that_do_not_fit(void **state)
{
    char buf[4];
    struct msg m;

    (void)state;
    msg_begin(&m, 1);
    msg_put_str(&m, "four");
    receive(&m, m.words);
    msg_get_str(&m, buf, sizeof(buf));
    assert_string_equal(buf, "");
    assert_int_equal(msg_end(&m), SK_EMSG);
    msg_begin(&m, 1);
    msg_put_bytes(&m, "a\0b", 3);
    receive(&m, m.words);
    msg_get_str(&m, buf, sizeof(buf));
    assert_int_equal(msg_end(&m), SK_EMSG);
    msg_begin(&m, 1);
    msg_put_bytes(&m, "12345", 5);
    receive(&m, m.words);
    assert_int_equal(msg_get_bytes(&m, buf, sizeof(buf)), 4);
    assert_int_equal(msg_end(&m), SK_EMSG);
}

static void reading_past_the_end(void **state)
{
    struct msg m;

    (void)state;
    fake.utcb.mr[0] = 99;
    msg_begin(&m, 1);
    receive(&m, 0);
    assert_int_equal(msg_get(&m), 0);
    assert_int_equal(msg_get_cap(&m), CAP_NULL);
    assert_int_equal(msg_end(&m), SK_EMSG);
    msg_begin(&m, 1);
    receive(&m, 1);
    assert_int_equal(msg_end(&m), SK_EMSG); /* something is left */
}

static void reply_with_cap(uint64_t tag)
{
    (void)tag;
    fake.utcb.mr[0] = 42;
    fake.utcb.recv_cap[0] = 20;
    fake.utcb.recv_cap[1] = 21;
}

static void call_and_reply(void **state)
{
    struct msg m;

    (void)state;
    fake.on_call = reply_with_cap;
    fake.call_result = (int64_t)TAG(3, 1, 2);
    msg_begin(&m, 0x300);
    msg_put(&m, 1);
    msg_put_cap(&m, 9, RIGHT_R);
    msg_recv_caps(&m, 2);
    assert_int_equal(msg_call(&m, 5, DEADLINE_NEVER), 3);
    assert_int_equal(fake.call_tag, TAG(0x300, 1, 1));
    assert_int_equal(fake.recv_max, 2);
    assert_int_equal(msg_get(&m), 42);
    assert_int_equal(msg_get_cap(&m), 20);
    assert_int_equal(msg_end(&m), SK_EMSG); /* cap 21 was not expected */
    assert_false(fake_dropped(20));
    assert_true(fake_dropped(21));
}

static void error_replies_drop_their_caps(void **state)
{
    struct msg m;

    (void)state;
    fake.on_call = reply_with_cap;
    fake.call_result = (int64_t)TAG(SK_ENOENT, 0, 1);
    msg_begin(&m, 0x300);
    msg_recv_caps(&m, 1);
    assert_int_equal(msg_call(&m, 5, DEADLINE_NEVER), SK_ENOENT);
    assert_true(fake_dropped(20));
    fake.call_result = SK_EGONE;
    msg_begin(&m, 0x300);
    assert_int_equal(msg_call(&m, 5, DEADLINE_NEVER), SK_EGONE);
    assert_int_equal(msg_get(&m), 0);
}

static void calls_for_one_capability(void **state)
{
    struct msg m;

    (void)state;
    fake.on_call = reply_with_cap;
    fake.call_result = (int64_t)TAG(SK_OK, 1, 1);
    msg_begin(&m, 0x300);
    assert_int_equal(msg_call_cap(&m, 5, 1, DEADLINE_NEVER), 20);
    assert_int_equal(fake.recv_max, 1);
    assert_false(fake_dropped(20));
    msg_begin(&m, 0x300);
    assert_int_equal(msg_call_cap(&m, 5, 0, DEADLINE_NEVER), SK_EMSG); /* a word that nobody asked for */
    assert_true(fake_dropped(20));
    fake.call_result = (int64_t)TAG(SK_OK, 0, 0);
    msg_begin(&m, 0x300);
    assert_int_equal(msg_call_cap(&m, 5, 0, DEADLINE_NEVER), SK_EMSG);
    fake.call_result = (int64_t)TAG(SK_ENOMEM, 0, 0);
    msg_begin(&m, 0x300);
    assert_int_equal(msg_call_cap(&m, 5, 0, DEADLINE_NEVER), SK_ENOMEM);
}

static void calls_for_a_status(void **state)
{
    struct msg m;

    (void)state;
    msg_begin(&m, 0x300);
    assert_int_equal(msg_call_status(&m, 5, DEADLINE_NEVER), SK_OK);
    fake.call_result = (int64_t)TAG(SK_OK, 1, 0);
    msg_begin(&m, 0x300);
    assert_int_equal(msg_call_status(&m, 5, DEADLINE_NEVER), SK_EMSG);
    fake.call_result = SK_EGONE;
    msg_begin(&m, 0x300);
    assert_int_equal(msg_call_status(&m, 5, DEADLINE_NEVER), SK_EGONE);
}

static void names_of_errors(void **state)
{
    (void)state;
    assert_string_equal(sk_errname(SK_ENOMEM), "SK_ENOMEM");
    assert_string_equal(sk_errname(SK_EPERM), "SK_EPERM");
    for (int64_t e = -25; e < 3; e++) {
        assert_non_null(sk_strerror(e));
        assert_non_null(sk_errname(e));
    }
    assert_non_null(sk_strerror(INT64_MIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(round_trip, reset),
        cmocka_unit_test_setup(too_much_to_send, reset),
        cmocka_unit_test_setup(lengths_that_lie, reset),
        cmocka_unit_test_setup(strings_that_do_not_fit, reset),
        cmocka_unit_test_setup(reading_past_the_end, reset),
        cmocka_unit_test_setup(call_and_reply, reset),
        cmocka_unit_test_setup(error_replies_drop_their_caps, reset),
        cmocka_unit_test_setup(calls_for_one_capability, reset),
        cmocka_unit_test_setup(calls_for_a_status, reset),
        cmocka_unit_test_setup(names_of_errors, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Host tests of the server loop: labels, replies, capabilities that nobody took, removal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sk/server.h>
#include "fake.h"

static struct server_source source, other;
static unsigned calls, events;
static int64_t status;
static bool remove_self, take_cap, big_reply;

static int64_t on_call(void *ctx, struct msg *request, struct msg *reply)
{
    calls++;
    assert_ptr_equal(ctx, &source);
    assert_int_equal(request->op, 0x123);
    if (take_cap) {
        (void)msg_get_cap(request);
    }
    if (remove_self) {
        server_remove(&source);
    }
    msg_begin(reply, SK_OK);
    msg_put(reply, 1);
    for (unsigned i = 0; big_reply && i < UTCB_WORDS; i++) {
        msg_put(reply, i);
    }
    return status;
}

static void on_event(void *ctx)
{
    events++;
    if (ctx == &other) {
        server_remove(&other);
    }
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    calls = events = 0;
    status = SK_OK;
    remove_self = take_cap = big_reply = false;
    assert_int_equal(server_gate(&source, CAP_NULL, on_call, on_event, &source, 2), SK_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_remove(&source);
    return 0;
}

static void poll_one(uint64_t tag, uint64_t label)
{
    fake_event(tag, label);
    assert_true(server_poll(0));
}

static void a_call_is_answered(void **state)
{
    (void)state;
    assert_int_equal(fake.bound_flags, GATE_NOTIFY_UNUSED);
    poll_one(TAG(0x123, 0, 0), source.magic);
    assert_int_equal(calls, 1);
    assert_int_equal(fake.reply_tag, TAG(SK_OK, 1, 0));
    assert_int_equal(fake.recv_max, 2);
    assert_false(server_poll(0));
}

static void errors_carry_nothing(void **state)
{
    (void)state;
    status = SK_ENOENT;
    poll_one(TAG(0x123, 0, 0), source.magic);
    assert_int_equal(fake.reply_tag, TAG(SK_ENOENT, 0, 0));
    status = SK_OK;
    big_reply = true;
    poll_one(TAG(0x123, 0, 0), source.magic);
    assert_int_equal(fake.reply_tag, TAG(SK_EMSG, 0, 0));
}

static void a_reply_that_does_not_fit_ends_the_call(void **state)
{
    (void)state;
    fake.reply_result = SK_ESLOTS;
    poll_one(TAG(0x123, 0, 0), source.magic);
    assert_int_equal(fake.replies, 2);
    assert_int_equal(fake.reply_tag, TAG(SK_ESLOTS, 0, 0));
}

static void untaken_caps_are_dropped(void **state)
{
    (void)state;
    fake.utcb.recv_cap[0] = 30;
    fake.utcb.recv_cap[1] = 31;
    take_cap = true;
    poll_one(TAG(0x123, 0, 2), source.magic);
    assert_false(fake_dropped(30));
    assert_true(fake_dropped(31));
}

static void no_reply(void **state)
{
    (void)state;
    status = SERVER_NO_REPLY;
    poll_one(TAG(0x123, 0, 0), source.magic);
    assert_int_equal(fake.replies, 0);
}

static void stale_and_forged_labels(void **state)
{
    uint64_t old = source.magic;

    (void)state;
    server_remove(&source);
    assert_int_equal(fake.unbinds, 1);
    poll_one(TAG_SIGNAL | TAG_UNUSED, old);
    poll_one(TAG(0x123, 0, 0), old);
    assert_int_equal(fake.reply_tag, TAG(SK_EGONE, 0, 0));
    assert_int_equal(server_gate(&source, CAP_NULL, on_call, on_event, &source, 0), SK_OK);
    assert_int_not_equal(source.magic, old); /* same slot, next generation */
    poll_one(TAG(0x123, 0, 0), old);
    poll_one(TAG(0x123, 0, 0), 0);
    poll_one(TAG(0x123, 0, 0), UINT64_MAX);
    poll_one(TAG(0x123, 0, 0), 100000);
    assert_int_equal(calls + events, 0);
}

static void a_handler_may_remove_itself(void **state)
{
    (void)state;
    remove_self = true;
    poll_one(TAG(0x123, 0, 0), source.magic);
    assert_int_equal(calls, 1);
    assert_int_equal(source.magic, 0);
    assert_int_equal(server_signal(&other, CAP_NULL, on_event, &other), SK_OK);
    poll_one(TAG_SIGNAL, other.magic);
    assert_int_equal(events, 1);
    assert_int_equal(other.cap, CAP_NULL);
}

static void a_signal_is_no_gate(void **state)
{
    (void)state;
    assert_int_equal(server_signal(&other, 77, on_event, NULL), SK_OK);
    assert_int_equal(fake.last_bound_cap, 77);
    poll_one(TAG(0x123, 0, 0), other.magic); /* cannot happen; must not crash */
    assert_int_equal(fake.reply_tag, TAG(SK_EGONE, 0, 0));
    server_dispatch_signal(other.magic);
    assert_int_equal(events, 1);
    server_remove(&other);
}

static void handing_over_gives_up_the_right_to_call(void **state)
{
    cap_t full = source.cap;
    struct msg reply;

    (void)state;
    assert_int_equal(server_reply_handover(&source, &reply), SERVER_NO_REPLY);
    assert_int_equal(fake.reply_tag, TAG(SK_OK, 0, 1));
    assert_true(fake_dropped(full));
    assert_int_not_equal(source.cap, full);
}

static void failures_leave_nothing(void **state)
{
    struct server_source s;

    (void)state;
    fake.create_result = SK_ENOMEM;
    assert_int_equal(server_gate(&s, CAP_NULL, on_call, NULL, NULL, 0), SK_ENOMEM);
    assert_int_equal(server_signal(&s, CAP_NULL, on_event, NULL), SK_ENOMEM);
    assert_int_equal(server_release_calls(&source), SK_ENOMEM);
}

static void the_table_has_an_end(void **state)
{
    static struct server_source many[600];
    unsigned n = 0;

    (void)state;
    while (n < 600 && server_signal(&many[n], CAP_NULL, on_event, NULL) == SK_OK) {
        n++;
    }
    assert_int_equal(n, 511);
    for (unsigned i = 0; i < n; i++) {
        server_remove(&many[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_carry_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reply_that_does_not_fit_ends_the_call, setup, teardown),
        cmocka_unit_test_setup_teardown(untaken_caps_are_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(no_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(stale_and_forged_labels, setup, teardown),
        cmocka_unit_test_setup_teardown(a_handler_may_remove_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(a_signal_is_no_gate, setup, teardown),
        cmocka_unit_test_setup_teardown(handing_over_gives_up_the_right_to_call, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_leave_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_table_has_an_end, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

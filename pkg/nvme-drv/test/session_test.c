// SPDX-License-Identifier: MIT
// Sessions of clients, from their messages to the model controller: what the fuzz target found.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../src/client.h"
#include "world.h"
#include <proto/blk.h>
#include <sk/env.h>

struct env {
    struct model *m;
    struct nvme_ctrl *ctrl;
};

static int setup(void **state)
{
    static struct env e;
    int64_t err;

    e.m = model_new(2048);
    world_begin(e.m);
    e.ctrl = model_start(e.m, &err);
    nvme_ctrl_work(e.ctrl);
    clients_match(&e.ctrl, 1, true);
    *state = &e;
    return (int)err;
}

static int teardown(void **state)
{
    struct env *e = *state;

    clients_match(NULL, 0, true);
    model_stop(e->m);
    model_free(e->m);
    return 0;
}

static struct client *create(void)
{
    const struct client_options o = {.device = "MODEL1:n1", .ds_max = 2};
    struct client *c;

    assert_int_equal(client_create(&o, &c), SK_OK);
    return c;
}

static int64_t bind_ready(struct client *c)
{
    struct msg m, reply;

    msg_begin(&m, BLK_BIND_READY);
    sk_utcb()->recv_cap[m.caps++] = world_signal_cap();
    msg_begin(&reply, SK_OK);
    return session_call(c, &m, &reply);
}

static void deliver(struct env *e)
{
    while (model_interrupt(e->m) || model_check(e->m)) {
    }
    world_run();
}

/* A dynamic client whose disk has gone begins a new session, and then goes itself: nothing of it stays. */
static void test_dynamic_without_disk(void **state)
{
    struct env *e = *state;
    struct client *c = create();

    assert_int_equal(bind_ready(c), SK_OK);
    e->m->ns[0].detached = true;
    model_ns_notice(e->m, 1);
    deliver(e);
    assert_true(c->lost);
    assert_int_equal(bind_ready(c), SK_OK);
    assert_int_equal(c->state, CLIENT_MISSING);
    session_unused(c);
    assert_null(client_at(0));
    assert_int_equal(world_holds(), 0);
}

static void test_dynamic(void **state)
{
    (void)state;
    struct client *c = create();

    assert_int_equal(bind_ready(c), SK_OK);
    assert_int_equal(c->state, CLIENT_READY);
    session_unused(c);
    assert_null(client_at(0));
    assert_int_equal(world_holds(), 0);
}

/* A call of another server's session. */
static void test_not_begun(void **state)
{
    struct client *c = create();

    (void)state;
    for (uint32_t op = BLK_GET_STATUS; op <= BLK_SET_LIFELINE; op++) {
        struct msg m, reply;

        if (op != BLK_BIND_READY) {
            msg_begin(&m, op);
            msg_begin(&reply, SK_OK);
            assert_int_equal(session_call(c, &m, &reply), SK_EGONE);
        }
    }
    assert_int_equal(bind_ready(c), SK_OK);
    session_unused(c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_dynamic),
        T(test_dynamic_without_disk),
        T(test_not_begun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

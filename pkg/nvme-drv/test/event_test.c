// SPDX-License-Identifier: MIT
// Asynchronous events and namespaces that change.
#include "ctrl_fixture.h"

static void test_event_requests(void **state)
{
    struct model *m = *state;
    struct nvme_ctrl *c = start_with_events(m);

    assert_int_equal(m->aer_count, 4);
    assert_int_equal(m->event_config, 0x1ff);
    c->reset_wanted = true;
    nvme_ctrl_work(c);
    assert_int_equal(c->state, CTRL_READY);
    assert_int_equal(m->aer_count, 4);
    assert_int_equal(c->event.out, 4);
    assert_false(nvme_ctrl_has_work(c));
}

static void test_event_limits(void **state)
{
    struct model *m = *state;

    m->id.aerl = 0; /* one */
    m->id.oaes = 0;
    struct nvme_ctrl *c = start_with_events(m);

    assert_int_equal(m->aer_count, 1);
    assert_int_equal(m->event_config, 0xff);
    c->id.event_limit = 4; /* as if it had said so */
    c->reset_wanted = true;
    nvme_ctrl_work(c);
    deliver(m);
    assert_int_equal(m->aer_count, 1);
    assert_int_equal(c->event.wanted, 1);
}

static void test_events_refused(void **state)
{
    struct model *m = *state;

    m->id.oaes = 0xfffffeff;
    m->id.vwc = 0;
    struct nvme_ctrl *c = start_with_events(m);

    assert_int_equal(c->event.out, 4);
    m->event_config = 0;
    c->id.ns_events = true; /* is refused now */
    c->reset_wanted = true;
    nvme_ctrl_work(c);
    assert_int_equal(c->state, CTRL_READY);
    assert_int_equal(c->event.out, 0);
    assert_false(nvme_ctrl_has_work(c));
}

static void test_smart_event(void **state)
{
    struct model *m = *state;
    struct nvme_ctrl *c = start_with_events(m);

    m->smart.warning = 0x05;
    model_event(m, 0x020001);
    model_event(m, 0x020001); /* waits until the log was read */
    assert_int_equal(m->events, 1);
    deliver(m);
    assert_int_equal(m->events, 2);
    assert_int_equal(m->log_reads[2], 2);
    assert_int_equal(c->event.warning, 5);
    assert_int_equal(m->aer_count, 4);
    m->smart.warning = 0xff;
    model_event(m, 0x020001);
    deliver(m);
    m->smart.warning = 0;
    model_event(m, 0x020001);
    deliver(m);
    assert_int_equal(c->event.warning, 0);
}

static void test_other_events(void **state)
{
    struct model *m = *state;

    start_with_events(m);
    m->error = (struct nvme_error_entry){.count = 1, .status = 0x281 << 1};
    model_event(m, 0x010300); /* persistent internal error */
    deliver(m);
    m->error.count = 0;
    model_event(m, 0x01ff00);
    deliver(m);
    model_event(m, 0x990907); /* its log page does not exist */
    deliver(m);
    assert_int_equal(m->log_reads[1], 3); /* 99h, too, by its low bits */
    assert_int_equal(m->aer_count, 4);
}

static void test_event_flood(void **state)
{
    struct model *m = *state;
    uint64_t start = m->now;

    m->event_flood = true;
    struct nvme_ctrl *c = start_with_events(m);

    for (unsigned i = 0; i < 100; i++) {
        model_interrupt(m);
        while (nvme_ctrl_has_work(c)) {
            nvme_ctrl_work(c);
        }
        m->now = max(m->now, nvme_ctrl_work_at(c));
    }
    assert_true(m->events >= 50);
    assert_true(m->now - start > m->events / 20 * 1000000000ull - 2000000000ull);
}

/* Whenever the worker waits, all requests for events that are out end. */
static void events_burst(struct model *m)
{
    m->event_masked = 0;
    while (m->aer_count > 0) {
        model_event(m, 0x070707);
        m->event_masked = 0;
    }
}

static void test_events_while_waiting(void **state)
{
    struct model *m = *state;
    struct nvme_ctrl *c = start_with_events(m);

    m->slow_admin = true;
    m->meanwhile = events_burst;
    for (unsigned i = 0; i < 50; i++) {
        events_burst(m);
        c->rescan = true;
        model_interrupt(m);
        nvme_ctrl_work(c);
        assert_in_range(c->event.count + c->event.out, 0, IDENT_EVENTS_MAX);
        m->now += 1000000000;
    }
    assert_true(m->events > 100);
}

static void test_namespaces_come_and_go(void **state)
{
    struct model *m = *state;
    struct nvme_ctrl *c = start_with_events(m);
    struct nvme_ns *first = c->ns[0];

    model_add_ns(m, 3, 100, 4096);
    model_ns_notice(m, 3);
    deliver(m);
    assert_int_equal(c->ns_count, 2);
    assert_true(c->ns_changed);
    assert_int_equal(c->ns[1]->nsid, 3);
    m->ns[0].detached = true;
    model_ns_notice(m, 1);
    deliver(m);
    assert_int_equal(first->live, 0);
    assert_int_equal(c->ns[1]->live, 1);
    m->ns[0].detached = false; /* the same one is back */
    model_ns_notice(m, 1);
    deliver(m);
    assert_ptr_equal(c->ns[0], first);
    assert_int_equal(first->live, 1);
    m->ns[0].uuid = 7; /* another one in its place */
    model_ns_notice(m, 0xffffffff);
    deliver(m);
    assert_int_equal(first->live, 2);
    assert_int_equal(c->ns_count, 2);
    assert_int_equal(m->aer_count, 4);
    m->ns[2].csi = 2; /* formatted as a zoned one */
    model_ns_notice(m, 3);
    deliver(m);
    assert_int_equal(c->ns[1]->live, 0);
}

static void test_namespace_is_resized(void **state)
{
    struct model *m = *state;
    struct nvme_ctrl *c = start_with_events(m);

    m->ns[0].blocks = 1024;
    deliver(m);
    assert_int_equal(c->ns[0]->info.blocks, 2048);
    model_ns_notice(m, 1);
    deliver(m);
    assert_int_equal(c->ns[0]->info.blocks, 1024);
    assert_int_equal(c->ns[0]->live, 1);
    m->ns[0].blocks = 128;
    m->ns[0].block_size = 4096;
    model_ns_notice(m, 1);
    deliver(m);
    assert_int_equal(c->ns[0]->live, 2);
    assert_int_equal(c->ns[0]->info.block_size, 4096);
}

static void test_rescan_fails(void **state)
{
    struct model *m = *state;
    struct nvme_ctrl *c = start_with_events(m);

    m->ns[0].detached = true;
    m->fail_admin = true;
    m->fail_admin_opcode = NVME_ADMIN_IDENTIFY;
    model_ns_notice(m, 1);
    deliver(m);
    assert_int_equal(c->ns[0]->live, 1); /* not known */
    m->fail_admin_opcode = NVME_ADMIN_GET_LOG_PAGE;
    c->rescan = true;
    nvme_ctrl_work(c);
    assert_int_equal(c->ns[0]->live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_event_requests),       T(test_event_limits),           T(test_events_refused),
        T(test_smart_event),          T(test_other_events),           T(test_event_flood),
        T(test_events_while_waiting), T(test_namespaces_come_and_go), T(test_namespace_is_resized),
        T(test_rescan_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

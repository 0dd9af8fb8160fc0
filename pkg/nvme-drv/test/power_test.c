// SPDX-License-Identifier: MIT
// Shutdown and what the worker is asked for: a controller that is switched off, on, reset, or for good.
#include "ctrl_fixture.h"

static void test_shutdown(void **state)
{
    struct model *m = *state;
    int64_t err;
    struct nvme_ctrl *c = model_start(m, &err);

    work(m);
    assert_int_equal(c->state, CTRL_READY);
    for (unsigned i = 1; i <= 3; i++) {
        nvme_ctrl_unuse(c);
        work(m);
        assert_int_equal(c->state, CTRL_OFF);
        assert_int_equal(m->shutdowns, i);
        nvme_ctrl_use(c);
        work(m);
        assert_int_equal(c->state, CTRL_READY);
        assert_int_equal(m->sq[1].entries, c->io[0]->entries);
    }
    assert_int_equal(m->shut_queues, 0);
    nvme_ctrl_use(c); /* two users: the first that goes changes nothing */
    nvme_ctrl_unuse(c);
    work(m);
    assert_int_equal(c->state, CTRL_READY);
}

static void test_shutdown_unused(void **state)
{
    struct model *m = *state;

    m->ctrl = calloc(1, sizeof(*m->ctrl));
    m->ctrl->hw = &m->hw;
    assert_int_equal(nvme_ctrl_start(m->ctrl), SK_OK);
    nvme_ctrl_work(m->ctrl);
    assert_false(nvme_ctrl_has_work(m->ctrl));
    m->now = nvme_ctrl_work_at(m->ctrl);
    assert_true(nvme_ctrl_has_work(m->ctrl));
    nvme_ctrl_work(m->ctrl);
    assert_int_equal(m->ctrl->state, CTRL_OFF);
    assert_int_equal(nvme_ctrl_work_at(m->ctrl), UINT64_MAX);
}

static void test_stop(void **state)
{
    struct model *m = *state;
    int64_t err;
    struct nvme_ctrl *c = model_start(m, &err);

    nvme_ctrl_stop(c);
    work(m);
    assert_int_equal(c->state, CTRL_READY); /* a client has requests in flight */
    nvme_ctrl_unuse(c);
    work(m);
    assert_int_equal(c->state, CTRL_OFF);
    nvme_ctrl_use(c);
    work(m);
    assert_int_equal(c->state, CTRL_OFF);
}

static void test_shutdown_fails(void **state)
{
    struct model *m = *state;
    int64_t err;

    m->id.rtd3e = 7000000;
    struct nvme_ctrl *c = model_start(m, &err);
    uint64_t start = m->now;

    m->never_shut = true;
    m->fail_admin = true; /* nor can the queues be deleted */
    m->fail_admin_opcode = NVME_ADMIN_DELETE_SQ;
    nvme_ctrl_unuse(c);
    work(m);
    assert_int_equal(c->state, CTRL_OFF);
    assert_int_equal(m->shutdowns, 1);
    assert_true(m->now - start >= 7000000000ull && m->now - start < 8000000000ull);
    m->fail_admin = false;
    m->fail_resets = 1;
    nvme_ctrl_use(c);
    work(m);
    assert_int_equal(c->state, CTRL_READY);
    m->all_ones = true; /* pulled out */
    nvme_ctrl_unuse(c);
    work(m);
    assert_int_equal(c->state, CTRL_DEAD);
    assert_int_equal(m->isolated, 1);
}

static void test_changes_while_off(void **state)
{
    struct model *m = *state;
    struct nvme_ctrl *c = start_with_events(m);

    nvme_ctrl_unuse(c);
    work(m);
    assert_int_equal(c->state, CTRL_OFF);
    model_add_ns(m, 2, 100, 512);
    m->ns[0].detached = true;
    nvme_ctrl_use(c);
    work(m);
    assert_int_equal(c->ns_count, 2);
    assert_int_equal(c->ns[0]->live, 0);
    assert_int_equal(m->aer_count, 4);
}

struct asked {
    struct nvme_request base;
    unsigned runs, ends;
    enum ctrl_state state;
};

static void asked_run(struct nvme_ctrl *c, struct nvme_request *r)
{
    struct asked *a = container_of(r, struct asked, base);

    a->runs++;
    a->state = c->state;
}
static void asked_done(struct nvme_request *r)
{
    container_of(r, struct asked, base)->ends++;
}

/* What people ask of a controller runs in the worker: also when it is off, or dead. */
static void test_requests(void **state)
{
    struct model *m = *state;
    struct nvme_ctrl *c = start_with_events(m);
    struct asked a = {.base = {asked_run, asked_done}};

    nvme_ctrl_request(c, &a.base);
    assert_int_equal(a.runs, 0);
    work(m);
    assert_true(a.runs == 1 && a.ends == 1 && a.state == CTRL_READY);
    nvme_ctrl_unuse(c);
    work(m);
    assert_int_equal(c->state, CTRL_OFF);
    nvme_ctrl_use(c);
    nvme_ctrl_request(c, &a.base);
    work(m);
    assert_true(a.runs == 2 && a.ends == 2 && a.state == CTRL_READY);
    m->all_ones = true;
    c->reset_wanted = true;
    nvme_ctrl_request(c, &a.base);
    work(m);
    assert_true(a.runs == 3 && a.ends == 3 && a.state == CTRL_DEAD);
    assert_false(nvme_ctrl_has_work(c));
}

/* Somebody else has reset it: nothing would ever be completed. */
static void test_stopped_by_itself(void **state)
{
    struct model *m = *state;
    struct nvme_ctrl *c = start_with_events(m);
    struct nvme_sqe *sqe;

    m->hold = true;
    struct nvme_cmd *cmd = nvme_queue_get(c->io[0], &sqe);

    cmd->done = count_done;
    cmd->ctx = &(unsigned){0};
    nvme_queue_put(c->io[0], cmd, m->now);
    nvme_queue_ring(c->io[0]);
    nvme_ctrl_watch(c, m->now);
    m->csts = 0;
    m->hold = false;
    uint64_t start = m->now;

    work(m);
    assert_int_equal(c->state, CTRL_READY);
    assert_int_equal(c->resets, 1);
    assert_true(m->now - start < 5000000000ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_changes_while_off), T(test_requests), T(test_stopped_by_itself), T(test_shutdown),
        T(test_shutdown_unused),   T(test_stop),     T(test_shutdown_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Controller bring-up and recovery against the model, with a controller that misbehaves in each way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../src/log.h"
#include "model.h"
#include <abi/types.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
    *state = model_new(2048);
    return 0;
}

static int teardown(void **state)
{
    struct model *m = *state;

    if (m->ctrl) {
        model_stop(m);
    }
    assert_int_equal(m->dma_live, 0);
    model_free(m);
    return 0;
}

static void test_start(void **state)
{
    struct model *m = *state;
    int64_t err;

    model_add_ns(m, 3, 100, 4096);
    struct nvme_ctrl *c = model_start(m, &err);

    assert_int_equal(err, SK_OK);
    assert_int_equal(c->state, CTRL_READY);
    assert_string_equal(c->id.serial, "MODEL1");
    assert_int_equal(strlen(c->id.model), 40);
    assert_int_equal(c->ns_count, 2);
    assert_int_equal(c->ns[0]->nsid, 1);
    assert_int_equal(c->ns[0]->info.blocks, 2048);
    assert_int_equal(c->ns[0]->max_transfer, 512 * 1024);
    assert_int_equal(c->ns[1]->nsid, 3);
    assert_int_equal(c->ns[1]->info.block_size, 4096);
    assert_int_equal(c->io_count, 1); /* further ones as clients want them */
    assert_int_equal(c->io[0]->vector, 1);
    assert_int_equal(c->io[0]->entries, 257);
    assert_int_equal(c->id.dptr, DPTR_SGL);
}

static void test_options(void **state)
{
    struct model *m = *state;

    m->ctrl = calloc(1, sizeof(*m->ctrl));
    m->ctrl->hw = &m->hw;
    m->ctrl->no_sgl = true;
    assert_int_equal(nvme_ctrl_start(m->ctrl), SK_OK);
    assert_int_equal(m->ctrl->id.dptr, DPTR_PRP);
}

static void test_shared_queues(void **state)
{
    struct model *m = *state;
    int64_t err;

    model_add_ns(m, 2, 100, 512);
    model_add_ns(m, 3, 100, 512);
    m->queues_granted = 2;
    m->cap |= 0xffff;
    struct nvme_ctrl *c = model_start(m, &err);

    assert_int_equal(err, SK_OK);
    assert_int_equal(c->ns_count, 3);
    assert_int_equal(c->io_count, 1);
    assert_ptr_equal(c->ns[2]->queue, c->io[0]);
    assert_int_equal(c->io[0]->entries, 1024); /* four queues of a client on two pairs */
}

static void test_small_queues(void **state)
{
    struct model *m = *state;
    int64_t err;

    m->cap = (m->cap & ~0xffffull) | 1;
    assert_int_equal(model_start(m, &err)->io[0]->entries, 2);
    assert_int_equal(err, SK_OK);
}

static void expect_dead(struct model *m, int64_t want)
{
    int64_t err;
    struct nvme_ctrl *c = model_start(m, &err);

    assert_int_equal(err, want);
    assert_int_equal(c->state, CTRL_DEAD);
    assert_int_equal(m->isolated, 1);
}

static void test_never_ready(void **state)
{
    struct model *m = *state;
    uint64_t start = m->now;

    m->never_ready = true;
    expect_dead(m, SK_ETIMEDOUT);
    assert_true(m->now - start >= 7500ull * 1000000 && m->now - start < 7600ull * 1000000); /* CAP.TO = 15 */
}

static void test_never_stops(void **state)
{
    struct model *m = *state;

    m->cc = m->csts = 1;
    m->never_stops = true;
    expect_dead(m, SK_ETIMEDOUT);
}

static void test_fatal(void **state)
{
    ((struct model *)*state)->fatal = true;
    expect_dead(*state, SK_EIO);
}

static void test_all_ones(void **state)
{
    ((struct model *)*state)->all_ones = true;
    expect_dead(*state, SK_ENODEV);
}

static void test_admin_timeout(void **state)
{
    ((struct model *)*state)->drop_admin = true;
    expect_dead(*state, SK_ETIMEDOUT);
}

static void test_admin_errors(void **state)
{
    static const uint8_t opcode[] = {NVME_ADMIN_SET_FEATURES, NVME_ADMIN_CREATE_CQ, NVME_ADMIN_CREATE_SQ,
                                     NVME_ADMIN_IDENTIFY};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(opcode); i++) {
        struct model *m = model_new(64);

        m->fail_admin = true;
        m->fail_admin_opcode = opcode[i];
        expect_dead(m, SK_EIO);
        model_stop(m);
        model_free(m);
    }
}

static void test_bad_controllers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct model *m = model_new(64);

        switch (i) {
        case 0:
            m->cap |= 1ull << 48;
            break; /* MPSMIN 8 KiB */
        case 1:
            m->cap &= ~(0xffull << 37);
            break; /* no NVM command set */
        case 2:
            m->id.sqes = 0x77;
            break; /* 128-byte entries only */
        case 3:
            m->hw.bar_size = 0x1000;
            break; /* no doorbells */
        }
        expect_dead(m, SK_ENODEV);
        model_stop(m);
        model_free(m);
    }
}

static void test_no_irq(void **state)
{
    struct model *m = *state;
    int64_t err;

    m->no_irq = true; /* admin completions are found when the wait ends */
    model_start(m, &err);
    assert_int_equal(err, SK_OK);
}

static void test_bad_namespaces(void **state)
{
    struct model *m = *state;
    int64_t err;

    model_add_ns(m, 2, 100, 512);
    model_add_ns(m, 3, 100, 512);
    model_add_ns(m, 4, 100, 512);
    m->ns[1].metadata = 8; /* apart: can be used */
    m->ns[2].metadata = 8;
    m->ns[2].extended = true;
    m->ns[3].write_protected = true;
    struct nvme_ctrl *c = model_start(m, &err);

    assert_int_equal(err, SK_OK);
    assert_int_equal(c->ns_count, 3);
    assert_int_equal(c->ns[1]->nsid, 2);
    assert_int_equal(c->ns[1]->info.metadata, 8);
    assert_int_equal(c->ns[2]->nsid, 4);
    assert_true(c->ns[2]->info.readonly);
}

static void test_formats(void **state)
{
    static const struct {
        uint16_t bytes;
        uint8_t dps;
        bool extended, usable;
    } format[] = {
        {0, 1, false, false}, {8, 1, false, true},     {8, 1, true, true},   {8, 2, true, true},
        {8, 3, true, true},   {8, 5, true, false},     {64, 1, false, true}, {64, 0, false, true},
        {64, 0, true, false}, {65535, 0, false, true}, {64, 2, true, false}, {16, 2, false, true},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(format); i++) {
        struct model *m = model_new(2048);
        int64_t err;

        m->ns[0].metadata = format[i].bytes;
        m->ns[0].dps = format[i].dps;
        m->ns[0].extended = format[i].extended;
        struct nvme_ctrl *c = model_start(m, &err); /* reads the partition table, too */

        assert_int_equal(err, SK_OK);
        assert_int_equal(c->ns_count, format[i].usable);
        assert_int_equal(m->reads > 0, format[i].usable);
        model_stop(m);
        assert_int_equal(m->dma_live, 0);
        model_free(m);
    }
}

/* Blanks around it are padding, those inside are part of it. */
static void test_serials(void **state)
{
    static const char *const serial[][2] = {{"  A b:c            ", "A b:c"},
                                            {"ABCDEFGHIJKLMNOPQRST", "ABCDEFGHIJKLMNOPQRST"},
                                            {"\x01\xff", "??"},
                                            {"", ""},
                                            {" ", ""}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(serial); i++) {
        struct nvme_id_ctrl id = {.sqes = 0x66, .cqes = 0x44};
        struct ident_ctrl out;

        memcpy(id.sn, serial[i][0], strlen(serial[i][0]));
        assert_null(ident_ctrl_parse(&id, &out));
        assert_string_equal(out.serial, serial[i][1]);
    }
}

static void test_command_sets(void **state)
{
    struct model *m = *state;
    int64_t err;

    model_add_ns(m, 2, 100, 512);
    model_add_ns(m, 3, 100, 512);
    model_add_ns(m, 4, 100, 512);
    m->ns[1].csi = 1;
    m->ns[2].csi = 2;
    m->ns[3].csi = 0x77;
    assert_int_equal(model_start(m, &err)->ns_count, 1);
}

static void test_descs(void **state)
{
    uint8_t page[4096] = {0};
    struct ident_ns ns = {0};

    (void)state;
    assert_null(ident_descs_parse(page, &ns));
    for (unsigned i = 0; i < 4096; i += 4) { /* a list without an end */
        page[i] = 1, page[i + 1] = 0xff;
    }
    assert_null(ident_descs_parse(page, &ns));
    memset(page, 0, sizeof(page));
    for (unsigned i = 0; i + 12 <= 4084; i += 12) {
        page[i] = 1, page[i + 1] = 8;
    }
    page[4092] = 4, page[4093] = 1; /* its byte would lie behind the page */
    page[4080] = 1, page[4081] = 8;
    assert_null(ident_descs_parse(page, &ns));
    page[0] = 4, page[1] = 1, page[4] = 2;
    assert_non_null(ident_descs_parse(page, &ns));
}

static void test_write_cache(void **state)
{
    struct model *m = *state;
    int64_t err;

    m->cache_off = true;
    struct nvme_ctrl *c = model_start(m, &err);

    assert_false(c->id.vwc);
    m->cache_off = false; /* the reset has switched it on */
    c->reset_wanted = true;
    nvme_ctrl_recover(c);
    assert_true(m->cache_off);
    assert_int_equal(c->state, CTRL_READY);
}

/* --- shutdown --- */

static void work(struct model *m)
{
    while (model_check(m)) {
    }
}

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

/* --- events --- */

static void count_done(struct nvme_cmd *cmd, uint32_t status, uint32_t dw0)
{
    (void)status, (void)dw0;
    ++*(unsigned *)cmd->ctx;
}

static struct nvme_ctrl *start_with_events(struct model *m)
{
    int64_t err;
    struct nvme_ctrl *c = model_start(m, &err);

    assert_int_equal(err, SK_OK);
    nvme_ctrl_work(c);
    c->ns_changed = false;
    return c;
}

/* Delivers what has come and lets the worker run. */
static void deliver(struct model *m)
{
    while (model_interrupt(m) || model_check(m)) {
    }
}

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

/* The first block of the partition table is never read: the next one must not be waited for. */
static void test_dies_in_scan(void **state)
{
    struct model *m = *state;
    struct nvme_ctrl *c = start_with_events(m);

    m->ns[0].blocks -= 8;
    m->fatal_io = 1;
    m->fail_resets = 100;
    model_ns_notice(m, 1);
    deliver(m);
    assert_int_equal(c->state, CTRL_DEAD);
    assert_false(nvme_ctrl_has_work(c));
}

/* --- partition table read through the driver --- */

static void put(uint8_t *p, unsigned off, uint64_t v, unsigned bytes)
{
    memcpy(p + off, &v, bytes);
}

static void make_gpt(struct model *m)
{
    uint8_t *d = m->ns[0].data, *h = d + 512;

    memcpy(h, "EFI PART", 8);
    put(h, 8, 0x10000, 4), put(h, 12, 92, 4), put(h, 24, 1, 8), put(h, 32, 2047, 8), put(h, 40, 40, 8);
    put(h, 48, 2000, 8), put(h, 72, 2, 8), put(h, 80, 128, 4), put(h, 84, 128, 4);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *e = d + 1024 + 128 * i;

        put(e, 0, 0x1234, 8), put(e, 16, 0x100 + i, 8), put(e, 32, 100 * i + 100, 8), put(e, 40, 100 * i + 199, 8);
        put(e, 56, 'a' + i, 2);
    }
    put(d + 1024 + 2 * 128, 32, 250, 8); /* the third overlaps */
    put(h, 88, gpt_crc32(d + 1024, 128 * 128), 4);
    put(h, 16, gpt_crc32(h, 92), 4);
}

static void test_partitions(void **state)
{
    struct model *m = *state;
    int64_t err;

    make_gpt(m);
    struct nvme_ctrl *c = model_start(m, &err);
    struct nvme_part *p = c->ns[0]->parts;

    assert_int_equal(err, SK_OK);
    assert_non_null(p);
    assert_string_equal(p->gpt.label, "a");
    assert_int_equal(p->gpt.first, 100);
    assert_null(p->next); /* "b" and "c" overlap */
}

static void test_gpt_read_error(void **state)
{
    struct model *m = *state;
    int64_t err;

    m->fail_status = 0x281;
    m->fail_lba = 1;
    struct nvme_ctrl *c = model_start(m, &err);

    assert_int_equal(err, SK_OK);
    assert_null(c->ns[0]->parts);
    assert_int_equal(c->state, CTRL_READY);
}

static void test_gpt_read_timeout(void **state)
{
    struct model *m = *state;
    int64_t err;

    m->drop_io = 1;
    struct nvme_ctrl *c = model_start(m, &err);

    assert_int_equal(err, SK_OK);
    assert_int_equal(c->state, CTRL_READY);
    assert_int_equal(c->resets, 1);
    assert_int_equal(m->enables, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_start),
        T(test_options),
        T(test_shared_queues),
        T(test_small_queues),
        T(test_never_ready),
        T(test_never_stops),
        T(test_fatal),
        T(test_all_ones),
        T(test_admin_timeout),
        cmocka_unit_test(test_admin_errors),
        cmocka_unit_test(test_bad_controllers),
        T(test_no_irq),
        T(test_bad_namespaces),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_serials),
        T(test_command_sets),
        cmocka_unit_test(test_descs),
        T(test_write_cache),
        T(test_event_requests),
        T(test_event_limits),
        T(test_events_refused),
        T(test_smart_event),
        T(test_other_events),
        T(test_event_flood),
        T(test_events_while_waiting),
        T(test_dies_in_scan),
        T(test_namespaces_come_and_go),
        T(test_namespace_is_resized),
        T(test_changes_while_off),
        T(test_requests),
        T(test_stopped_by_itself),
        T(test_rescan_fails),
        T(test_shutdown),
        T(test_shutdown_unused),
        T(test_stop),
        T(test_shutdown_fails),
        T(test_partitions),
        T(test_gpt_read_error),
        T(test_gpt_read_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

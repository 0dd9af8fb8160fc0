// SPDX-License-Identifier: MIT
// Controller bring-up against the model, with a controller that misbehaves in each way, and partition tables.
#include "ctrl_fixture.h"

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
        T(test_dies_in_scan),
        T(test_partitions),
        T(test_gpt_read_error),
        T(test_gpt_read_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

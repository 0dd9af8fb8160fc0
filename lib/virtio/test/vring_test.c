// SPDX-License-Identifier: MIT
// Virtqueue code against a driver that keeps the rules, and against one that breaks each of them.
#include "ring_fixture.h"
#include <virtio/blk.h>

#define NUM 8u

static struct vring_config config(uint64_t features)
{
    return (struct vring_config){.num = NUM, .desc = RING, .avail = DRIVER, .used = DEVICE, .features = features};
}

static void post(struct env *e, uint16_t head)
{
    e->avail->ring[e->avail->idx % NUM] = head;
    e->avail->idx++;
}

static void test_chain(void **state)
{
    struct env *e = *state;

    e->desc[3] = (struct virtq_desc){.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_NEXT, .next = 1};
    e->desc[1] = (struct virtq_desc){.addr = DATA + 64, .len = 0, .flags = VIRTQ_DESC_F_NEXT, .next = 5};
    e->desc[5] = (struct virtq_desc){.addr = DATA + 4096, .len = 512, .flags = VIRTQ_DESC_F_WRITE};
    assert_int_equal(pop(e), 0);
    post(e, 3);
    assert_int_equal(pop(e), 2);
    assert_int_equal(e->chain.head, 3);
    assert_int_equal(e->chain.readable, 1);
    assert_int_equal(e->chain.writable, 1);
    assert_int_equal(e->seg[1].gpa, DATA + 4096);
    assert_int_equal(e->seg[1].len, 512);
    assert_int_equal(pop(e), 0);
    vring_push(&e->vq, e->chain.head, 512);
    assert_int_equal(e->used->idx, 0);
    assert_true(vring_publish(&e->vq));
    assert_int_equal(e->used->idx, 1);
    assert_int_equal(e->used->ring[0].id, 3);
    assert_int_equal(e->used->ring[0].len, 512);
    assert_false(vring_publish(&e->vq)); /* nothing new */
}

static void test_unpop(void **state)
{
    struct env *e = *state;

    e->desc[0] = (struct virtq_desc){.addr = DATA, .len = 16};
    post(e, 0);
    assert_int_equal(pop(e), 1);
    vring_unpop(&e->vq, &e->chain);
    assert_int_equal(pop(e), 1);
    assert_int_equal(pop(e), 0);
}

static void test_indirect(void **state)
{
    struct env *e = *state;
    struct virtq_desc t[3] = {
        {.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_NEXT, .next = 2},
        {.addr = DATA + 600, .len = 1, .flags = VIRTQ_DESC_F_WRITE},
        {.addr = DATA + 512, .len = 8, .flags = VIRTQ_DESC_F_NEXT, .next = 1},
    };

    memcpy(e->ram + 0x5001, t, sizeof(t)); /* not aligned */
    e->desc[0] = (struct virtq_desc){.addr = BASE + 0x5001, .len = sizeof(t), .flags = VIRTQ_DESC_F_INDIRECT};
    post(e, 0);
    assert_int_equal(pop(e), 3);
    assert_int_equal(e->chain.readable, 2);
    assert_int_equal(e->seg[1].gpa, DATA + 512);
    /* direct descriptors, then an indirect one */
    e->desc[4] = (struct virtq_desc){.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_NEXT, .next = 0};
    post(e, 4);
    assert_int_equal(pop(e), 4);
}

static void test_indirect_hostile(void **state)
{
    struct env *e = *state;
    static const struct virtq_desc bad[] = {
        {.addr = DATA, .len = 17, .flags = VIRTQ_DESC_F_INDIRECT},
        {.addr = DATA, .len = 0, .flags = VIRTQ_DESC_F_INDIRECT},
        {.addr = DATA, .len = 0xfffffff0, .flags = VIRTQ_DESC_F_INDIRECT},
        {.addr = BASE + BYTES - 16, .len = 32, .flags = VIRTQ_DESC_F_INDIRECT},
        {.addr = UINT64_MAX - 7, .len = 16, .flags = VIRTQ_DESC_F_INDIRECT},
        {.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_NEXT, .next = 1},
        {.addr = RING, .len = 16, .flags = VIRTQ_DESC_F_INDIRECT}, /* the table contains itself */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct vring_config cfg = config(VIRTIO_F_INDIRECT_DESC);

        e->avail->idx = 0;
        assert_int_equal(vring_init(&e->vq, &e->mem, &cfg), SK_OK);
        e->desc[0] = bad[i];
        post(e, 0);
        expect_broken(e);
    }
}

static void test_indirect_not_negotiated(void **state)
{
    struct env *e = env_new(0);

    (void)state;
    e->desc[0] = (struct virtq_desc){.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_INDIRECT};
    post(e, 0);
    expect_broken(e);
    env_free(e);
}

static void test_loop(void **state)
{
    struct env *e = *state;

    e->desc[0] = (struct virtq_desc){.addr = DATA, .len = 0, .flags = VIRTQ_DESC_F_NEXT, .next = 1};
    e->desc[1] = (struct virtq_desc){.addr = DATA, .len = 0, .flags = VIRTQ_DESC_F_NEXT, .next = 0};
    post(e, 0);
    expect_broken(e);
}

static void test_head_outside(void **state)
{
    struct env *e = *state;

    post(e, NUM);
    expect_broken(e);
}

static void test_next_outside(void **state)
{
    struct env *e = *state;

    e->desc[0] = (struct virtq_desc){.addr = DATA, .len = 1, .flags = VIRTQ_DESC_F_NEXT, .next = 0xffff};
    post(e, 0);
    expect_broken(e);
}

static void test_too_long(void **state)
{
    struct env *e = *state;

    for (uint16_t i = 0; i < 5; i++) {
        e->desc[i] = (struct virtq_desc){
            .addr = DATA, .len = 1, .flags = i < 4 ? VIRTQ_DESC_F_NEXT : 0, .next = (uint16_t)(i + 1)};
    }
    post(e, 0);
    expect_broken(e);
}

static void test_order(void **state)
{
    struct env *e = *state;

    e->desc[0] =
        (struct virtq_desc){.addr = DATA, .len = 1, .flags = VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, .next = 1};
    e->desc[1] = (struct virtq_desc){.addr = DATA, .len = 1};
    post(e, 0);
    expect_broken(e);
}

static void test_empty_chain(void **state)
{
    struct env *e = *state;

    e->desc[0] = (struct virtq_desc){.addr = DATA, .len = 0};
    post(e, 0);
    expect_broken(e);
}

static void test_index_jump(void **state)
{
    struct env *e = *state;

    e->avail->idx = NUM + 1;
    expect_broken(e);
}

static void test_in_flight(void **state)
{
    struct env *e = *state;

    e->desc[0] = (struct virtq_desc){.addr = DATA, .len = 1};
    for (unsigned i = 0; i < NUM; i++) {
        post(e, 0);
        assert_int_equal(pop(e), 1);
    }
    post(e, 0);
    expect_broken(e);
}

static void test_wrap(void **state)
{
    struct env *e = *state;

    e->desc[2] = (struct virtq_desc){.addr = DATA, .len = 1};
    for (unsigned i = 0; i < 70000; i++) {
        post(e, 2);
        assert_int_equal(pop(e), 1);
        vring_push(&e->vq, 2, i);
        assert_true(vring_publish(&e->vq));
        assert_int_equal(e->used->ring[i % NUM].len, i);
    }
    assert_int_equal(e->used->idx, 70000 % 65536);
}

static void test_flags_suppression(void **state)
{
    struct env *e = *state;

    e->desc[0] = (struct virtq_desc){.addr = DATA, .len = 1};
    vring_kick_disable(&e->vq);
    assert_int_equal(e->used->flags, VIRTQ_USED_F_NO_NOTIFY);
    post(e, 0);
    assert_true(vring_kick_enable(&e->vq)); /* came while suppressed */
    assert_int_equal(e->used->flags, 0);
    assert_int_equal(pop(e), 1);
    assert_false(vring_kick_enable(&e->vq));
    e->avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
    vring_push(&e->vq, 0, 0);
    assert_false(vring_publish(&e->vq));
}

static void test_event_idx(void **state)
{
    struct env *e = *state;
    uint16_t *used_event = &e->avail->ring[NUM];
    uint16_t *avail_event = (uint16_t *)(void *)&e->used->ring[NUM];

    e->desc[0] = (struct virtq_desc){.addr = DATA, .len = 1};
    *used_event = 2; /* interrupt when used.idx becomes 3 */
    for (unsigned i = 0; i < 4; i++) {
        post(e, 0);
        assert_int_equal(pop(e), 1);
        vring_push(&e->vq, 0, 0);
        assert_int_equal(vring_publish(&e->vq), i == 0 || i == 2); /* the first decision is always yes */
    }
    assert_false(vring_kick_enable(&e->vq));
    assert_int_equal(*avail_event, 4);
    post(e, 0);
    assert_true(vring_kick_enable(&e->vq));
    *used_event = 5; /* a batch that passes the event */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pop(e), 1);
        vring_push(&e->vq, 0, 0);
        post(e, 0);
    }
    assert_true(vring_publish(&e->vq));
}

static void test_init_errors(void **state)
{
    struct env *e = *state;
    struct vring_config ok = config(0), c;

    c = ok, c.num = 0;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_EINVAL);
    c = ok, c.num = 6;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_EINVAL);
    c = ok, c.num = 65536;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_EINVAL);
    c = ok, c.desc += 8;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_EINVAL);
    c = ok, c.used = BASE + BYTES - 68;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_ERANGE);
    c = ok, c.avail = 0;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_ERANGE);
    c = ok, c.used = 0xfffffffffffffffc;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_ERANGE);
}

static void test_gmem(void **state)
{
    static uint8_t a[8192], b[4096];
    struct gmem m;
    struct gmem_region out;
    char buf[8] = "abcdefg";

    (void)state;
    gmem_init(&m);
    assert_int_equal(gmem_add(&m, &(struct gmem_region){.gpa = 0x3000, .size = 4096, .host = b}), SK_OK);
    assert_int_equal(gmem_add(&m, &(struct gmem_region){.gpa = 0x1000, .size = 8192, .host = a}), SK_OK);
    assert_int_equal(gmem_add(&m, &(struct gmem_region){.gpa = 0x2fff, .size = 1}), SK_EEXIST);
    assert_int_equal(gmem_add(&m, &(struct gmem_region){.gpa = 0, .size = 0x1001}), SK_EEXIST);
    assert_int_equal(gmem_add(&m, &(struct gmem_region){.gpa = 0, .size = 0}), SK_EINVAL);
    assert_int_equal(gmem_add(&m, &(struct gmem_region){.gpa = UINT64_MAX, .size = 2}), SK_EINVAL);
    assert_null(gmem_ptr(&m, 0x2ffc, 8));        /* not in one region, ... */
    assert_true(gmem_write(&m, 0x2ffc, buf, 8)); /* ... but copies go across */
    assert_memory_equal(b, "efg", 4);
    memset(buf, 0, 8);
    assert_true(gmem_read(&m, 0x2ffc, buf, 8));
    assert_string_equal(buf, "abcdefg");
    assert_false(gmem_read(&m, 0x3ffc, buf, 8));
    assert_null(gmem_ptr(&m, 0x1000, UINT64_MAX));
    assert_null(gmem_ptr(&m, 0xfff, 1));
    assert_non_null(gmem_ptr(&m, 0x3fff, 1));
    assert_int_equal(gmem_remove(&m, 0x1000, 4096, &out), SK_ENOENT);
    assert_int_equal(gmem_remove(&m, 0x1000, 8192, &out), SK_OK);
    assert_ptr_equal(out.host, a);
    assert_null(gmem_ptr(&m, 0x1000, 1));
    assert_ptr_equal(gmem_ptr(&m, 0x3001, 1), b + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_chain),
        T(test_unpop),
        T(test_indirect),
        T(test_indirect_hostile),
        cmocka_unit_test(test_indirect_not_negotiated),
        T(test_loop),
        T(test_head_outside),
        T(test_next_outside),
        T(test_too_long),
        T(test_order),
        T(test_empty_chain),
        T(test_index_jump),
        T(test_in_flight),
        T(test_wrap),
        T(test_flags_suppression),
        TE(test_event_idx),
        T(test_init_errors),
        cmocka_unit_test(test_gmem),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

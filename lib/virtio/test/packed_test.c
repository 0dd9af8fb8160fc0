// SPDX-License-Identifier: MIT
/* The packed format against a driver that keeps the rules, and against one that breaks each of them. The flags and the
 * positions of the driver's side are written out here and do not come from the code under test. */
#include "ring_fixture.h"

#define NUM 7u /* any size goes */

static struct vring_config config(uint64_t features)
{
    return (struct vring_config){.num = NUM,
                                 .desc = RING,
                                 .avail = DRIVER,
                                 .used = DEVICE,
                                 .features = features | VIRTIO_F_RING_PACKED,
                                 .base = 0x80008000};
}

/* Lap 0, 2, 4...: bit 7 says available, bit 15 is clear; in the others the other way round. */
static void post(struct env *e, struct virtq_pdesc d)
{
    d.flags |= (e->next / NUM) % 2 == 0 ? 1u << 7 : 1u << 15;
    e->ring[e->next % NUM] = d;
    e->next++;
}

static void post_simple(struct env *e, uint16_t id)
{
    post(e, (struct virtq_pdesc){.addr = DATA, .len = 16, .id = id});
}

/* The driver looks at its next place: true if it is used, of a buffer that took that many descriptors. */
static bool take(struct env *e, unsigned count, uint16_t *id, uint32_t *len)
{
    const struct virtq_pdesc *d = &e->ring[e->taken % NUM];
    unsigned both = (1u << 7 | 1u << 15), want = (e->taken / NUM) % 2 == 0 ? both : 0;

    if ((d->flags & both) != want) {
        return false;
    }
    *id = d->id;
    *len = d->len;
    e->taken += count;
    return true;
}

static void test_chain(void **state)
{
    struct env *e = *state;
    uint16_t id;
    uint32_t len;

    assert_int_equal(pop(e), 0);
    post(e, (struct virtq_pdesc){.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_NEXT});
    post(e, (struct virtq_pdesc){.addr = DATA + 64, .len = 0, .flags = VIRTQ_DESC_F_NEXT});
    post(e, (struct virtq_pdesc){.addr = DATA + 4096, .len = 512, .id = 0xbeef, .flags = VIRTQ_DESC_F_WRITE});
    assert_int_equal(pop(e), 2);
    assert_int_equal(e->chain.readable, 1);
    assert_int_equal(e->chain.writable, 1);
    assert_int_equal(e->seg[1].gpa, DATA + 4096);
    assert_int_equal(e->seg[1].len, 512);
    assert_int_equal(pop(e), 0);
    assert_int_equal(vring_base(&e->vq), 0x80008003); /* three taken, none returned */
    vring_push(&e->vq, e->chain.head, 512);
    assert_false(take(e, 3, &id, &len));
    assert_true(vring_publish(&e->vq));
    assert_true(take(e, 3, &id, &len));
    assert_int_equal(id, 0xbeef);
    assert_int_equal(len, 512);
    assert_true(e->ring[0].flags & VIRTQ_DESC_F_WRITE);
    assert_int_equal(vring_base(&e->vq), 0x80038003);
    assert_false(vring_publish(&e->vq)); /* nothing new */
}

static void test_unpop(void **state)
{
    struct env *e = *state;

    for (unsigned i = 0; i < 3 * NUM; i++) { /* at every place, also where a chain goes over the end */
        post(e, (struct virtq_pdesc){.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_NEXT});
        post_simple(e, 4);
        uint32_t base = vring_base(&e->vq);

        assert_int_equal(pop(e), 2);
        vring_unpop(&e->vq, &e->chain);
        assert_int_equal(vring_base(&e->vq), base);
        assert_int_equal(pop(e), 2);
        assert_int_equal(pop(e), 0);
        vring_push(&e->vq, e->chain.head, 0);
        assert_true(vring_publish(&e->vq));
        post_simple(e, 1); /* an odd number in all */
        assert_int_equal(pop(e), 1);
        vring_push(&e->vq, e->chain.head, 0);
        assert_true(vring_publish(&e->vq));
    }
}

static void test_indirect(void **state)
{
    struct env *e = *state;
    struct virtq_pdesc t[3] = {
        {.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_NEXT}, /* NEXT does not count here */
        {.addr = DATA + 512, .len = 8, .id = 99, .flags = 0},
        {.addr = DATA + 600, .len = 1, .flags = VIRTQ_DESC_F_WRITE},
    };

    memcpy(e->ram + 0x5001, t, sizeof(t)); /* not aligned */
    post(e, (struct virtq_pdesc){.addr = BASE + 0x5001, .len = sizeof(t), .id = 5, .flags = VIRTQ_DESC_F_INDIRECT});
    assert_int_equal(pop(e), 3);
    assert_int_equal(e->chain.readable, 2);
    assert_int_equal(e->chain.head & 0xffff, 5);
    assert_int_equal(e->seg[1].gpa, DATA + 512);
}

static void test_hostile(void **state)
{
    static const struct virtq_pdesc bad[] = {
        {.addr = DATA, .len = 17, .flags = VIRTQ_DESC_F_INDIRECT},
        {.addr = DATA, .len = 0, .flags = VIRTQ_DESC_F_INDIRECT},
        {.addr = DATA, .len = 0xfffffff0, .flags = VIRTQ_DESC_F_INDIRECT},
        {.addr = BASE + BYTES - 16, .len = 32, .flags = VIRTQ_DESC_F_INDIRECT},
        {.addr = UINT64_MAX - 7, .len = 16, .flags = VIRTQ_DESC_F_INDIRECT},
        {.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_NEXT},
        {.addr = RING, .len = 16, .flags = VIRTQ_DESC_F_INDIRECT}, /* the table contains itself */
        {.addr = DATA, .len = 0},                                  /* not a byte */
        {.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_NEXT},     /* goes on in what is not available */
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct env *e = env_new(VIRTIO_F_INDIRECT_DESC);

        post(e, bad[i]);
        expect_broken(e);
        env_free(e);
    }
}

static void test_indirect_misplaced(void **state)
{
    struct env *e = *state;

    post(e, (struct virtq_pdesc){.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_NEXT});
    post(e, (struct virtq_pdesc){.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_INDIRECT});
    expect_broken(e);
}

static void test_indirect_not_negotiated(void **state)
{
    struct env *e = env_new(0);

    (void)state;
    post(e, (struct virtq_pdesc){.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_INDIRECT});
    expect_broken(e);
    env_free(e);
}

static void test_order(void **state)
{
    struct env *e = *state;

    post(e, (struct virtq_pdesc){.addr = DATA, .len = 1, .flags = VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE});
    post_simple(e, 0);
    expect_broken(e);
}

static void test_too_long(void **state)
{
    struct env *e = *state;

    for (unsigned i = 0; i < 5; i++) {
        post(e, (struct virtq_pdesc){.addr = DATA, .len = 1, .flags = i < 4 ? VIRTQ_DESC_F_NEXT : 0});
    }
    expect_broken(e);
}

/* A chain around the whole ring: the descriptors come to an end although each has a next one. */
static void test_loop(void **state)
{
    struct env *e = *state;

    for (unsigned i = 0; i < NUM; i++) {
        post(e, (struct virtq_pdesc){.addr = DATA, .len = 0, .flags = VIRTQ_DESC_F_NEXT});
    }
    expect_broken(e);
}

/* The driver uses places again that the device still has. */
static void test_in_flight(void **state)
{
    struct env *e = *state;

    for (unsigned i = 0; i < NUM; i++) {
        post_simple(e, 3);
        assert_int_equal(pop(e), 1);
    }
    post_simple(e, 3);
    expect_broken(e);
}

/* Many laps, batches and chains of changing lengths, returned in another order than taken. */
static void test_wrap(void **state)
{
    struct env *e = *state;

    for (unsigned i = 0; i < 5000; i++) {
        unsigned batch = 1 + i % 3, count[3];
        uint32_t head[3], len;
        uint16_t id;

        for (unsigned k = 0; k < batch; k++) {
            count[k] = 1 + (i + k) % 2;
            if (count[k] == 2) {
                post(e, (struct virtq_pdesc){.addr = DATA, .len = 16, .flags = VIRTQ_DESC_F_NEXT});
            }
            post_simple(e, (uint16_t)(i + k));
            assert_int_equal(pop(e), count[k]);
            head[k] = e->chain.head;
        }
        for (unsigned k = batch; k-- > 0;) {
            vring_push(&e->vq, head[k], i);
        }
        assert_false(take(e, 1, &id, &len));
        assert_true(vring_publish(&e->vq));
        for (unsigned k = batch; k-- > 0;) {
            assert_true(take(e, count[k], &id, &len));
            assert_int_equal(id, (uint16_t)(i + k));
            assert_int_equal(len, i);
        }
        assert_int_equal(e->taken, e->next);
        struct vring_config cfg = config(VIRTIO_F_INDIRECT_DESC);

        cfg.base = vring_base(&e->vq); /* another device goes on where this one stopped */
        if (i % 7 == 0) {
            assert_int_equal(vring_init(&e->vq, &e->mem, &cfg), SK_OK);
        }
    }
}

static void test_flags_suppression(void **state)
{
    struct env *e = *state;

    vring_kick_disable(&e->vq);
    assert_int_equal(e->device->flags, VIRTQ_PEVENT_DISABLE);
    post_simple(e, 0);
    assert_true(vring_kick_enable(&e->vq)); /* came while suppressed */
    assert_int_equal(e->device->flags, VIRTQ_PEVENT_ENABLE);
    assert_int_equal(pop(e), 1);
    assert_false(vring_kick_enable(&e->vq));
    e->driver->flags = VIRTQ_PEVENT_DISABLE;
    vring_push(&e->vq, e->chain.head, 0);
    assert_false(vring_publish(&e->vq));
    /* without the feature the driver may not ask for one descriptor; it gets too many interrupts */
    e->driver->flags = VIRTQ_PEVENT_DESC;
    e->driver->desc = 5;
    post_simple(e, 0);
    assert_int_equal(pop(e), 1);
    vring_push(&e->vq, e->chain.head, 0);
    assert_true(vring_publish(&e->vq));
}

static bool one(struct env *e)
{
    post_simple(e, 0);
    assert_int_equal(pop(e), 1);
    vring_push(&e->vq, e->chain.head, 0);
    return vring_publish(&e->vq);
}

static void test_event_idx(void **state)
{
    struct env *e = *state;

    e->driver->flags = VIRTQ_PEVENT_DESC;
    for (unsigned i = 0; i < 6 * NUM; i++) {
        unsigned wait = i + 2; /* the driver waits for the one after the next */

        if (i % 3 == 0) {
            e->driver->desc = (uint16_t)(wait % NUM | ((wait / NUM) % 2 == 0 ? 0x8000 : 0));
        }
        assert_int_equal(one(e), i == 0 || i % 3 == 2); /* the first decision is always yes */
        assert_false(vring_kick_enable(&e->vq));
        unsigned next = i + 1;

        assert_int_equal(e->device->flags, VIRTQ_PEVENT_DESC);
        assert_int_equal(e->device->desc, next % NUM | ((next / NUM) % 2 == 0 ? 0x8000 : 0));
    }
    /* a batch that passes the event */
    unsigned wait = 6 * NUM + 2;
    uint32_t head[3];

    e->driver->desc = (uint16_t)(wait % NUM | ((wait / NUM) % 2 == 0 ? 0x8000 : 0));
    for (unsigned k = 0; k < 3; k++) {
        post_simple(e, 0);
        assert_int_equal(pop(e), 1);
        head[k] = e->chain.head;
    }
    for (unsigned k = 0; k < 3; k++) {
        vring_push(&e->vq, head[k], 0);
    }
    assert_true(vring_publish(&e->vq));
    assert_false(one(e));
    e->driver->desc = NUM; /* no such place: rather an interrupt */
    assert_true(one(e));
    e->driver->flags = VIRTQ_PEVENT_DISABLE;
    assert_false(one(e));
}

static void test_init_errors(void **state)
{
    struct env *e = *state;
    struct vring_config ok = config(0), c;

    assert_int_equal(vring_init(&e->vq, &e->mem, &ok), SK_OK);
    c = ok, c.num = 0;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_EINVAL);
    c = ok, c.num = 32769;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_EINVAL);
    c = ok, c.desc += 8;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_EINVAL);
    c = ok, c.avail += 2;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_EINVAL);
    c = ok, c.used += 2;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_EINVAL);
    c = ok, c.base = 0x80008000 + NUM;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_EINVAL);
    c = ok, c.base = 0x80008000 + (NUM << 16);
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_EINVAL);
    c = ok, c.desc = BASE + BYTES - NUM * 16 + 16;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_ERANGE);
    c = ok, c.avail = 0;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_ERANGE);
    c = ok, c.used = UINT64_MAX - 3;
    assert_int_equal(vring_init(&e->vq, &e->mem, &c), SK_ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_chain),
        T(test_unpop),
        T(test_indirect),
        cmocka_unit_test(test_hostile),
        T(test_indirect_misplaced),
        cmocka_unit_test(test_indirect_not_negotiated),
        T(test_order),
        T(test_too_long),
        T(test_loop),
        T(test_in_flight),
        T(test_wrap),
        T(test_flags_suppression),
        TE(test_event_idx),
        T(test_init_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

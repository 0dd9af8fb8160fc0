// SPDX-License-Identifier: MIT
/* The record of requests in flight: a device side that ends after each of its stores, in both ring formats, at many
 * places of the ring; and records that hold garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <abi/types.h>
#include <stdlib.h>
#include <string.h>
#include <virtio/inflight.h>

#define NUM 8u
#define RING 0x1000u
#define AVAIL 0x2000u
#define USED 0x3000u
#define TABLES 0x4000u /* an indirect table for each id */
#define RAM 0x8000u

struct env {
    struct gmem mem;
    struct vring_config cfg;
    uint8_t *ram;
    struct inflight *record;
    unsigned next; /* requests that the driver has posted */
};

static struct env *env_new(bool packed)
{
    struct env *e = calloc(1, sizeof(*e));

    e->ram = aligned_alloc(4096, RAM);
    memset(e->ram, 0, RAM);
    e->record = calloc(1, INFLIGHT_BYTES);
    gmem_init(&e->mem);
    assert_int_equal(gmem_add(&e->mem, &(struct gmem_region){.gpa = 0, .size = RAM, .host = e->ram}), SK_OK);
    e->cfg = (struct vring_config){.num = NUM, .desc = RING, .avail = AVAIL, .used = USED};
    e->cfg.features = VIRTIO_F_INDIRECT_DESC | (packed ? VIRTIO_F_RING_PACKED : 0);
    e->cfg.base = packed ? 0x80008000 : 0;
    return e;
}

static void env_free(struct env *e)
{
    free(e->ram);
    free(e->record);
    free(e);
}

static bool is_packed(const struct env *e)
{
    return (e->cfg.features & VIRTIO_F_RING_PACKED) != 0;
}

/* A request of two buffers in an indirect table; the length of the first one says which it is. */
static void post(struct env *e)
{
    uint16_t id = (uint16_t)(e->next % NUM);
    uint64_t table = TABLES + 32u * id;

    if (is_packed(e)) {
        struct virtq_pdesc t[2] = {{.addr = 16, .len = 100u + e->next % 100}, {.addr = 8, .len = 1, .flags = 2}};
        struct virtq_pdesc d = {.addr = table, .len = 32, .id = id, .flags = 4};

        memcpy(e->ram + table, t, sizeof(t));
        d.flags |= (e->next / NUM) % 2 == 0 ? 1u << 7 : 1u << 15;
        memcpy(e->ram + RING + 16 * id, &d, sizeof(d));
    } else {
        struct virtq_desc t[2] = {{.addr = 16, .len = 100u + e->next % 100, .flags = 1, .next = 1},
                                  {.addr = 8, .len = 1, .flags = 2}};
        struct virtq_desc d = {.addr = table, .len = 32, .flags = 4};
        uint16_t idx = (uint16_t)(e->next + 1);

        memcpy(e->ram + table, t, sizeof(t));
        memcpy(e->ram + RING + 16 * id, &d, sizeof(d));
        memcpy(e->ram + AVAIL + 4 + 2 * id, &id, 2);
        memcpy(e->ram + AVAIL + 2, &idx, 2);
    }
    e->next++;
}

/* So many requests are seen as used by the driver, which takes them in order. */
static bool driver_sees(const struct env *e, unsigned count)
{
    if (is_packed(e)) {
        const struct virtq_pdesc *d = (const void *)(e->ram + RING + 16 * ((count - 1) % NUM));
        unsigned both = 1u << 7 | 1u << 15;

        return (d->flags & both) == (((count - 1) / NUM) % 2 == 0 ? both : 0);
    }
    uint16_t idx;

    memcpy(&idx, e->ram + USED + 2, 2);
    return idx == (uint16_t)count;
}

static void publish(struct vring *vq)
{
    assert_true(vring_publish(vq)); /* no suppression */
}

static void take(struct env *e, struct vring *vq, unsigned slot, uint32_t *head)
{
    struct vring_seg seg[4];
    struct vring_chain c;

    assert_int_equal(vring_pop(vq, seg, 4, &c), 2);
    inflight_take(e->record, slot, vq, &c);
    *head = c.head;
}

/* Two of four requests are returned; the device side ends after `stage` stores. */
static void serve_until(struct env *e, struct vring *vq, unsigned stage)
{
    static const unsigned slot[4] = {200, 3, 17, 0};
    uint32_t head[4];

    for (unsigned i = 0; i < 4; i++) {
        take(e, vq, slot[i], &head[i]);
    }
    for (unsigned i = 0; i < 2 && stage > i; i++) {
        vring_push(vq, head[i], 1);
        inflight_push(e->record, slot[i]);
    }
    if (stage > 2) {
        inflight_show(e->record, vq);
    }
    if (stage > 3) {
        publish(vq);
    }
    for (unsigned i = 0; i < 2 && stage > 4 + i; i++) {
        inflight_free(e->record, slot[i]);
    }
    if (stage > 6) {
        inflight_shown(e->record, vq);
    }
}

/* The next device side does again what is left, returns it, and is in step with the driver. */
static void serve_rest(struct env *e, unsigned first, unsigned left)
{
    struct vring vq;
    struct vring_seg seg[4];
    struct vring_chain c;
    unsigned again = 0, seen = 0;

    assert_int_equal(inflight_recover(e->record, &e->mem, &e->cfg), SK_OK);
    assert_int_equal(vring_init(&vq, &e->mem, &e->cfg), SK_OK);
    for (unsigned slot = 0; inflight_next(e->record, &slot); slot++, again++) {
        assert_int_equal(inflight_again(e->record, slot, &vq, seg, 4, &c), 2);
        assert_in_range(seg[0].len, 100u, 199u);
        seen |= 1u << ((seg[0].len - first % 100) % 100);
        vring_push(&vq, c.head, 1);
        inflight_push(e->record, slot);
    }
    assert_int_equal(again, left);
    assert_int_equal(seen, left == 4 ? 15 : 12); /* none is lost, none is done that was returned */
    while (vring_pop(&vq, seg, 4, &c) > 0) {
        vring_push(&vq, c.head, 1);
        again++;
    }
    inflight_show(e->record, &vq);
    publish(&vq);
    inflight_init(e->record, &vq);
    e->cfg.base = vring_base(&vq);
    assert_true(driver_sees(e, e->next));
}

static void run(bool packed)
{
    struct env *e = env_new(packed);

    for (unsigned round = 0; round < 200; round++) {
        unsigned stage = round % 8, first = e->next;
        struct vring vq;

        assert_int_equal(vring_init(&vq, &e->mem, &e->cfg), SK_OK);
        inflight_init(e->record, &vq);
        for (unsigned i = 0; i < 4; i++) {
            post(e);
        }
        serve_until(e, &vq, stage);
        assert_int_equal(driver_sees(e, first + (packed ? 1 : 2)), stage > 3); /* packed: the first one shows the batch */
        unsigned more = stage > 3 ? 1 + round % 6 : round % 5; /* the driver goes on: up to a full ring */

        for (unsigned i = 0; i < more; i++) {
            post(e);
        }
        serve_rest(e, first, stage > 3 ? 2 : 4);
        if (round % 3 == 0) { /* an odd number in all */
            post(e);
            assert_int_equal(vring_init(&vq, &e->mem, &e->cfg), SK_OK);
            struct vring_seg seg[4];
            struct vring_chain c;

            assert_int_equal(vring_pop(&vq, seg, 4, &c), 2);
            vring_push(&vq, c.head, 1);
            publish(&vq);
            e->cfg.base = vring_base(&vq);
        }
    }
    env_free(e);
}

static void test_split(void **state)
{
    (void)state;
    run(false);
}

static void test_packed(void **state)
{
    (void)state;
    run(true);
}

/* The device side ends with a batch of three that it has not shown; the next one returns a single request: nothing
 * behind it looks returned. At each place of the ring, also where the batch goes over its end. */
static void test_packed_batch_not_shown(void **state)
{
    struct env *e = env_new(true);
    struct vring vq;
    struct vring_seg seg[4];
    struct vring_chain c;

    (void)state;
    for (unsigned round = 0; round < 5 * NUM; round++) {
        assert_int_equal(vring_init(&vq, &e->mem, &e->cfg), SK_OK);
        inflight_init(e->record, &vq);
        for (unsigned i = 0; i < 3; i++) {
            uint32_t head;

            post(e);
            take(e, &vq, i, &head);
            vring_push(&vq, head, 1);
            inflight_push(e->record, i);
        }
        assert_int_equal(inflight_recover(e->record, &e->mem, &e->cfg), SK_OK);
        assert_int_equal(vring_init(&vq, &e->mem, &e->cfg), SK_OK);
        for (unsigned i = 0; i < 3; i++) {
            assert_false(driver_sees(e, e->next - 2 + i));
            assert_int_equal(inflight_again(e->record, i, &vq, seg, 4, &c), 2);
            vring_push(&vq, c.head, 1);
            publish(&vq);
            assert_true(driver_sees(e, e->next - 2 + i));
        }
        e->cfg.base = vring_base(&vq);
    }
    env_free(e);
}

static void test_garbage(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < 3000; seed++) {
        struct env *e = env_new(seed & 1);
        uint32_t *w = (uint32_t *)(void *)e->record, x = seed * 2654435761u;

        for (unsigned i = 0; i < INFLIGHT_BYTES / 4; i++) {
            x ^= x << 13, x ^= x >> 17, x ^= x << 5;
            w[i] = seed % 3 == 0 ? x : x % 3;
        }
        e->record->version = INFLIGHT_VERSION;
        e->record->num = seed % 7 == 0 ? 9 : NUM;
        e->record->used = seed % 5 == 0 ? x : is_packed(e) ? 0x8000 : 0;
        if (seed % 11) {
            e->record->shown = e->record->used;
        }
        if (inflight_recover(e->record, &e->mem, &e->cfg) == SK_OK) {
            struct vring vq;
            struct vring_seg seg[4];
            struct vring_chain c;

            assert_int_equal(vring_init(&vq, &e->mem, &e->cfg), SK_OK);
            for (unsigned slot = 0; inflight_next(e->record, &slot); slot++) {
                if (inflight_again(e->record, slot, &vq, seg, 4, &c) < 0) {
                    break;
                }
            }
            assert_in_range(vq.in_flight, 0, NUM);
        }
        env_free(e);
    }
}

static void test_nothing(void **state)
{
    struct env *e = env_new(false);

    (void)state;
    assert_int_equal(inflight_recover(e->record, &e->mem, &e->cfg), SK_ENOENT);
    env_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_packed_batch_not_shown),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

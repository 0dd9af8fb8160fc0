// SPDX-License-Identifier: MIT
/* A ring of either format in the memory of one region, for the tests of virtqueues, each of which includes it once and
 * says with config() what the ring is like. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <abi/types.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>
#include <virtio/vring.h>

#define BASE 0x10000u
#define BYTES 0x10000u
#define RING BASE              /* descriptors */
#define DRIVER (BASE + 0x1000) /* driver area */
#define DEVICE (BASE + 0x2000) /* device area */
#define DATA (BASE + 0x4000)

struct env {
    struct gmem mem;
    struct vring vq;
    uint8_t *ram;
    union {
        struct { /* split */
            struct virtq_desc *desc;
            struct virtq_avail *avail;
            struct virtq_used *used;
        };
        struct { /* packed */
            struct virtq_pdesc *ring;
            struct virtq_pevent *driver, *device;
        };
    };
    unsigned next;  /* packed: the driver's next place, counted over all laps */
    unsigned taken; /* and the next one that it expects to be used */
    struct vring_seg seg[4];
    struct vring_chain chain;
};

static struct vring_config config(uint64_t features);

static struct env *env_new(uint64_t features)
{
    struct env *e = calloc(1, sizeof(*e));
    struct vring_config cfg = config(features);

    e->ram = aligned_alloc(4096, BYTES);
    memset(e->ram, 0, BYTES);
    gmem_init(&e->mem);
    assert_int_equal(gmem_add(&e->mem, &(struct gmem_region){.gpa = BASE, .size = BYTES, .host = e->ram}), SK_OK);
    assert_int_equal(vring_init(&e->vq, &e->mem, &cfg), SK_OK);
    e->desc = (void *)e->ram;
    e->avail = (void *)(e->ram + 0x1000);
    e->used = (void *)(e->ram + 0x2000);
    return e;
}

static void env_free(struct env *e)
{
    free(e->ram);
    free(e);
}

static int setup(void **state)
{
    *state = env_new(VIRTIO_F_INDIRECT_DESC);
    return 0;
}
static int setup_event(void **state)
{
    *state = env_new(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX);
    return 0;
}
static int teardown(void **state)
{
    env_free(*state);
    return 0;
}

static int pop(struct env *e)
{
    return vring_pop(&e->vq, e->seg, ARRAY_SIZE(e->seg), &e->chain);
}

static void expect_broken(struct env *e)
{
    assert_int_equal(pop(e), SK_EMSG);
    assert_non_null(vring_error(&e->vq));
    assert_int_equal(pop(e), SK_EMSG);
    assert_false(vring_kick_enable(&e->vq));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TE(f) cmocka_unit_test_setup_teardown(f, setup_event, teardown)

// SPDX-License-Identifier: MIT
// Port doorbells: order, exact matches, `any`, limits; a random run against a plain list.
#include <kernel/vm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct irq_target targets[8];

static struct doorbell bell(uint16_t port, uint32_t value, bool any, struct irq_target *t)
{
    return (struct doorbell){ .port = port, .value = value, .any = any, .target = t };
}

static void test_match(void **state)
{
    struct doorbell_table t = { .count = 0 };
    struct doorbell d[] = {
        bell(0x100, 0, true, &targets[0]), bell(0x100, 7, false, &targets[1]), bell(0x100, 3, false, &targets[2]),
        bell(0x101, UINT32_MAX, false, &targets[3]), bell(0xffff, 0, true, &targets[4]),
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(d); i++) {
        assert_int_equal(doorbell_add(&t, &d[i]), SK_OK);
        assert_int_equal(doorbell_add(&t, &d[i]), SK_EEXIST);
    }
    assert_ptr_equal(doorbell_match(&t, 0x100, 7), &targets[1]);
    assert_ptr_equal(doorbell_match(&t, 0x100, 3), &targets[2]);
    assert_ptr_equal(doorbell_match(&t, 0x100, 0), &targets[0]);
    assert_ptr_equal(doorbell_match(&t, 0x100, UINT32_MAX), &targets[0]);
    assert_ptr_equal(doorbell_match(&t, 0x101, UINT32_MAX), &targets[3]);
    assert_null(doorbell_match(&t, 0x101, 0));
    assert_null(doorbell_match(&t, 0xff, 0));
    assert_ptr_equal(doorbell_match(&t, 0xffff, 1), &targets[4]);
    doorbell_remove(&t, doorbell_get(&t, 0x100, 0, true));
    assert_null(doorbell_match(&t, 0x100, 0));
    assert_null(doorbell_get(&t, 0x100, 0, true));
    assert_ptr_equal(doorbell_match(&t, 0x100, 7), &targets[1]);
}

static void test_full(void **state)
{
    struct doorbell_table t = { .count = 0 };

    (void)state;
    for (unsigned i = 0; i < GUEST_DOORBELLS_MAX; i++) {
        struct doorbell d = bell((uint16_t)(1000 - i), i, i & 1, &targets[0]);

        assert_int_equal(doorbell_add(&t, &d), SK_OK);
    }
    struct doorbell more = bell(1, 1, false, &targets[0]);
    assert_int_equal(doorbell_add(&t, &more), SK_ENOMEM);
    while (t.count) {
        doorbell_remove(&t, &t.entry[t.count / 2]);
    }
    assert_int_equal(doorbell_add(&t, &more), SK_OK);
}

/* The plain list: every combination of 4 ports and 4 values or any. */
static struct irq_target *model[4][5];

static struct irq_target *model_match(unsigned port, unsigned value)
{
    return model[port][value] ? model[port][value] : model[port][4];
}

static void random_step(struct doorbell_table *t)
{
    unsigned port = (unsigned)rand() % 4, v = (unsigned)rand() % 5;
    struct irq_target **m = &model[port][v];
    struct doorbell d = bell((uint16_t)port, v == 4 ? 0 : v, v == 4, &targets[rand() % 8]);

    if (rand() % 2) {
        assert_int_equal(doorbell_add(t, &d), *m ? SK_EEXIST : SK_OK);
        *m = *m ? *m : d.target;
    } else {
        struct doorbell *old = doorbell_get(t, d.port, d.value, d.any);

        assert_int_equal(old != NULL, *m != NULL);
        if (old) {
            doorbell_remove(t, old);
            *m = NULL;
        }
    }
}

static void test_random(void **state)
{
    struct doorbell_table t = { .count = 0 };

    (void)state;
    srand(1);
    for (unsigned i = 0; i < 20000; i++) {
        random_step(&t);
        unsigned port = (unsigned)rand() % 4, value = (unsigned)rand() % 4;
        assert_ptr_equal(doorbell_match(&t, (uint16_t)port, value), model_match(port, value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Capability tables, quotas, life and death of objects.
#include "fake.h"

static void test_slots_lowest_first(void **state)
{
    struct world *w = *state;
    cap_t a = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA), b = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);

    assert_int_equal(a, CAP_LOADER_SLOTS);
    assert_int_equal(b, CAP_LOADER_SLOTS + 1);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, a), SK_OK);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, a), SK_ECAP);
    assert_int_equal(SC2(w->t, SYS_CAP_COPY, b, RIGHT_CALL), a);
    assert_int_equal(SC1(w->t, SYS_CAP_INFO, a), OBJ_SIGNAL | RIGHT_CALL << 8);
    assert_int_equal(w->t->utcb->mr[0], 2);
    assert_int_equal(SC2(w->t, SYS_CAP_COPY, b, RIGHT_ALL + 1), SK_EINVAL);
    assert_int_equal(SC2(w->t, SYS_CAP_COPY, 999, RIGHT_ALL), SK_ECAP);
    assert_int_equal(SC2(w->t, SYS_CAP_COPY, UINT64_MAX, RIGHT_ALL), SK_ECAP);
    assert_int_equal(SC1(w->t, SYS_CAP_INFO, CAP_NULL), SK_ECAP);
}

/* The index of a capability whose object has died is not given out again before it is dropped. */
static void test_void_slots(void **state)
{
    struct world *w = *state;
    cap_t a = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA), b = (cap_t)SC2(w->t, SYS_CAP_COPY, a, RIGHT_CALL);

    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, a), SK_OK);
    cap_t c = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);
    assert_true(c != a && c != b);
    assert_int_equal(SC1(w->t, SYS_SIGNAL_RAISE, b), SK_ECAP);
    assert_int_equal(SC1(w->t, SYS_CAP_INFO, a), SK_ECAP);
    assert_int_equal(SC4(w->t, SYS_TASK_GRANT, CAP_TASK, c, RIGHT_ALL, b), SK_ESLOTS);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, a), SK_OK);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, a), SK_ECAP);
    assert_int_equal(SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA), a);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, b), SK_OK);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, CAP_NULL), SK_ECAP);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, UINT64_MAX), SK_ECAP);
}

static void test_lookup_errors(void **state)
{
    struct world *w = *state;
    cap_t s = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);
    cap_t weak = (cap_t)SC2(w->t, SYS_CAP_COPY, s, RIGHT_BIND);

    assert_int_equal(SC1(w->t, SYS_SIGNAL_RAISE, CAP_TASK), SK_ETYPE);
    assert_int_equal(SC1(w->t, SYS_SIGNAL_RAISE, weak), SK_ERIGHTS);
    assert_int_equal(SC1(w->t, SYS_SIGNAL_RAISE, 500), SK_ECAP);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, weak), SK_ERIGHTS);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, s), SK_OK);
    assert_int_equal(SC1(w->t, SYS_SIGNAL_RAISE, weak), SK_ECAP);
    assert_int_equal(SC0(w->t, SYS_COUNT), SK_ENOSYS);
}

static void test_table_full(void **state)
{
    struct world *w = *state;
    cap_t s = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA), last = s;
    int64_t r;

    while ((r = SC2(w->t, SYS_CAP_COPY, s, RIGHT_ALL)) > 0) {
        assert_int_equal(r, last + 1);
        last = (cap_t)r;
    }
    assert_int_equal(r, SK_ESLOTS);
    assert_int_equal(last, CAPTABLE_SLOTS - 1);
    uint64_t used = w->root->used;
    assert_int_equal(SC1(w->t, SYS_GATE_CREATE, CAP_QUOTA), SK_ESLOTS);
    assert_int_equal(SC1(w->t, SYS_TASK_CREATE, CAP_QUOTA), SK_ESLOTS);
    assert_int_equal(w->root->used, used);
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, 4000), SK_OK);
    assert_int_equal(SC2(w->t, SYS_CAP_COPY, s, RIGHT_ALL), 4000);
}

static void test_grant(void **state)
{
    struct world *w = *state;
    cap_t task = (cap_t)SC1(w->t, SYS_TASK_CREATE, CAP_QUOTA), s = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);

    assert_int_equal(SC4(w->t, SYS_TASK_GRANT, task, s, RIGHT_CALL, 5), 5);
    assert_int_equal(SC4(w->t, SYS_TASK_GRANT, task, s, RIGHT_CALL, 5), SK_ESLOTS);
    assert_int_equal(SC4(w->t, SYS_TASK_GRANT, task, s, RIGHT_CALL, CAPTABLE_SLOTS), SK_ESLOTS);
    assert_int_equal(SC4(w->t, SYS_TASK_GRANT, task, s, RIGHT_CALL, 0), CAP_LOADER_SLOTS);
    assert_int_equal(SC4(w->t, SYS_TASK_GRANT, task, s, 1 << 8, 0), SK_EINVAL);
    assert_int_equal(SC4(w->t, SYS_TASK_GRANT, s, s, 0, 0), SK_ETYPE);
    assert_int_equal(SC1(w->t, SYS_CAP_INFO, s), OBJ_SIGNAL | RIGHT_ALL << 8);
    assert_int_equal(w->t->utcb->mr[0], 3);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, task), SK_OK);
    assert_int_equal(SC1(w->t, SYS_CAP_INFO, s), OBJ_SIGNAL | RIGHT_ALL << 8);
    assert_int_equal(w->t->utcb->mr[0], 1);
}

static void test_quota_exhaustion_changes_nothing(void **state)
{
    struct world *w = *state;
    cap_t q = (cap_t)SC3(w->t, SYS_QUOTA_CREATE, CAP_QUOTA, 10 * PAGE_SIZE, 100);
    unsigned count = 0;
    int64_t r;

    assert_int_equal(SC1(w->t, SYS_QUOTA_INFO, q), 10 * PAGE_SIZE);
    while ((r = SC1(w->t, SYS_SIGNAL_CREATE, q)) > 0) {
        count++;
    }
    assert_int_equal(r, SK_ENOMEM);
    assert_true(count >= 100);
    SC1(w->t, SYS_QUOTA_INFO, q);
    assert_int_equal(rdx(w->t), 10 * PAGE_SIZE);
    assert_int_equal(SC1(w->t, SYS_TASK_CREATE, q), SK_ENOMEM);
    assert_int_equal(SC4(w->t, SYS_THREAD_CREATE, q, CAP_TASK, 0x5000000, 1), SK_ENOMEM);
    assert_int_equal(SC3(w->t, SYS_QUOTA_CREATE, q, PAGE_SIZE, 1), SK_ENOMEM);
    SC1(w->t, SYS_QUOTA_INFO, q);
    assert_int_equal(rdx(w->t), 10 * PAGE_SIZE);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, q), SK_OK);
    assert_int_equal(SC1(w->t, SYS_CAP_INFO, q + 1), SK_ECAP);
}

/* Every possible number of pages: each creation succeeds wholly or leaves the quota as it was. */
static void test_quota_every_limit(void **state)
{
    struct world *w = *state;

    for (uint64_t pages = 1; pages < 16; pages++) {
        cap_t q = (cap_t)SC3(w->t, SYS_QUOTA_CREATE, CAP_QUOTA, pages * PAGE_SIZE, 100);
        int64_t r = SC1(w->t, SYS_TASK_CREATE, q);

        SC1(w->t, SYS_QUOTA_INFO, q);
        if (r > 0) {
            uint64_t used = rdx(w->t);
            int64_t r2 = SC4(w->t, SYS_THREAD_CREATE, q, r, 0x5000000, 1);

            SC1(w->t, SYS_QUOTA_INFO, q);
            assert_true(r2 > 0 ? rdx(w->t) > used : rdx(w->t) == used);
        } else {
            assert_int_equal(rdx(w->t), 0);
        }
        assert_int_equal(SC1(w->t, SYS_CAP_DROP, q), SK_OK);
    }
}

static void test_quota_nesting(void **state)
{
    struct world *w = *state;
    SC1(w->t, SYS_QUOTA_INFO, CAP_QUOTA);
    uint64_t before = rdx(w->t);
    cap_t top = (cap_t)SC3(w->t, SYS_QUOTA_CREATE, CAP_QUOTA, 1000 * PAGE_SIZE, 100), q = top;

    for (unsigned i = 0; i < 400; i++) {
        q = (cap_t)SC3(w->t, SYS_QUOTA_CREATE, q, (999 - 2 * i) * PAGE_SIZE, 100);
        assert_true((int32_t)q > 0);
    }
    assert_int_equal(SC3(w->t, SYS_QUOTA_CREATE, top, PAGE_SIZE, 101), SK_EPERM);
    assert_int_equal(SC3(w->t, SYS_QUOTA_CREATE, top, 0, 100), SK_EINVAL);
    assert_int_equal(SC3(w->t, SYS_QUOTA_CREATE, top, UINT64_MAX, 100), SK_EINVAL);
    assert_int_equal(SC3(w->t, SYS_QUOTA_CREATE, top, PAGE_SIZE, 256), SK_EINVAL);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, top), SK_OK);
    SC1(w->t, SYS_QUOTA_INFO, CAP_QUOTA);
    /* slot pages stay; everything else is back */
    assert_true(rdx(w->t) - before <= 10 * PAGE_SIZE);
    assert_int_equal(SC1(w->t, SYS_CAP_INFO, q), SK_ECAP);
}

/* Task A holds the only capability to task B, which holds the only one to C, ... */
static void test_long_chain_dies(void **state)
{
    struct world *w = *state;
    uint64_t used = w->root->used;
    cap_t next = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);

    for (unsigned i = 0; i < 300; i++) {
        cap_t task = (cap_t)SC1(w->t, SYS_TASK_CREATE, CAP_QUOTA);

        assert_int_equal(SC4(w->t, SYS_TASK_GRANT, task, next, RIGHT_ALL, 1), 1);
        assert_int_equal(SC1(w->t, SYS_CAP_DROP, next), SK_OK);
        next = task;
    }
    assert_int_equal(SC1(w->t, SYS_CAP_DROP, next), SK_OK);
    assert_int_equal(w->root->used, used);
}

static void test_root_quota_dies(void **state)
{
    struct world *w = *state;

    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, CAP_QUOTA), SK_OK);
    assert_null(running());
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_slots_lowest_first),
        TEST(test_void_slots),
        TEST(test_lookup_errors),
        TEST(test_table_full),
        TEST(test_grant),
        TEST(test_quota_exhaustion_changes_nothing),
        TEST(test_quota_every_limit),
        TEST(test_quota_nesting),
        TEST(test_long_chain_dies),
        TEST(test_root_quota_dies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

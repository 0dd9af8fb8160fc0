// SPDX-License-Identifier: MIT
// Timers and scheduling.
#include "fake.h"

static void test_signal_timer(void **state)
{
    struct world *w = *state;
    cap_t s = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);

    SC3(w->t, SYS_SIGNAL_BIND, s, CAP_THREAD, 4);
    assert_int_equal(SC2(w->t, SYS_SIGNAL_TIMER, s, 50000), SK_OK);
    assert_int_equal(SC1(w->t, SYS_WAIT, 20000), BLOCKED);
    assert_int_equal(fake.armed_ns, 20000);
    advance(19000);
    assert_int_equal(rax(w->t), SK_ETIMEDOUT);
    assert_int_equal(SC1(w->t, SYS_WAIT, DEADLINE_NEVER), BLOCKED);
    assert_int_equal(fake.armed_ns, 50000);
    advance(30000);
    assert_int_equal(rax(w->t), TAG_SIGNAL);
    assert_int_equal(rdx(w->t), 4);
    SC2(w->t, SYS_SIGNAL_TIMER, s, 90000);
    SC2(w->t, SYS_SIGNAL_TIMER, s, DEADLINE_NEVER);
    assert_true(timer_next_deadline() == DEADLINE_NEVER);
    SC2(w->t, SYS_SIGNAL_TIMER, s, 90000);
}

static void test_many_timers(void **state)
{
    struct world *w = *state;
    uint64_t last = 0;

    for (unsigned i = 0; i < 500; i++) {
        cap_t s = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);
        uint64_t when = 100000 + (uint64_t)(i * 7919 % 500) * 10;

        SC3(w->t, SYS_SIGNAL_BIND, s, CAP_THREAD, when);
        SC2(w->t, SYS_SIGNAL_TIMER, s, when);
    }
    fake.now_ns = 200000;
    core_timer(fake.now_ns);
    for (unsigned i = 0; i < 500; i++) {
        assert_int_equal(SC1(w->t, SYS_WAIT, 0), TAG_SIGNAL);
        assert_true(rdx(w->t) > last);
        last = rdx(w->t);
    }
    assert_int_equal(SC1(w->t, SYS_WAIT, 0), SK_EAGAIN);
}

static void test_round_robin(void **state)
{
    struct world *w = *state;
    cap_t c2, c3;

    assert_int_equal(fake.armed_ns, 0); /* alone: no tick */
    struct thread *t2 = spawn_here(w, 128, &c2), *t3 = spawn_here(w, 200, &c3);
    assert_ptr_equal(running(), t3);
    SC1(t3, SYS_WAIT, DEADLINE_NEVER);
    assert_ptr_equal(running(), w->t);
    assert_int_equal(fake.armed_ns, 1000 + SCHED_SLICE_NS);
    advance(SCHED_SLICE_NS);
    assert_ptr_equal(running(), t2);
    assert_int_equal(w->t->cpu_time_ns, SCHED_SLICE_NS);
    advance(SCHED_SLICE_NS / 2);
    /* preempted in mid slice: it continues, and with the rest only */
    assert_int_equal(SC4(t2, SYS_THREAD_START, c3, 1, 2, 3), SK_OK);
    assert_ptr_equal(running(), t3);
    fake.now_ns += 100;
    SC1(t3, SYS_WAIT, DEADLINE_NEVER);
    assert_ptr_equal(running(), t2);
    assert_int_equal(fake.armed_ns, fake.now_ns + SCHED_SLICE_NS / 2);
    SC0(t2, SYS_THREAD_YIELD);
    assert_ptr_equal(running(), w->t);
}

/* A guest that spins: its equals take short turns until it is its turn again; nobody loses of his slice. */
static void test_spin(void **state)
{
    struct world *w = *state;
    cap_t c2, c3;
    struct thread *t2 = spawn_here(w, 128, &c2), *t3 = spawn_here(w, 128, &c3);

    advance(SCHED_SLICE_NS / 5);
    assert_ptr_equal(running(), w->t);
    sched_spin(w->t);
    assert_ptr_equal(running(), t2);
    assert_int_equal(fake.armed_ns, fake.now_ns + SCHED_SPIN_NS);
    advance(SCHED_SPIN_NS);
    assert_ptr_equal(running(), t3);
    advance(SCHED_SPIN_NS);
    assert_ptr_equal(running(), w->t);
    assert_int_equal(fake.armed_ns, fake.now_ns + SCHED_SLICE_NS * 4 / 5);
    advance(SCHED_SLICE_NS * 4 / 5);
    assert_ptr_equal(running(), t2);
    assert_int_equal(fake.armed_ns, fake.now_ns + SCHED_SLICE_NS - SCHED_SPIN_NS); /* in no hurry any more */
    sched_spin(t2);
    assert_ptr_equal(running(), t3);
    assert_int_equal(SC1(w->t, SYS_OBJ_DESTROY, c2), SK_OK); /* the spinning one dies */
    assert_ptr_equal(running(), t3);
    assert_int_equal(fake.armed_ns, fake.now_ns + SCHED_SLICE_NS - SCHED_SPIN_NS);
}

static void test_priority(void **state)
{
    struct world *w = *state;
    cap_t c2;
    struct thread *t2 = spawn_here(w, 1, &c2);

    assert_ptr_equal(running(), w->t);
    assert_int_equal(SC3(w->t, SYS_THREAD_SET, c2, THREAD_PRIORITY, 256), SK_EINVAL);
    assert_int_equal(SC3(w->t, SYS_THREAD_SET, c2, THREAD_PRIORITY, 129), SK_OK);
    assert_ptr_equal(running(), t2);
    assert_int_equal(SC3(t2, SYS_THREAD_SET, CAP_THREAD, THREAD_PRIORITY, 130), SK_OK);
    assert_ptr_equal(running(), w->t);
    cap_t q = (cap_t)SC3(w->t, SYS_QUOTA_CREATE, CAP_QUOTA, 64 * PAGE_SIZE, 10);
    assert_int_equal(SC4(w->t, SYS_THREAD_CREATE, q, CAP_TASK, 0x3000000, 11), SK_EPERM);
    cap_t c3 = (cap_t)SC4(w->t, SYS_THREAD_CREATE, q, CAP_TASK, 0x3000000, 10);
    assert_int_equal(SC3(w->t, SYS_THREAD_SET, c3, THREAD_PRIORITY, 11), SK_EPERM);
    assert_int_equal(SC3(w->t, SYS_THREAD_SET, c3, 99, 0), SK_EINVAL);
    assert_int_equal(SC3(w->t, SYS_THREAD_SET, c3, THREAD_FS_BASE, USER_END), SK_EINVAL);
    assert_int_equal(SC4(w->t, SYS_THREAD_CREATE, q, CAP_TASK, 0x3000000, 1), SK_EEXIST);
    assert_int_equal(SC4(w->t, SYS_THREAD_CREATE, q, CAP_TASK, 0x3000001, 1), SK_EINVAL);
    assert_int_equal(SC4(w->t, SYS_THREAD_CREATE, q, CAP_TASK, USER_END, 1), SK_ERANGE);
}

static void test_guest_run_ends_with_event(void **state)
{
    struct world *w = *state;
    cap_t c2, s = (cap_t)SC1(w->t, SYS_SIGNAL_CREATE, CAP_QUOTA);
    struct thread *vmm = spawn_here(w, 200, &c2);

    SC3(vmm, SYS_SIGNAL_BIND, s, c2, 31);
    SC1(vmm, SYS_VCPU_RUN, 0);
    assert_int_equal(vmm->state, THREAD_IN_GUEST);
    assert_ptr_equal(running(), vmm);
    SC1(w->t, SYS_SIGNAL_RAISE, s);
    assert_int_equal(rax(vmm), VCPU_SIGNAL);
    assert_int_equal(rdx(vmm), 31);
    assert_int_equal(SC1(vmm, SYS_WAIT, 0), SK_EAGAIN);
    SC1(vmm, SYS_VCPU_RUN, 0);
    assert_int_equal(SC1(w->t, SYS_THREAD_STOP, c2), SK_OK);
    assert_int_equal(vmm->state, THREAD_STOPPED);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_signal_timer),
        TEST(test_many_timers),
        TEST(test_round_robin),
        TEST(test_spin),
        TEST(test_priority),
        TEST(test_guest_run_ends_with_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

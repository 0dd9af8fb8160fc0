// SPDX-License-Identifier: MIT
// The lock between threads, with host threads and a signal as the kernel has it: one pending bit, one waiter per raise.
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <sk/mutex.h>
#include <sk/sys.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static pthread_mutex_t kernel = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static unsigned waiting, released;
static bool pending;
static unsigned raises, waits;

static void fake_raise(void)
{
    pthread_mutex_lock(&kernel);
    raises++;
    if (waiting > released) {
        released++;
        pthread_cond_broadcast(&wake);
    } else {
        pending = true;
    }
    pthread_mutex_unlock(&kernel);
}

static void fake_wait(void)
{
    pthread_mutex_lock(&kernel);
    waits++;
    if (pending) {
        pending = false;
    } else {
        waiting++;
        while (released == 0) {
            pthread_cond_wait(&wake, &kernel);
        }
        released--;
        waiting--;
    }
    pthread_mutex_unlock(&kernel);
}

struct sys_result sys_invoke(enum sys_nr nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                             uint64_t a5)
{
    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    switch ((int)nr) {
    case SYS_SIGNAL_CREATE:
        return (struct sys_result){16, 0};
    case SYS_SIGNAL_RAISE:
        assert_int_equal(a0, 16);
        fake_raise();
        break;
    case SYS_SIGNAL_WAIT:
        assert_int_equal(a0, 16);
        fake_wait();
        break;
    default:
        fail();
    }
    return (struct sys_result){0, 0};
}

static struct sk_mutex m;
static unsigned long count;

static void *worker(void *arg)
{
    for (unsigned i = 0; i < 20000; i++) {
        sk_mutex_lock(&m);
        unsigned long c = count;
        if (i % 64 == 0) {
            sched_yield();
        }
        count = c + 1;
        sk_mutex_unlock(&m);
    }
    return arg;
}

static void test_alone(void **state)
{
    (void)state;
    assert_int_equal(sk_mutex_init(&m), SK_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(sk_mutex_held(&m));
        sk_mutex_lock(&m);
        assert_true(sk_mutex_held(&m));
        sk_mutex_unlock(&m);
    }
    assert_int_equal(raises + waits, 0); /* no kernel call */
}

static void test_threads(void **state)
{
    pthread_t t[4];

    (void)state;
    assert_int_equal(sk_mutex_init(&m), SK_OK);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, worker, NULL), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
    }
    assert_int_equal(count, 4 * 20000);
    assert_false(sk_mutex_held(&m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alone), cmocka_unit_test(test_threads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
/* Who finds the lock held leaves 2 in it and sleeps; who takes it after sleeping leaves 2 as well, as there may be
 * others. The one who unlocks from 2 raises the signal. Raised before anybody sleeps it stays pending, so no wake-up is
 * lost; two raises may become one, as the thread that the one wakes unlocks from 2 again. */
#include <sk/mutex.h>
#include <sk/sys.h>

enum { FREE = 0, HELD = 1, CONTENDED = 2 };

int64_t sk_mutex_init(struct sk_mutex *m)
{
    int64_t cap = sys_signal_create(CAP_QUOTA);

    *m = (struct sk_mutex){.signal = cap > 0 ? (cap_t)cap : CAP_NULL};
    return cap < 0 ? cap : SK_OK;
}

/* The signal lives as long as the lock: its wait does not fail. */
static void lock_slow(struct sk_mutex *m)
{
    while (__atomic_exchange_n(&m->word, CONTENDED, __ATOMIC_ACQUIRE) != FREE) {
        int64_t err = sys_signal_wait(m->signal, DEADLINE_NEVER);
        (void)err;
    }
}

void sk_mutex_lock(struct sk_mutex *m)
{
    uint32_t expected = FREE;

    if (!__atomic_compare_exchange_n(&m->word, &expected, HELD, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        lock_slow(m);
    }
}

void sk_mutex_unlock(struct sk_mutex *m)
{
    if (__atomic_exchange_n(&m->word, FREE, __ATOMIC_RELEASE) == CONTENDED) {
        sys_signal_raise(m->signal);
    }
}

bool sk_mutex_held(const struct sk_mutex *m)
{
    return __atomic_load_n(&m->word, __ATOMIC_RELAXED) != FREE;
}

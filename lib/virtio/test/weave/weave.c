// SPDX-License-Identifier: MIT
// See weave.h. Nothing in this file is instrumented: RAW.
#include "weave.h"

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define RAW __attribute__((no_sanitize_thread))
#define STACK_BYTES 65536u
#define STORES_MAX 32u /* a full buffer drains its oldest one */
#define DIE_ONE_IN 400u

struct store {
    uint8_t *at;
    uint8_t size;
    uint8_t value[8]; /* what memory does not show while the other thread runs */
};

struct fiber {
    ucontext_t at;
    struct weave_thread t;
    struct store store[STORES_MAX];
    unsigned stores;
    volatile const bool *waits_for; /* NULL: it runs */
    uint8_t *stack;
};

static struct fiber fiber[WEAVE_THREADS];
static ucontext_t outside;
static unsigned current, run_left; /* accesses until the next switch */
static unsigned long points_left;
static bool running, failed;
static uint8_t *memory;
static size_t memory_size;
static const uint8_t *choice;
static size_t choice_left;
static uint64_t generator;

RAW void weave_memory(void *base, size_t size)
{
    memory = base;
    memory_size = size;
}

RAW void weave_choices(const uint8_t *data, size_t size, uint64_t seed)
{
    choice = data;
    choice_left = size;
    generator = seed * 2 + 1;
}

RAW unsigned weave_choose(unsigned n)
{
    if (choice_left > 0) {
        choice_left--;
        return *choice++ % n;
    }
    generator = generator * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(generator >> 33) % n;
}

/* --- store buffers: memory holds what the running thread sees --- */

RAW static void swap_value(struct store *s)
{
    uint8_t old[8];

    memcpy(old, s->at, s->size);
    memcpy(s->at, s->value, s->size);
    memcpy(s->value, old, s->size);
}

/* The oldest n stores are visible to everybody from now on. */
RAW static void commit(struct fiber *f, unsigned n)
{
    f->stores -= n;
    memmove(f->store, f->store + n, f->stores * sizeof(f->store[0]));
}

/* The thread leaves: the other one does not see its youngest stores. */
RAW static void stores_hide(struct fiber *f)
{
    commit(f, weave_choose(f->stores + 1));
    for (unsigned i = f->stores; i-- > 0;) {
        swap_value(&f->store[i]);
    }
}

RAW static void stores_show(struct fiber *f)
{
    for (unsigned i = 0; i < f->stores; i++) {
        swap_value(&f->store[i]);
    }
}

RAW void weave_drain(void)
{
    fiber[current].stores = 0;
}

/* Before a store: what it overwrites is what the other thread goes on seeing. */
RAW static void store_begin(uint8_t *at, unsigned size)
{
    struct fiber *f = &fiber[current];

    if (f->stores == STORES_MAX) {
        commit(f, 1);
    }
    struct store *s = &f->store[f->stores++];

    s->at = at;
    s->size = (uint8_t)size;
    memcpy(s->value, at, size);
}

/* --- threads --- */

RAW static void fiber_main(void)
{
    struct fiber *f = &fiber[current];

    f->t.run(f->t.ctx);
    running = false;
    setcontext(&outside);
}

RAW static void fiber_start(struct fiber *f)
{
    f->stores = 0;
    f->waits_for = NULL;
    getcontext(&f->at);
    f->at.uc_stack.ss_sp = f->stack;
    f->at.uc_stack.ss_size = STACK_BYTES;
    f->at.uc_link = NULL;
    makecontext(&f->at, fiber_main, 0);
}

RAW static void switch_over(void)
{
    struct fiber *from = &fiber[current], *to = &fiber[!current];
    bool dies = from->t.mortal && weave_choose(DIE_ONE_IN) == 0;

    if (dies) {
        from->stores = 0; /* the kernel's switch drains them */
        from->t.died(from->t.ctx);
        fiber_start(from); /* on the stack that we are on, which nobody returns to */
    } else {
        stores_hide(from);
    }
    current = !current;
    stores_show(to);
    /* short runs most of the time, and some long ones */
    run_left = weave_choose(4) ? weave_choose(4) : weave_choose(60);
    if (dies) {
        setcontext(&to->at);
    }
    swapcontext(&from->at, &to->at);
}

RAW static void give_up(void)
{
    failed = true;
    running = false;
    setcontext(&outside);
}

RAW static bool is_waiting(const struct fiber *f)
{
    return f->waits_for && !*f->waits_for;
}

RAW void weave_wait(const bool *flag)
{
    weave_drain();
    fiber[current].waits_for = flag;
    while (is_waiting(&fiber[current])) {
        if (is_waiting(&fiber[!current])) {
            give_up(); /* nobody is left to raise it */
        }
        switch_over();
    }
    fiber[current].waits_for = NULL;
}

RAW static bool is_shared(const void *p, size_t size)
{
    return running && (uintptr_t)p - (uintptr_t)memory < memory_size && size <= 8;
}

RAW static void point(void)
{
    if (points_left-- == 0) {
        give_up();
    }
    if (run_left > 0) {
        run_left--;
    } else if (!is_waiting(&fiber[!current])) {
        switch_over();
    }
}

RAW bool weave_run(const struct weave_thread thread[WEAVE_THREADS], unsigned long points)
{
    for (unsigned i = 0; i < WEAVE_THREADS; i++) {
        fiber[i].t = thread[i];
        fiber[i].stack = malloc(STACK_BYTES);
        fiber_start(&fiber[i]);
    }
    points_left = points;
    running = true;
    failed = false;
    current = 0;
    run_left = 0;
    swapcontext(&outside, &fiber[0].at);
    for (unsigned i = 0; i < WEAVE_THREADS; i++) {
        free(fiber[i].stack);
    }
    return !failed;
}

/* --- what the compiler calls: the names and types are its own --- */

#define READ(n)                                                                                                        \
    RAW void __tsan_read##n(void *p);                                                                                  \
    RAW void __tsan_read##n(void *p)                                                                                   \
    {                                                                                                                  \
        if (is_shared(p, n)) {                                                                                         \
            point();                                                                                                   \
        }                                                                                                              \
    }
#define WRITE(n)                                                                                                       \
    RAW void __tsan_write##n(void *p);                                                                                 \
    RAW void __tsan_write##n(void *p)                                                                                  \
    {                                                                                                                  \
        if (is_shared(p, n)) {                                                                                         \
            point();                                                                                                   \
            store_begin(p, n);                                                                                         \
        }                                                                                                              \
    }
#define UNALIGNED(n)                                                                                                   \
    RAW void __tsan_unaligned_read##n(void *p);                                                                        \
    RAW void __tsan_unaligned_read##n(void *p)                                                                         \
    {                                                                                                                  \
        __tsan_read##n(p);                                                                                             \
    }                                                                                                                  \
    RAW void __tsan_unaligned_write##n(void *p);                                                                       \
    RAW void __tsan_unaligned_write##n(void *p)                                                                        \
    {                                                                                                                  \
        __tsan_write##n(p);                                                                                            \
    }
#define ATOMIC(bits)                                                                                                   \
    RAW uint##bits##_t __tsan_atomic##bits##_load(const volatile void *p, int order);                                  \
    RAW uint##bits##_t __tsan_atomic##bits##_load(const volatile void *p, int order)                                   \
    {                                                                                                                  \
        (void)order;                                                                                                   \
        if (is_shared((const void *)p, bits / 8)) {                                                                    \
            point();                                                                                                   \
        }                                                                                                              \
        return *(const volatile uint##bits##_t *)p;                                                                    \
    }                                                                                                                  \
    RAW void __tsan_atomic##bits##_store(volatile void *p, uint##bits##_t v, int order);                               \
    RAW void __tsan_atomic##bits##_store(volatile void *p, uint##bits##_t v, int order)                                \
    {                                                                                                                  \
        if (is_shared((const void *)p, bits / 8)) {                                                                    \
            point();                                                                                                   \
            store_begin((uint8_t *)p, bits / 8);                                                                       \
        }                                                                                                              \
        *(volatile uint##bits##_t *)p = v;                                                                             \
        if (order == __ATOMIC_SEQ_CST) {                                                                               \
            weave_drain();                                                                                             \
        }                                                                                                              \
    }
#define NOTHING(name)                                                                                                  \
    RAW void name(void *p);                                                                                            \
    RAW void name(void *p)                                                                                             \
    {                                                                                                                  \
        (void)p;                                                                                                       \
    }

READ(1)
READ(2)
READ(4)
READ(8)
WRITE(1)
WRITE(2)
WRITE(4)
WRITE(8)
UNALIGNED(2)
UNALIGNED(4)
UNALIGNED(8)
ATOMIC(16)
ATOMIC(32)
NOTHING(__tsan_func_entry)
NOTHING(__tsan_func_exit)

/* Members of structures that lie at any address; the small ones only, which is what the ring code reads. */
RAW void __tsan_read_range(void *p, long size);
RAW void __tsan_read_range(void *p, long size)
{
    if (is_shared(p, (size_t)size)) {
        point();
    }
}

RAW void __tsan_write_range(void *p, long size);
RAW void __tsan_write_range(void *p, long size)
{
    if (is_shared(p, (size_t)size)) {
        point();
        store_begin(p, (unsigned)size);
    }
}

RAW void __tsan_init(void);
RAW void __tsan_init(void) {}

RAW void __tsan_atomic_thread_fence(int order);
RAW void __tsan_atomic_thread_fence(int order)
{
    if (order == __ATOMIC_SEQ_CST && running) {
        weave_drain();
    }
}

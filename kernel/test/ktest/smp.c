// SPDX-License-Identifier: MIT
/* Several processors (docs/locking.md): what one does to threads, memory and events of another. Worker n is on
 * processor 1 + n % (cpus - 1), the main thread on 0. Nothing here depends on speed but for the deadlines, which are
 * generous. */
#include "ktest.h"

#define PAGE_VA 0x40000000ull
#define ALIAS_VA 0x40100000ull
#define PATIENCE_MS 20000ull

static const struct kinfo *kinfo = (const struct kinfo *)KINFO_VA;

static unsigned other_cpu(unsigned n)
{
    return 1 + n % (kinfo->cpus - 1);
}

static struct worker *worker_on(unsigned cpu, void (*fn)(struct worker *), unsigned priority, cap_t cap0, cap_t cap1)
{
    struct worker *w = worker_create(fn, priority, cap0, cap1);

    CHECK_EQ(sys_thread_set(w->thread, THREAD_CPU, cpu), SK_OK);
    worker_run(w);
    return w;
}

/* Spins (this processor has nothing else to do) until *v is not old any more. */
static bool changes(const volatile uint64_t *v, uint64_t old)
{
    uint64_t end = sys_now_ns() + PATIENCE_MS * MS;

    while (*v == old && sys_now_ns() < end) {
        __builtin_ia32_pause();
    }
    return *v != old;
}

static bool becomes(cap_t thread, enum thread_state state)
{
    uint64_t end = sys_now_ns() + PATIENCE_MS * MS;

    while (sys_thread_info(thread).value != state && sys_now_ns() < end) {
    }
    return sys_thread_info(thread).value == state;
}

static void count(struct worker *w)
{
    for (;;) {
        w->value[0]++;
    }
}

static void count_calls(struct worker *w)
{
    for (;;) {
        ignore(sys_quota_info(CAP_QUOTA).value);
        w->value[0]++;
    }
}

static void smp_placement(void)
{
    unsigned last = kinfo->cpus - 1;
    cap_t q = CAP(sys_quota_create_on(CAP_QUOTA, 16 * PAGE_SIZE, 100, 1ull << last));
    struct worker *w = worker_create(count, 100, 0, 0);

    CHECK_EQ(sys_quota_info(q).value, 16 * PAGE_SIZE);
    CHECK_EQ(utcb->mr[0], 1ull << last);
    ignore(sys_quota_info(CAP_QUOTA).value);
    CHECK_EQ(utcb->mr[0], UINT64_MAX >> (64 - kinfo->cpus));
    CHECK_EQ(sys_quota_create_on(q, PAGE_SIZE, 1, ~(1ull << last)), SK_EPERM);
    CHECK_EQ(thread_info(w->thread)->cpu, 0);
    CHECK_EQ(sys_thread_set(w->thread, THREAD_CPU, kinfo->cpus), SK_ERANGE);
    CHECK_EQ(sys_thread_set(w->thread, THREAD_CPU, UINT64_MAX), SK_ERANGE);
    cap_t t = CAP(sys_thread_create(q, CAP_TASK, 0x50000000, 100));
    CHECK_EQ(thread_info(t)->cpu, last);
    CHECK_EQ(sys_thread_set(t, THREAD_CPU, last), SK_OK);
    if (last > 0) {
        CHECK_EQ(sys_thread_set(t, THREAD_CPU, 0), SK_EPERM);
        CHECK_EQ(sys_thread_set(w->thread, THREAD_CPU, last), SK_OK);
        CHECK_EQ(thread_info(w->thread)->cpu, last);
    }
    CHECK_EQ(sys_obj_destroy(q), SK_OK);
}

/* Without a kernel call of this thread: the others run by themselves. */
static void smp_parallel(void)
{
    for (unsigned cpu = 1; cpu < kinfo->cpus && cpu <= 6; cpu++) {
        struct worker *w = worker_on(cpu, count, 1, 0, 0);

        CHECK(changes(&w->value[0], 0));
    }
}

/* Checks that an XMM register and the FS base stay as they are while the thread is sent around. */
static void keep_registers(struct worker *w)
{
    uint64_t seed = (uint64_t)w, seen;

    __asm__ volatile("movq %0, %%xmm9" : : "r"(seed) : "xmm9");
    for (;;) {
        __asm__ volatile("movq %%xmm9, %0" : "=r"(seen));
        w->value[1] += seen != seed;
        w->value[0]++;
        if (w->value[0] % 64 == 0) {
            sys_thread_yield();
        }
    }
}

static void smp_migration(void)
{
    struct worker *w[3];

    for (unsigned i = 0; i < 3; i++) {
        w[i] = worker_on(other_cpu(i), keep_registers, 100, 0, 0);
    }
    for (unsigned n = 0; n < 120; n++) {
        struct worker *v = w[n % 3];
        uint64_t before = v->value[0];

        CHECK_EQ(sys_thread_set(v->thread, THREAD_CPU, other_cpu(n * 7 / 3)), SK_OK);
        if (n % 16 == 0) {
            CHECK(changes(&v->value[0], before));
        }
    }
    CHECK_EQ(w[0]->value[1] + w[1]->value[1] + w[2]->value[1], 0);
    CHECK_EQ(sys_thread_info(w[0]->thread).value, THREAD_READY);
}

static void ping(struct worker *w)
{
    w->value[1] += sys_signal_bind(w->cap[0], w->thread, 5) != SK_OK;
    w->value[0] = 1;
    for (;;) {
        struct sys_result r = sys_wait(DEADLINE_NEVER);

        w->value[1] += r.value != (int64_t)TAG_SIGNAL || r.extra != 5;
        ignore(sys_signal_raise(w->cap[1]));
    }
}

static void smp_signals(void)
{
    cap_t there = CAP(sys_signal_create(CAP_QUOTA)), back = CAP(sys_signal_create(CAP_QUOTA));
    struct worker *w = worker_on(other_cpu(0), ping, 100, there, back);

    CHECK_EQ(sys_signal_bind(back, CAP_THREAD, 6), SK_OK);
    CHECK(changes(&w->value[0], 0));
    uint64_t start = sys_now_ns(), n;
    for (n = 0; n < 300; n++) {
        CHECK_EQ(sys_signal_raise(there), SK_OK);
        if (sys_wait(sys_now_ns() + PATIENCE_MS * MS).extra != 6) {
            break;
        }
    }
    CHECK_EQ(n, 300);
    CHECK_EQ(w->value[1], 0);
    print_figure("signal to another processor and back, ns", (sys_now_ns() - start) / 300);
    ignore(sys_obj_destroy(there));
    ignore(sys_obj_destroy(back));
}

static void serve(struct worker *w)
{
    w->value[1] += sys_gate_bind(w->cap[0], w->thread, 9, 0) != SK_OK; /* no CHECK: it prints with the main UTCB */
    w->value[0] = 1;
    struct sys_result r = sys_wait(DEADLINE_NEVER);
    for (;;) {
        w->value[1] += r.extra != 9;
        w->utcb->mr[0] += 1;
        r = sys_reply_wait(TAG(0, 1, 0), DEADLINE_NEVER);
    }
}

static void client(struct worker *w)
{
    for (uint64_t n = 0; n < 40; n++) {
        w->utcb->mr[0] = n;
        w->value[1] += sys_call(w->cap[0], TAG(0, 1, 0), DEADLINE_NEVER) < 0 || w->utcb->mr[0] != n + 1;
        w->value[0]++;
    }
    w->value[2] = 1;
}

static void smp_calls(void)
{
    cap_t gate = CAP(sys_gate_create(CAP_QUOTA));
    struct worker *server = worker_on(other_cpu(0), serve, 100, gate, 0), *c[5];

    CHECK(changes(&server->value[0], 0));
    for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
        c[i] = worker_on(other_cpu(i), client, 90 + i, gate, 0);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
        CHECK(changes(&c[i]->value[2], 0));
        CHECK_EQ(c[i]->value[1], 0);
    }
    CHECK_EQ(server->value[1], 0);
    ignore(sys_obj_destroy(gate));
}

/* Calls that end because the server goes: every client must get an answer or an error. */
static void client_of_mortals(struct worker *w)
{
    for (;;) {
        w->utcb->mr[0] = 1;
        int64_t err = sys_call(w->cap[0], TAG(0, 1, 0), sys_now_ns() + MS);

        w->value[1] += err < 0 && err != SK_EGONE && err != SK_ETIMEDOUT;
        w->value[0]++;
    }
}

static void smp_server_dies(void)
{
    cap_t gate = CAP(sys_gate_create(CAP_QUOTA));
    struct worker *server = worker_on(other_cpu(0), serve, 100, gate, 0);
    struct worker *c = worker_on(other_cpu(1), client_of_mortals, 100, gate, 0);

    for (unsigned n = 0; n < 40; n++) {
        uint64_t before = c->value[0];

        CHECK_EQ(sys_thread_stop(server->thread), SK_OK);
        server->value[0] = 0;
        worker_run(server);
        if (!changes(&c->value[0], before)) {
            CHECK(false);
            break;
        }
    }
    CHECK_EQ(c->value[1], 0);
    ignore(sys_obj_destroy(gate));
}

/* --- memory ---------------------------------------------------------------------------------------------------- */

static void write_page(struct worker *w)
{
    for (;;) {
        *(volatile uint64_t *)PAGE_VA = ++w->value[0];
    }
}

/* A worker writes to a page; after unmap has returned, not one write may come. By the alias the page is watched. */
static void smp_unmap(void)
{
    cap_t page = CAP(sys_mem_derive(CAP_QUOTA, ram, 0, PAGE_SIZE, RIGHT_ALL));
    struct worker *w = worker_create(write_page, 100, 0, 0);
    volatile uint64_t *alias = (volatile uint64_t *)ALIAS_VA;

    pages_kept += 4;
    CHECK_EQ(sys_thread_set(w->thread, THREAD_CPU, other_cpu(0)), SK_OK);
    CHECK_EQ(sys_map(CAP_TASK, page, 0, PAGE_SIZE, ALIAS_VA, RW).value, SK_OK);
    for (unsigned n = 0; n < 30; n++) {
        cap_t child = n % 3 == 2 ? CAP(sys_mem_derive(CAP_QUOTA, page, 0, PAGE_SIZE, RIGHT_ALL)) : page;

        *alias = 0;
        CHECK_EQ(sys_map(CAP_TASK, child, 0, PAGE_SIZE, PAGE_VA, RW).value, SK_OK);
        worker_run(w);
        if (!changes(alias, 0)) {
            CHECK(false);
            break;
        }
        CHECK_EQ(n % 3 == 2 ? sys_obj_destroy(child) : sys_unmap(CAP_TASK, PAGE_VA, PAGE_SIZE), SK_OK);
        *alias = 0xdead;
        CHECK(becomes(w->thread, THREAD_FAULTED));
        CHECK_EQ(*alias, 0xdead);
    }
    CHECK_EQ(thread_info(w->thread)->fault.address, PAGE_VA);
    CHECK_EQ(sys_unmap(CAP_TASK, ALIAS_VA, PAGE_SIZE), SK_OK);
    ignore(sys_obj_destroy(page));
}

/* Page tables come and go at neighbouring addresses while others use theirs. */
static void map_unmap(struct worker *w)
{
    uint64_t va = 0x80000000ull + (w->cap[1] << 24);

    for (;;) {
        w->value[1] += sys_map(CAP_TASK, w->cap[0], 0, PAGE_SIZE, va, RW).value != SK_OK;
        *(volatile uint64_t *)va = w->value[0];
        w->value[1] += *(volatile uint64_t *)va != w->value[0];
        w->value[1] += sys_unmap(CAP_TASK, va, w->value[0] % 2 ? PAGE_SIZE : 0x200000) != SK_OK;
        w->value[0]++;
    }
}

/* The second shares its processor with the first: on a fast one it runs only after the first one's time slice. */
static bool storm_is_over(struct worker *const *w)
{
    return w[0]->value[0] >= 30 && w[1]->value[0] && w[2]->value[0];
}

static void smp_map_storm(void)
{
    struct worker *w[3];
    cap_t page[3];

    pages_kept += 8;
    for (unsigned i = 0; i < 3; i++) {
        page[i] = CAP(sys_mem_derive(CAP_QUOTA, ram, i * PAGE_SIZE, PAGE_SIZE, RIGHT_ALL));
        w[i] = worker_on(i == 2 ? 0 : other_cpu(i), map_unmap, 100, page[i], i);
    }
    for (uint64_t end = sys_now_ns() + PATIENCE_MS * MS; !storm_is_over(w) && sys_now_ns() < end;) {
        ignore(sys_wait(sys_now_ns() + MS).value); /* leaves processor 0 to the third */
    }
    CHECK(storm_is_over(w));
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(w[i]->value[1], 0);
        CHECK_EQ(sys_obj_destroy(w[i]->thread), SK_OK);
        CHECK_EQ(sys_obj_destroy(page[i]), SK_OK);
    }
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static void smp_stop_start(void)
{
    struct worker *user = worker_on(other_cpu(0), count, 100, 0, 0);
    struct worker *caller = worker_on(other_cpu(1), count_calls, 100, 0, 0);

    for (unsigned n = 0; n < 40; n++) {
        struct worker *w = n % 2 ? user : caller;

        w->value[0] = 0;
        if (!changes(&w->value[0], 0)) {
            CHECK(false);
            break;
        }
        CHECK_EQ(sys_thread_stop(w->thread), SK_OK);
        uint64_t stopped = w->value[0];
        CHECK_EQ(sys_thread_info(w->thread).value, THREAD_STOPPED);
        sys_thread_yield();
        CHECK_EQ(w->value[0], stopped);
        worker_run(w);
    }
}

static void smp_destroy_running(void)
{
    for (unsigned n = 0; n < 24; n++) {
        cap_t q = CAP(sys_quota_create(CAP_QUOTA, 64 * PAGE_SIZE, 100)), thread;
        static const char loop[] = "\xf3\x90\xeb\xfc", calls[] = "\xb8\xff\x00\x4b\x53\x0f\x05\xeb\xf7";
        const char *code = n % 2 ? loop : calls;
        cap_t task = child_create(q, code, code + (n % 2 ? sizeof(loop) : sizeof(calls)) - 1, &thread);

        CHECK_EQ(sys_thread_set(thread, THREAD_CPU, other_cpu(n)), SK_OK);
        CHECK_EQ(sys_thread_start(thread, CHILD_CODE, 0, 0), SK_OK);
        for (uint64_t end = sys_now_ns() + (n % 4) * MS / 4; sys_now_ns() < end;) {
        }
        CHECK_EQ(sys_obj_destroy(n % 3 == 0 ? task : n % 3 == 1 ? thread : q), SK_OK);
        if (n % 3 != 2) {
            CHECK_EQ(sys_obj_destroy(q), SK_OK);
        }
    }
}

/* --- time ------------------------------------------------------------------------------------------------------ */

static void sleeper(struct worker *w)
{
    for (unsigned n = 0; n < 10; n++) {
        uint64_t deadline = sys_now_ns() + 2 * MS;
        int64_t r = sys_wait(deadline).value;
        uint64_t late = sys_now_ns() - deadline;

        w->value[1] += r != SK_ETIMEDOUT || (int64_t)late < 0;
    }
    w->value[0] = 1;
}

static void smp_timers(void)
{
    struct worker *w[6];
    cap_t timer = CAP(sys_signal_create(CAP_QUOTA)), back = CAP(sys_signal_create(CAP_QUOTA));

    for (unsigned i = 0; i < ARRAY_SIZE(w); i++) {
        w[i] = worker_on(i % kinfo->cpus, sleeper, 200, 0, 0);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(w); i++) {
        CHECK(changes(&w[i]->value[0], 0));
        CHECK_EQ(w[i]->value[1], 0);
    }
    /* set here, bound there */
    struct worker *p = worker_on(other_cpu(0), ping, 200, timer, back);
    CHECK_EQ(sys_signal_bind(back, CAP_THREAD, 7), SK_OK);
    CHECK(changes(&p->value[0], 0));
    CHECK_EQ(sys_signal_timer(timer, sys_now_ns() + 3 * MS), SK_OK);
    CHECK_EQ(sys_wait(sys_now_ns() + PATIENCE_MS * MS).extra, 7);
    ignore(sys_obj_destroy(timer));
    ignore(sys_obj_destroy(back));
}

/* A thread that becomes ready goes before a less urgent one on its own processor; equals there share it. */
static void smp_priorities(void)
{
    cap_t there = CAP(sys_signal_create(CAP_QUOTA)), back = CAP(sys_signal_create(CAP_QUOTA));
    struct worker *a = worker_on(other_cpu(0), count, 50, 0, 0);
    struct worker *p = worker_on(other_cpu(0), ping, 60, there, back);

    CHECK(changes(&a->value[0], 0));
    CHECK(changes(&p->value[0], 0));
    CHECK_EQ(sys_signal_bind(back, CAP_THREAD, 6), SK_OK);
    for (unsigned n = 0; n < 50; n++) {
        CHECK_EQ(sys_signal_raise(there), SK_OK);
        CHECK_EQ(sys_wait(sys_now_ns() + PATIENCE_MS * MS).extra, 6);
    }
    struct worker *b = worker_on(other_cpu(0), count, 50, 0, 0);
    CHECK(changes(&b->value[0], 0));
    uint64_t before = a->value[0];
    CHECK(changes(&a->value[0], before));
    CHECK_EQ(sys_thread_set(a->thread, THREAD_PRIORITY, 40), SK_OK); /* it may be running */
    before = b->value[0];
    CHECK(changes(&b->value[0], before));
    ignore(sys_obj_destroy(there));
    ignore(sys_obj_destroy(back));
}

static void print_busy(struct worker *w)
{
    for (;;) {
        __builtin_memcpy(w->utcb->mr, "ktest: busy\n", 12);
        ignore(sys_console_write(boot->console, 12));
        ignore(sys_wait(sys_now_ns() + 5 * MS).value);
    }
}

void smp_busy(void)
{
    worker_on(other_cpu(0), print_busy, 100, 0, 0);
    ignore(sys_wait(DEADLINE_NEVER).value);
}

void test_smp(void)
{
    run("processors: placement", smp_placement);
    if (kinfo->cpus == 1) {
        return;
    }
    run("processors: in parallel", smp_parallel);
    run("processors: running threads move, with their registers", smp_migration);
    run("processors: signals to and fro", smp_signals);
    run("processors: many clients of one server", smp_calls);
    run("processors: a server that dies again and again", smp_server_dies);
    run("processors: unmapped is unmapped everywhere", smp_unmap);
    run("processors: mapping and unmapping in one task", smp_map_storm);
    run("processors: stop and start", smp_stop_start);
    run("processors: tasks and quotas die running", smp_destroy_running);
    run("processors: timers", smp_timers);
    run("processors: priorities", smp_priorities);
}

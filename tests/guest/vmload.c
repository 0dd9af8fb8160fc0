// SPDX-License-Identifier: MIT
/* Load for guests of several processors, and measurements of their time; a static Linux program. One line of result per
 * command, "ok" at its end, or a line that says what was wrong and exit code 1.
 *
 *   vmload cpus                     online processors
 *   vmload pingpong N               a byte N times to and fro between processes on each pair of neighbours: wake-ups by
 * IPI vmload shootdown THREADS N      threads read pages whose protection and mapping one changes N times: TLB
 * shootdowns vmload spin THREADS N           threads that wait for each other by user-space spinning, N rounds vmload
 * timers US N              a cyclic timer on each processor at once: lateness percentiles in us, early ones counted
 *   vmload clock SECONDS            a thread hops over the processors and looks at the clock: it never goes back
 *   vmload rate SECONDS             CLOCK_MONOTONIC and the TSC at the beginning and the end
 *   vmload now                      CLOCK_MONOTONIC
 *   vmload touch MIB                writes and reads back so much memory
 *   vmload cpuid LEAF SUB           a CPUID leaf, hexadecimal
 *   vmload compute N | faults N     CPU-bound and page-fault-bound work */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* For tools/bench/insncount.c, a NOP to others: the work between the first and the second is counted. */
#define MARK(id) __asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long 0x4d4b0000 + %c0" : : "i"(id) : "memory")

#define CPUS_MAX 64
#define PAGES 16

static int cpus;

static void fail(const char *what)
{
    printf("vmload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        fail("pinning");
    }
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t tsc(void)
{
    return __builtin_ia32_rdtsc();
}

/* --- wake-ups -------------------------------------------------------------------------------------------------------
 */

static void echo(int in, int out, int cpu, long n)
{
    char c;

    pin(cpu);
    for (long i = 0; i < n; i++) {
        if (read(in, &c, 1) != 1 || write(out, &c, 1) != 1) {
            fail("echo");
        }
    }
}

static void ping(int a, int b, long n)
{
    int to[2], fro[2];

    if (pipe(to) != 0 || pipe(fro) != 0) {
        fail("pipe");
    }
    pid_t child = fork();
    if (child == 0) {
        echo(to[0], fro[1], b, n);
        _exit(0);
    }
    pin(a);
    for (long i = 0; i < n; i++) {
        char c = (char)i, back = 0;
        if (write(to[1], &c, 1) != 1 || read(fro[0], &back, 1) != 1 || back != c) {
            fail("ping");
        }
    }
    waitpid(child, NULL, 0);
}

static void pingpong(long n)
{
    pid_t pairs[CPUS_MAX];
    uint64_t start = now_ns();

    for (int i = 0; i < cpus; i++) {
        pairs[i] = fork();
        if (pairs[i] == 0) {
            ping(i, (i + 1) % cpus, n);
            _exit(0);
        }
    }
    for (int i = 0; i < cpus; i++) {
        int status = 0;
        waitpid(pairs[i], &status, 0);
        if (status != 0) {
            fail("a pair");
        }
    }
    printf("pingpong: %d pairs, %" PRIu64 " us per round trip, ok\n", cpus, (now_ns() - start) / 1000 / (uint64_t)n);
}

/* --- TLB shootdowns
 * --------------------------------------------------------------------------------------------------- */

static char *area;
static atomic_bool stop;
static atomic_long generation; /* what the pages hold, at least */

/* A stale translation would show an old page's content. */
static void *reader(void *arg)
{
    pin((int)(intptr_t)arg % cpus);
    while (!stop) {
        for (int i = 0; i < PAGES; i++) {
            long least = generation;
            long v = *(volatile long *)(area + i * 4096);
            if (v < least) {
                printf("vmload: stale translation: %ld behind %ld\n", v, least);
                exit(1);
            }
        }
    }
    return NULL;
}

/* New pages with the next generation move over the old ones; then the protection changes forth and back. */
static void remap(long g)
{
    char *fresh = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (fresh == MAP_FAILED) {
        fail("mmap");
    }
    for (int i = 0; i < PAGES; i++) {
        *(long *)(fresh + i * 4096) = g;
    }
    if (mremap(fresh, PAGES * 4096, PAGES * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, area) != area) {
        fail("mremap");
    }
    generation = g;
    if (mprotect(area, PAGES * 4096, PROT_READ) != 0 || mprotect(area, PAGES * 4096, PROT_READ | PROT_WRITE) != 0) {
        fail("mprotect");
    }
}

static void shootdown(int threads, long n)
{
    pthread_t t[CPUS_MAX];
    uint64_t start = now_ns();

    area = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < threads; i++) {
        pthread_create(&t[i], NULL, reader, (void *)(intptr_t)i);
    }
    for (long g = 1; g <= n; g++) {
        remap(g);
    }
    stop = true;
    for (int i = 0; i < threads; i++) {
        pthread_join(t[i], NULL);
    }
    printf("shootdown: %d threads, %" PRIu64 " us per change, ok\n", threads, (now_ns() - start) / 1000 / (uint64_t)n);
}

/* --- spinning
 * --------------------------------------------------------------------------------------------------------- */

static atomic_long turn;
static long rounds;
static int spinners;

static void *spinner(void *arg)
{
    long me = (long)(intptr_t)arg;

    pin((int)me % cpus);
    for (long i = 0; i < rounds; i++) {
        while (turn % spinners != me) {
            __builtin_ia32_pause();
        }
        turn++;
    }
    return NULL;
}

static void spin(int threads, long n)
{
    pthread_t t[CPUS_MAX];
    uint64_t start = now_ns();

    spinners = threads;
    rounds = n;
    for (int i = 0; i < threads; i++) {
        pthread_create(&t[i], NULL, spinner, (void *)(intptr_t)i);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(t[i], NULL);
    }
    printf("spin: %d threads, %" PRIu64 " us per turn, ok\n", threads,
           (now_ns() - start) / 1000 / (uint64_t)(n * threads));
}

/* --- time
 * ------------------------------------------------------------------------------------------------------------- */

struct cyclic {
    int cpu;
    long count, early;
    uint64_t period_ns, *late_ns;
};

static void *cyclic_thread(void *arg)
{
    struct cyclic *c = arg;
    uint64_t next = now_ns();

    pin(c->cpu);
    for (long i = 0; i < c->count; i++) {
        next += c->period_ns;
        struct timespec t = {(time_t)(next / 1000000000), (long)(next % 1000000000)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
        }
        uint64_t now = now_ns();
        c->early += now < next;
        c->late_ns[i] = now < next ? 0 : now - next;
        if (now > next + c->period_ns) {
            next = now; /* the measurement is of single timers, not of catching up */
        }
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void timers(long us, long n)
{
    struct cyclic c[CPUS_MAX];
    pthread_t t[CPUS_MAX];
    uint64_t *late = calloc((size_t)(n * cpus), sizeof(*late));
    long early = 0;

    for (int i = 0; i < cpus; i++) {
        c[i] = (struct cyclic){i, n, 0, (uint64_t)us * 1000, late + i * n};
        pthread_create(&t[i], NULL, cyclic_thread, &c[i]);
    }
    for (int i = 0; i < cpus; i++) {
        pthread_join(t[i], NULL);
        early += c[i].early;
    }
    qsort(late, (size_t)(n * cpus), sizeof(*late), compare);
    printf("timers: early=%ld p50=%" PRIu64 " p99=%" PRIu64 " max=%" PRIu64 " ok\n", early, late[n * cpus / 2] / 1000,
           late[n * cpus * 99 / 100] / 1000, late[n * cpus - 1] / 1000);
}

static void clock_hops(long seconds)
{
    uint64_t start = now_ns(), last = start, last_tsc = 0;
    long hops = 0;

    while (last - start < (uint64_t)seconds * 1000000000) {
        pin((int)(hops++ % cpus));
        for (int i = 0; i < 20; i++) {
            uint64_t now = now_ns(), t = tsc();
            if (now < last || t < last_tsc) {
                printf("vmload: time went back on processor %ld: clock %" PRId64 " ns, TSC %" PRId64 "\n", hops % cpus,
                       (int64_t)(now - last), (int64_t)(t - last_tsc));
                exit(1);
            }
            last = now;
            last_tsc = t;
        }
    }
    printf("clock: %ld hops, ok\n", hops);
}

static void rate(long seconds)
{
    uint64_t ns = now_ns(), ticks = tsc();

    sleep((unsigned)seconds);
    printf("rate: ns=%" PRIu64 " tsc=%" PRIu64 " ok\n", now_ns() - ns, tsc() - ticks);
}

/* --- work for benchmarks
 * -------------------------------------------------------------------------------------------------- */

static void compute(long n)
{
    uint64_t x = 1, start = now_ns();

    MARK(1);
    for (long i = 0; i < n; i++) {
        for (int k = 0; k < 1000; k++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            x ^= x >> 29;
        }
    }
    MARK(2);
    printf("compute: %016" PRIx64 " ns=%" PRIu64 " ok\n", x, now_ns() - start);
}

static void faults(long n)
{
    uint64_t start = now_ns();

    MARK(1);
    for (long i = 0; i < n; i++) {
        char *p = mmap(NULL, 256 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            fail("mmap");
        }
        madvise(p, 256 * 4096, MADV_NOHUGEPAGE);
        for (int k = 0; k < 256; k++) {
            p[k * 4096] = 1;
        }
        munmap(p, 256 * 4096);
    }
    MARK(2);
    printf("faults: ns=%" PRIu64 " ok\n", now_ns() - start);
}

static void touch(long mib)
{
    size_t words = ((size_t)mib << 20) / sizeof(uint64_t);
    uint64_t *p = mmap(NULL, words * sizeof(*p), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        fail("mmap");
    }
    for (size_t i = 0; i < words; i += 64) {
        p[i] = i * 0x9e3779b97f4a7c15u;
    }
    for (size_t i = 0; i < words; i += 64) {
        if (p[i] != i * 0x9e3779b97f4a7c15u) {
            fail("memory has another content");
        }
    }
    printf("touch: %ld MiB ok\n", mib);
}

static void print_cpuid(unsigned long leaf, unsigned sub)
{
    unsigned a, b, c, d;

    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"((unsigned)leaf), "c"(sub));
    printf("cpuid: %08x %08x %08x %08x ok\n", a, b, c, d);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    long a = argc > 2 ? atol(argv[2]) : 1, b = argc > 3 ? atol(argv[3]) : 1;

    cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (strcmp(what, "cpus") == 0) {
        printf("cpus: %d ok\n", cpus);
    } else if (strcmp(what, "pingpong") == 0) {
        pingpong(a);
    } else if (strcmp(what, "shootdown") == 0) {
        shootdown((int)a, b);
    } else if (strcmp(what, "spin") == 0) {
        spin((int)a, b);
    } else if (strcmp(what, "timers") == 0) {
        timers(a, b);
    } else if (strcmp(what, "clock") == 0) {
        clock_hops(a);
    } else if (strcmp(what, "rate") == 0) {
        rate(a);
    } else if (strcmp(what, "compute") == 0) {
        compute(a);
    } else if (strcmp(what, "cpuid") == 0) {
        print_cpuid(strtoul(argc > 2 ? argv[2] : "0", NULL, 16), (unsigned)b);
    } else if (strcmp(what, "now") == 0) {
        printf("now=%" PRIu64 " ok\n", now_ns());
    } else if (strcmp(what, "touch") == 0) {
        touch(a);
    } else if (strcmp(what, "faults") == 0) {
        faults(a);
    } else {
        fprintf(stderr, "usage: see the top of vmload.c\n");
        return 2;
    }
    return 0;
}

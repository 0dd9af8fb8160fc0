// SPDX-License-Identifier: MIT
/* The kernel's own test: a root task without a C library that uses every object and provokes every error. It is
 * booted as the first module; prints "ok N - name" or "not ok N - name" per test, at the end "ktest: N passed, M
 * failed", and resets the machine. */
#pragma once

#include <abi/kinfo.h>
#include <sk/sys.h>
#include <stdbool.h>
#include <stddef.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define RW (RIGHT_R | RIGHT_W)
#define MS 1000000ull

extern const struct boot_info *boot;
extern cap_t ram;         /* a free megabyte and more, 2 MiB aligned */
extern struct utcb *utcb; /* the main thread's */

static inline void ignore(int64_t result)
{
    (void)result;
}
void print(const char *s);
/* "# name: value" */
void print_figure(const char *name, uint64_t value);
/* Compares and counts; says where and what if they differ. */
void check_eq(const char *file, int line, const char *text, uint64_t got, uint64_t want);
#define CHECK_EQ(got, want) check_eq(__FILE__, __LINE__, #got, (uint64_t)(got), (uint64_t)(want))
#define CHECK(x) check_eq(__FILE__, __LINE__, #x, (x) ? 1 : 0, 1)
/* A capability index that must be valid. */
cap_t check_cap(const char *file, int line, const char *text, int64_t got);
#define CAP(x) check_cap(__FILE__, __LINE__, #x, (x))

/* A thread of this task with a stack and UTCB of its own. */
struct worker {
    void (*fn)(struct worker *);
    struct utcb *utcb;
    cap_t thread;
    cap_t cap[4];               /* for the test */
    volatile uint64_t value[4]; /* for the test */
};
/* Starts it. It ends by itself when fn returns, with exit code 0. */
struct worker *worker_start(void (*fn)(struct worker *), unsigned priority, cap_t cap0, cap_t cap1);
/* The same, but not started yet. */
struct worker *worker_create(void (*fn)(struct worker *), unsigned priority, cap_t cap0, cap_t cap1);
void worker_run(struct worker *w);
/* Destroys all workers; done after each test. */
void workers_end(void);
/* State of a thread when it has stopped being READY, CALLING, ... or 100 ms have passed. */
int64_t thread_settle(cap_t thread);
const struct thread_info *thread_info(cap_t thread);
void spin_ms(uint64_t ms);
/* A task that can run position-independent code: code [from, to) is at CHILD_CODE; its quota is CAP_QUOTA. Thread
 * stopped. */
#define CHILD_CODE 0x400000ull
#define CHILD_UTCB 0x600000ull
cap_t child_create(cap_t quota, const char *from, const char *to, cap_t *thread);

void *memcpy(void *restrict to, const void *restrict from, size_t n);
/* How many pages a test may leave in use: page tables and capability slots of this task. */
extern uint64_t pages_kept;
void run(const char *name, void (*fn)(void));
void test_objects(void);
void test_memory(void);
void test_ipc(void);
void test_threads(void);
void test_devices(void);
void test_guests(void);
void test_smp(void);
void smp_busy(void);

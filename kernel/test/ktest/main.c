// SPDX-License-Identifier: MIT
// Start, checks, threads of the kernel test (ktest.h).
#include "ktest.h"

const struct boot_info *boot;
cap_t ram;
struct utcb *utcb;
uint64_t pages_kept;

static unsigned passed, failed, test_number;
static bool test_failed;

#define SLOTS 8192u /* of a capability table */
#define WORKERS 8
#define STACK_SIZE 16384
static struct worker workers[WORKERS];
static unsigned worker_count;
static char stacks[WORKERS][STACK_SIZE] __attribute__((aligned(16)));

__asm__(".pushsection .text\n"
        ".globl _start\n"
        "_start: xor %ebp, %ebp\n"
        "  call ktest_main\n"
        "  ud2\n"
        ".popsection\n");
_Noreturn void ktest_main(const struct boot_info *info);
void *memset(void *to, int c, size_t n);

void *memset(void *to, int c, size_t n)
{
    void *d = to;

    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *d = to;

    __asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
    return to;
}

void print(const char *s)
{
    unsigned n = 0;
    char *to = (char *)utcb->mr;

    for (; s[n] != '\0' && n < UTCB_BYTES; n++) {
        to[n] = s[n];
    }
    ignore(sys_console_write(boot->console, n));
}

static char *put_number(char *end, uint64_t v, unsigned base)
{
    *--end = '\0';
    do {
        *--end = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    return end;
}

static void print_number(uint64_t v)
{
    char buf[24];

    if ((int64_t)v < 0 && (int64_t)v > -100000) {
        print("-");
        v = -v;
    }
    print(put_number(buf + sizeof(buf), v, 10));
    if (v > 9) {
        print(" (0x");
        print(put_number(buf + sizeof(buf), v, 16));
        print(")");
    }
}

void print_figure(const char *name, uint64_t value)
{
    print("# ");
    print(name);
    print(": ");
    print_number(value);
    print("\n");
}

void check_eq(const char *file, int line, const char *text, uint64_t got, uint64_t want)
{
    if (got == want) {
        return;
    }
    test_failed = true;
    print("# ");
    print(file);
    print(":");
    print_number((uint64_t)line);
    print(": ");
    print(text);
    print(" is ");
    print_number(got);
    print(", not ");
    print_number(want);
    print("\n");
}

cap_t check_cap(const char *file, int line, const char *text, int64_t got)
{
    if (got <= 0) {
        check_eq(file, line, text, (uint64_t)got, 1);
    }
    return got > 0 ? (cap_t)got : CAP_NULL;
}

/* --- threads ------------------------------------------------------------------------------------------------- */

static void worker_main(struct worker *w)
{
    w->fn(w);
    sys_thread_exit(0);
}

struct worker *worker_create(void (*fn)(struct worker *), unsigned priority, cap_t cap0, cap_t cap1)
{
    struct worker *w = &workers[worker_count];
    uint64_t va = 0x10000000ull + worker_count++ * 0x2000;

    *w = (struct worker){.fn = fn, .utcb = (struct utcb *)va, .cap = {cap0, cap1}};
    w->thread = CAP(sys_thread_create(CAP_QUOTA, CAP_TASK, va, priority));
    return w;
}

void worker_run(struct worker *w)
{
    uint64_t top = (uint64_t)stacks[w - workers] + STACK_SIZE - 8;

    CHECK_EQ(sys_thread_start(w->thread, (uint64_t)worker_main, top, (uint64_t)w), SK_OK);
}

struct worker *worker_start(void (*fn)(struct worker *), unsigned priority, cap_t cap0, cap_t cap1)
{
    struct worker *w = worker_create(fn, priority, cap0, cap1);

    worker_run(w);
    return w;
}

void workers_end(void)
{
    while (worker_count > 0) {
        (void)sys_obj_destroy(workers[--worker_count].thread);
    }
}

const struct thread_info *thread_info(cap_t thread)
{
    ignore(sys_thread_info(thread).value);
    return (const struct thread_info *)utcb->mr;
}

int64_t thread_settle(cap_t thread)
{
    uint64_t end = sys_now_ns() + 100 * MS;
    int64_t state;

    do {
        ignore(sys_wait(sys_now_ns() + MS / 2).value);
        state = sys_thread_info(thread).value;
    } while (state != THREAD_EXITED && state != THREAD_FAULTED && state != THREAD_STOPPED && state > 0 &&
             sys_now_ns() < end);
    return state;
}

void spin_ms(uint64_t ms)
{
    uint64_t end = sys_now_ns() + ms * MS;

    while (sys_now_ns() < end) {
    }
}

cap_t child_create(cap_t quota, const char *from, const char *to, cap_t *thread)
{
    const uint64_t scratch = 0x30000000;
    cap_t page = CAP(sys_mem_derive(CAP_QUOTA, ram, 0, PAGE_SIZE, RIGHT_ALL));
    cap_t task = CAP(sys_task_create(quota));

    CHECK_EQ(sys_map(CAP_TASK, page, 0, PAGE_SIZE, scratch, RW).value, SK_OK);
    memcpy((void *)scratch, from, (size_t)(to - from));
    CHECK_EQ(sys_unmap(CAP_TASK, scratch, PAGE_SIZE), SK_OK);
    CHECK_EQ(sys_map(task, page, 0, PAGE_SIZE, CHILD_CODE, RIGHT_R | RIGHT_X).value, SK_OK);
    CHECK_EQ(sys_task_grant(task, quota, RIGHT_ALL, CAP_QUOTA), CAP_QUOTA);
    CHECK_EQ(sys_cap_drop(page), SK_OK); /* the mapping keeps it */
    *thread = CAP(sys_thread_create(quota, task, CHILD_UTCB, 100));
    return task;
}

/* ---------------------------------------------------------------------------------------------------------------- */

/* Gives the slots of objects that have died back, which tests need not do. */
static void drop_void_slots(void)
{
    for (cap_t i = CAP_LOADER_SLOTS; i < SLOTS; i++) {
        if (sys_cap_info(i).value == SK_ECAP) {
            ignore(sys_cap_drop(i));
        }
    }
}

void run(const char *name, void (*fn)(void))
{
    test_failed = false;
    pages_kept = 16;
    uint64_t used = sys_quota_info(CAP_QUOTA).extra;

    fn();
    workers_end();
    ignore(sys_wait(0).value);
    drop_void_slots();
    uint64_t left = sys_quota_info(CAP_QUOTA).extra;
    if (left > used + pages_kept * PAGE_SIZE) {
        CHECK_EQ(left, used);
    }
    passed += !test_failed;
    failed += test_failed;
    print(test_failed ? "not ok " : "ok ");
    print_number(++test_number);
    print(" - ");
    print(name);
    print("\n");
}

/* "ktest stay": does not reset but stays in user mode, to be looked at from outside; "ktest fault": faults at once;
 * "ktest busy": the second processor prints without end; "ktest processors": only these tests. Tells by the first letter. */
static bool told_to(char letter)
{
    const char *s = boot->strings + boot->cmdline;

    while (*s != '\0' && *s != ' ') {
        s++;
    }
    return *s == ' ' && s[1] == letter;
}

static cap_t find_ram(void)
{
    unsigned best = 0;

    for (unsigned i = 1; i < boot->memory_count; i++) {
        if (boot->memory[i].size > boot->memory[best].size) {
            best = i;
        }
    }
    uint64_t skip = -boot->memory[best].base & 0x1fffff;

    return CAP(sys_mem_derive(CAP_QUOTA, boot->memory[best].cap, skip, 16 << 20, RIGHT_ALL));
}

void ktest_main(const struct boot_info *info)
{
    boot = info;
    utcb = (struct utcb *)info->utcb;
    if (told_to('f')) {
        *(volatile uint64_t *)0x123000 = 1;
    }
    if (told_to('b')) {
        smp_busy();
    }
    print("ktest: start\n");
    ram = find_ram();
    if (!told_to('p')) {
        test_objects();
        test_memory();
        test_ipc();
        test_threads();
        test_devices();
        test_guests();
    }
    test_smp();
    print("ktest: ");
    print_number(passed);
    print(" passed, ");
    print_number(failed);
    print(" failed\n");
    while (told_to('s')) {
    }
    ignore(sys_machine_reset(boot->machine));
    sys_thread_exit(failed != 0);
}

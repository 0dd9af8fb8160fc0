// SPDX-License-Identifier: MIT
// vmtest: the runner, output, and the machine's memory.
#include "vmtest.h"

#define MAP_BASE 0x20000000ull
#define EXIT_PORT 0xf4 /* -device isa-debug-exit,iobase=0xf4,iosize=4 */
#define THREAD_STACK 16384
#define THREAD_UTCB 0x18000000ull

const struct boot_info *boot;
void vmtest_main(const struct boot_info *info) __attribute__((noreturn));

static uint64_t mem_next;  /* taken so far of the largest free RAM */
static uint64_t map_next = MAP_BASE;
static bool failed;
static const char *skipped;

void *memcpy(void *to, const void *from, size_t n)
{
    void *p = to;

    __asm__ volatile("rep movsb" : "+D"(p), "+S"(from), "+c"(n) : : "memory");
    return to;
}

void *memset(void *to, int c, size_t n)
{
    void *p = to;

    __asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;

    for (size_t i = 0; i < n; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}

/* --- output ------------------------------------------------------------------------------------------------------ */

static char line[256];
static unsigned line_len;

static void say_flush(void)
{
    struct utcb *u = (struct utcb *)boot->utcb;

    memcpy(u->mr, line, line_len);
    ignore(sys_console_write(boot->console, line_len));
    line_len = 0;
}

void say(const char *text)
{
    for (; *text; text++) {
        line[line_len++] = *text;
        if (*text == '\n' || line_len == sizeof(line)) {
            say_flush();
        }
    }
}

void say_hex(uint64_t v)
{
    char text[19] = "0x";
    unsigned n = 2, shift = 60;

    while (shift && !(v >> shift)) {
        shift -= 4;
    }
    for (;; shift -= 4) {
        text[n++] = "0123456789abcdef"[v >> shift & 15];
        if (!shift) {
            break;
        }
    }
    text[n] = '\0';
    say(text);
}

void say_number(unsigned v)
{
    char text[12];
    unsigned n = sizeof(text) - 1;

    text[n] = '\0';
    do {
        text[--n] = (char)('0' + v % 10);
    } while (v /= 10);
    say(text + n);
}

void check_failed(const char *file, int source_line, const char *what, uint64_t have, uint64_t want)
{
    failed = true;
    say("vmtest:   ");
    say(file);
    say(":");
    say_number((unsigned)source_line);
    say(": ");
    say(what);
    say(": ");
    say_hex(have);
    say(", not ");
    say_hex(want);
    say("\n");
}

void test_skip(const char *why)
{
    skipped = why;
}

bool on_tcg(void)
{
    uint32_t a = 0x40000000, b, c, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return b == 0x54474354 && c == 0x43544743 && d == 0x47435447; /* "TCGTCGTCGTCG" */
}

bool option(const char *word)
{
    const char *p = boot->strings + boot->cmdline;
    size_t n = 0;

    while (word[n]) {
        n++;
    }
    while (*p) {
        while (*p == ' ') {
            p++;
        }
        size_t len = 0;
        while (p[len] && p[len] != ' ') {
            len++;
        }
        if (len == n && !memcmp(p, word, n)) {
            return true;
        }
        p += len;
    }
    return false;
}

/* --- memory, threads, signals --------------------------------------------------------------------------------------- */

static const struct boot_memory *largest(void)
{
    const struct boot_memory *best = &boot->memory[0];

    for (unsigned i = 1; i < boot->memory_count; i++) {
        best = boot->memory[i].size > best->size ? &boot->memory[i] : best;
    }
    return best;
}

cap_t mem_take(uint64_t size, uint64_t align)
{
    const struct boot_memory *m = largest();
    uint64_t at = ((m->base + mem_next + align - 1) & ~(align - 1)) - m->base;
    int64_t cap = sys_mem_derive(CAP_QUOTA, m->cap, at, size, RIGHT_ALL);

    if (cap < 0) {
        check_failed(__FILE__, __LINE__, "mem_take", (uint64_t)cap, 0);
        return CAP_NULL;
    }
    mem_next = at + size;
    return (cap_t)cap;
}

void *mem_map(cap_t mem, uint64_t size)
{
    uint64_t va = map_next;
    int64_t err = sys_map(CAP_TASK, mem, 0, size, va, RIGHT_R | RIGHT_W).value;

    if (err) {
        check_failed(__FILE__, __LINE__, "mem_map", (uint64_t)err, 0);
    }
    map_next = (va + size + 0x1fffff) & ~0x1fffffull;
    return (void *)va;
}

void wait_in_guest(void)
{
    while (sys_thread_info(CAP_THREAD).value != THREAD_IN_GUEST) {
        sys_thread_yield();
    }
}

cap_t thread_run(void (*entry)(uint64_t arg), uint64_t arg, unsigned priority)
{
    static uint8_t stack[THREAD_STACK] __attribute__((aligned(16)));
    int64_t t = sys_thread_create(CAP_QUOTA, CAP_TASK, THREAD_UTCB, priority);

    if (t > 0 && ((const struct kinfo *)KINFO_VA)->cpus > 1) {
        ignore(sys_thread_set((cap_t)t, THREAD_CPU, 1)); /* what it does to a guest, it does from another processor */
    }
    if (t < 0 || sys_thread_start((cap_t)t, (uint64_t)entry, (uint64_t)stack + sizeof(stack) - 8, arg) < 0) {
        check_failed(__FILE__, __LINE__, "thread_run", (uint64_t)t, 0);
    }
    return (cap_t)t;
}

cap_t signal_make(uint64_t label)
{
    int64_t s = sys_signal_create(CAP_QUOTA);

    if (s < 0 || sys_signal_bind((cap_t)s, CAP_THREAD, label) < 0) {
        check_failed(__FILE__, __LINE__, "signal_make", (uint64_t)s, 0);
    }
    return (cap_t)s;
}

/* --- runner --------------------------------------------------------------------------------------------------------- */

static unsigned count_passed, count_failed, count_skipped;

static uint64_t quota_used(void)
{
    return sys_quota_info(CAP_QUOTA).extra;
}

static void run_one(const struct test *t)
{
    static struct vm vm;
    uint64_t used = quota_used();

    failed = false;
    skipped = NULL;
    mem_next = 0;
    vm_open(&vm);
    if (!failed) {
        t->run(&vm);
    }
    vm_close(&vm);
    /* slabs and table pages may stay, the vcpu's pages must not */
    if (!failed && quota_used() > used + 16 * PAGE_SIZE) {
        check_failed(__FILE__, __LINE__, "kernel memory leaked by the test", quota_used(), used);
    }
    say(failed ? "vmtest: FAIL " : skipped ? "vmtest: skip " : "vmtest: ok ");
    say(t->name);
    if (skipped && !failed) {
        say(": ");
        say(skipped);
    }
    say("\n");
    failed ? count_failed++ : skipped ? count_skipped++ : count_passed++;
}

static void run_all(const struct test *t)
{
    for (; t->name; t++) {
        run_one(t);
    }
}

static void finish(void)
{
    say("vmtest: ");
    say_number(count_passed);
    say(" passed, ");
    say_number(count_failed);
    say(" failed, ");
    say_number(count_skipped);
    say(" skipped\n");
    ignore(sys_port_out(boot->ioport, EXIT_PORT, 4, count_failed ? 1 : 0));
    ignore(sys_machine_reset(boot->machine));
    for (;;) {
        sys_thread_yield();
    }
}

void vmtest_main(const struct boot_info *info)
{
    boot = info;
    if (sys_kinfo()->vm_kind == VM_NONE) {
        say("vmtest: no virtualization: only its absence is tested\n");
        failed = sys_guest_create(CAP_QUOTA) != SK_ENODEV;
        failed ? count_failed++ : count_passed++;
    } else {
        run_all(tests_state);
        run_all(tests_exit);
        run_all(tests_event);
        run_all(tests_life);
    }
    finish();
    __builtin_unreachable();
}

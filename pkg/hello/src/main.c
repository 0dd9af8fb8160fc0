// SPDX-License-Identifier: MIT
/* A small program for tests: shows what it was started with, and ends as it is told.
 *   hello [--code N] [--file rom/NAME] [--alloc KIB] [--env NAME] [--lines N] [--sleep MS] [--echo]
 *         [--null] [--jump] [--overflow] [--abort] [--guard] [--unknown-call] [--destroy SLOT] [--exhaust]
 *         [--stop once|never] [TEXT...] */
#include <rt/guard.h>
#include <rt/stop.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int show_caps(const char *arg)
{
    const struct sk_env_entry *e;

    (void)arg;
    for (unsigned i = 0; (e = sk_env_at(i)); i++) {
        struct sys_result info = sys_cap_info(e->cap);
        printf("capability %s: slot %u type %u rights 0x%x\n", e->name, e->cap, (unsigned)(info.value & 0xff),
               (unsigned)(info.value >> 8));
    }
    return 0;
}

static int show_file(const char *path)
{
    char line[128];
    FILE *f = fopen(path, "r");

    if (!f) {
        printf("file %s: ", path);
        fflush(stdout);
        perror("cannot open");
        return 0;
    }
    for (int n = 1; fgets(line, sizeof(line), f); n++) {
        printf("file %s line %d: %s", path, n, line);
    }
    fclose(f);
    return 0;
}

static int allocate(const char *kib)
{
    size_t bytes = strtoull(kib, NULL, 0) << 10, bad = 0;
    unsigned char *p = malloc(bytes);

    if (!p) {
        printf("alloc %s KiB: failed\n", kib);
        return 0;
    }
    memset(p, 0xa5, bytes);
    for (size_t i = 0; i < bytes; i++) {
        bad += p[i] != 0xa5;
    }
    printf("alloc %s KiB: %s\n", kib, bad ? "corrupt" : "ok");
    free(p);
    return 0;
}

static int show_env(const char *name)
{
    const char *value = getenv(name);

    printf("env %s=%s\n", name, value ? value : "(not set)");
    return 0;
}

static int write_lines(const char *count)
{
    int n = atoi(count);

    for (int i = 0; i < n; i++) {
        printf("line %d of %d\n", i + 1, n);
    }
    return 0;
}

static int sleep_ms(const char *ms)
{
    long n = atol(ms);
    struct timespec ts = {n / 1000, n % 1000 * 1000000};

    nanosleep(&ts, NULL);
    printf("slept %ld ms\n", n);
    return 0;
}

static int echo(const char *arg)
{
    char line[128];

    (void)arg;
    printf("waiting for input\n");
    while (fgets(line, sizeof(line), stdin) && strcmp(line, "end\n") != 0 && strcmp(line, "end\r\n") != 0) {
        printf("echo: %s", line);
    }
    return 0;
}

static int fault_null(const char *arg)
{
    volatile int *volatile p = (volatile int *)0x10;

    (void)arg;
    return *p;
}

static int fault_jump(const char *arg)
{
    void (*volatile f)(void) = (void (*)(void))0x1234000;

    (void)arg;
    f();
    return 0;
}

static int (*volatile overflow_again)(const char *);

static int overflow(const char *arg)
{
    volatile char block[4096];

    overflow_again = overflow;
    block[0] = arg ? arg[0] : 0;
    block[4095] = (char)overflow_again(arg);
    return block[0] + block[4095];
}

static int do_abort(const char *arg)
{
    (void)arg;
    abort();
}

static void stop_event(void *ctx)
{
    *(bool *)ctx = true;
}

/* Waits until it is asked to end, and does so, or not. */
static int wait_for_stop(const char *arg)
{
    struct server_source stop;
    bool stopped = false;
    int64_t err = server_signal(&stop, CAP_NULL, stop_event, &stopped);

    if (err >= 0) {
        err = rt_stop_signal(stop.cap);
    }
    printf("waiting for the end: %s; a second time: %s\n", sk_strerror(err), sk_errname(rt_stop_signal(stop.cap)));
    while (err >= 0 && (!stopped || strcmp(arg, "never") == 0)) {
        (void)server_poll(DEADLINE_NEVER);
    }
    printf("asked to end\n");
    return 0;
}

/* Slot 1 is the task itself, 2 the thread, 3 the quota. */
static int destroy(const char *slot)
{
    printf("destroying slot %s: %s\n", slot, sk_errname(sys_obj_destroy((cap_t)atoi(slot))));
    return 0;
}

/* All the kernel memory that there is, in signals. */
static int exhaust(const char *arg)
{
    unsigned n = 0;
    int64_t err;

    (void)arg;
    while ((err = sys_signal_create(CAP_QUOTA)) > 0) {
        n++;
    }
    printf("%s signals: %s\n", n > 1000 ? "many" : "few", sk_errname(err));
    return 0;
}

static int guard(const char *arg)
{
    uint64_t value = 0;
    char buf[16];
    bool bad_read = rt_guarded_read64((void *)0x10, &value);
    bool bad_copy = rt_guarded_copy(buf, (void *)0x20, sizeof(buf));
    bool good = rt_guarded_copy(buf, "0123456789abcde", sizeof(buf));

    (void)arg;
    printf("guard: %s\n", !bad_read && !bad_copy && good && strcmp(buf, "0123456789abcde") == 0 ? "ok" : "broken");
    return 0;
}

static int unknown_call(const char *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        if (syscall(170, 0, 0) != -1) {
            printf("unknown call: broken\n");
        }
    }
    return 0;
}

static const struct {
    const char *name;
    int takes_value;
    int (*run)(const char *value);
} options[] = {
    {"--caps", 0, show_caps},
    {"--file", 1, show_file},
    {"--alloc", 1, allocate},
    {"--env", 1, show_env},
    {"--lines", 1, write_lines},
    {"--sleep", 1, sleep_ms},
    {"--echo", 0, echo},
    {"--null", 0, fault_null},
    {"--jump", 0, fault_jump},
    {"--overflow", 0, overflow},
    {"--abort", 0, do_abort},
    {"--guard", 0, guard},
    {"--unknown-call", 0, unknown_call},
    {"--destroy", 1, destroy},
    {"--exhaust", 0, exhaust},
    {"--stop", 1, wait_for_stop},
};

static int run_option(int argc, char **argv, int i, int *code)
{
    if (strcmp(argv[i], "--code") == 0 && i + 1 < argc) {
        *code = atoi(argv[i + 1]);
        return i + 1;
    }
    for (size_t o = 0; o < sizeof(options) / sizeof(options[0]); o++) {
        if (strcmp(argv[i], options[o].name) == 0 && i + options[o].takes_value < argc) {
            options[o].run(options[o].takes_value ? argv[i + 1] : NULL);
            return i + options[o].takes_value;
        }
    }
    return i;
}

int main(int argc, char **argv)
{
    int code = 0;

    for (int i = 0; i < argc; i++) {
        printf("arg %d: %s\n", i, argv[i]);
    }
    for (int i = 1; i < argc; i++) {
        i = run_option(argc, argv, i, &code);
    }
    return code;
}

// SPDX-License-Identifier: MIT
// The loader: how programs are made, how they end, and that nothing of them stays.
#include "check.h"

#include <proto/prog.h>
#include <sk/env.h>
#include <sk/msg.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ull

static int64_t create_with(const char *path, uint64_t kernel_bytes, cap_t mem)
{
    struct msg m;

    msg_begin(&m, PROG_CREATE);
    msg_put_str(&m, path);
    msg_put(&m, kernel_bytes);
    msg_put(&m, 0);
    msg_put(&m, 0);
    msg_put_cap(&m, sk_env_get("log"), RIGHT_CALL);
    msg_put_cap(&m, mem, RIGHT_CALL);
    msg_recv_caps(&m, 1);
    int64_t err = msg_call(&m, sk_env_get("loader"), DEADLINE_NEVER);
    if (err < 0) {
        return err;
    }
    cap_t cap = msg_get_cap(&m);
    err = msg_end(&m);
    return err < 0 ? err : (int64_t)cap;
}

static int64_t create(const char *path)
{
    return create_with(path, 0, sk_env_get("mem"));
}

static int64_t put_str(cap_t program, uint32_t op, const char *s)
{
    struct msg m;

    msg_begin(&m, op);
    msg_put_str(&m, s);
    return msg_call(&m, program, DEADLINE_NEVER);
}

static int64_t put_cap(cap_t program, const char *name, cap_t cap)
{
    struct msg m;

    msg_begin(&m, PROG_CAP);
    msg_put_str(&m, name);
    msg_put_cap(&m, cap, RIGHT_ALL);
    return msg_call(&m, program, DEADLINE_NEVER);
}

struct status {
    uint64_t state;
    int64_t code;
    char reason[160];
};

static struct status status_of(cap_t program)
{
    struct status s = {0};
    struct msg m;

    msg_begin(&m, PROG_STATUS);
    CHECK_EQ(msg_call(&m, program, DEADLINE_NEVER), SK_OK);
    s.state = msg_get(&m);
    s.code = (int64_t)msg_get(&m);
    msg_get_str(&m, s.reason, sizeof(s.reason));
    CHECK_EQ(msg_end(&m), SK_OK);
    return s;
}

static void set_flag(void *ctx)
{
    *(volatile bool *)ctx = true;
}

/* Waits for the end by the signal. */
static struct status wait_end(cap_t program)
{
    struct server_source s;
    volatile bool ended = false;
    struct msg m;
    uint64_t deadline = sys_now_ns() + 20 * SECOND;

    CHECK_EQ(server_signal(&s, CAP_NULL, set_flag, (void *)&ended), SK_OK);
    msg_begin(&m, PROG_BIND);
    msg_put_cap(&m, s.cap, RIGHT_CALL);
    CHECK_EQ(msg_call(&m, program, DEADLINE_NEVER), SK_OK);
    while (!ended && server_poll(deadline)) {
    }
    CHECK(ended);
    server_remove(&s);
    return status_of(program);
}

/* Starts hello with two arguments (either may be NULL). */
static cap_t start_hello(cap_t mem, const char *a, const char *b)
{
    int64_t p = create_with("rom/hello", 0, mem);

    CHECK(p > 0);
    CHECK_EQ(put_str((cap_t)p, PROG_ARG, "hello"), SK_OK);
    if (a) {
        CHECK_EQ(put_str((cap_t)p, PROG_ARG, a), SK_OK);
    }
    if (b) {
        CHECK_EQ(put_str((cap_t)p, PROG_ARG, b), SK_OK);
    }
    CHECK_EQ(call_empty((cap_t)p, PROG_START), SK_OK);
    return (cap_t)p;
}

void test_programs(void)
{
    static char big[3001];
    cap_t mem = sk_env_get("mem");

    CHECK_EQ(create("rom/no-such-program"), SK_ENOENT);
    CHECK_EQ(create("hello"), SK_ENOENT);
    CHECK_EQ(create("rom/no-program.txt"), SK_EINVAL);
    CHECK(create_with("rom/hello", 4096, mem) < 0);
    CHECK(create_with("rom/hello", 1ull << 50, mem) < 0);
    int64_t p = create("rom/hello");
    CHECK(p > 0);
    CHECK_EQ(status_of((cap_t)p).state, PROG_NEW);
    CHECK_EQ(put_str((cap_t)p, PROG_ENV, "no assignment"), SK_EINVAL);
    CHECK_EQ(put_cap((cap_t)p, "log", CAP_TASK), SK_EEXIST);
    CHECK_EQ(put_cap((cap_t)p, "", CAP_TASK), SK_EINVAL);
    CHECK_EQ(put_cap((cap_t)p, "extra", sk_env_get("rom")), SK_OK);
    memset(big, 'x', sizeof(big) - 1);
    int n = 0;
    while (n < 100 && put_str((cap_t)p, PROG_ARG, big) == SK_OK) {
        n++;
    }
    CHECK_EQ(n, (64 << 10) / 3002);
    CHECK_EQ(call_empty((cap_t)p, PROG_KILL), SK_OK);
    CHECK_EQ(status_of((cap_t)p).state, PROG_KILLED);
    CHECK_EQ(call_empty((cap_t)p, PROG_START), SK_EBUSY);
    CHECK_EQ(put_str((cap_t)p, PROG_ARG, "x"), SK_EBUSY);
    sys_cap_drop((cap_t)p);
}

/* A program that destroys what it runs on ends, and others that use up their quota harm nobody else. */
void test_program_destroys_itself(void)
{
    static const char *const slots[] = {"1", "2", "3"};

    for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
        cap_t p = start_hello(sk_env_get("mem"), "--destroy", slots[i]);
        CHECK_EQ(wait_end(p).state, PROG_KILLED);
        sys_cap_drop(p);
    }
    cap_t p = start_hello(sk_env_get("mem"), "--exhaust", NULL);
    struct status s = wait_end(p);
    CHECK_EQ(s.state, PROG_EXITED);
    CHECK_EQ(s.code, 0);
    sys_cap_drop(p);
}

void test_program_ends(void)
{
    cap_t mem = sk_env_get("mem"), p = start_hello(mem, "--code", "7");
    struct status s = wait_end(p);

    CHECK_EQ(s.state, PROG_EXITED);
    CHECK_EQ(s.code, 7);
    CHECK(strcmp(s.reason, "exited with 7") == 0);
    CHECK_EQ(wait_end(p).code, 7); /* bound after the end */
    sys_cap_drop(p);
    p = start_hello(mem, "--null", NULL);
    s = wait_end(p);
    CHECK_EQ(s.state, PROG_FAULTED);
    CHECK(strncmp(s.reason, "page fault reading 0x10", 23) == 0);
    sys_cap_drop(p);
    p = start_hello(mem, "--overflow", NULL);
    CHECK_EQ(wait_end(p).state, PROG_FAULTED);
    sys_cap_drop(p);
    p = start_hello(mem, "--sleep", "1000000");
    CHECK_EQ(status_of(p).state, PROG_RUNNING);
    CHECK_EQ(call_empty(p, PROG_KILL), SK_OK);
    CHECK_EQ(wait_end(p).state, PROG_KILLED);
    sys_cap_drop(p);
    /* An allowance that is too small for the stack, and one that is too small for what the program wants. */
    int64_t small = call_for_cap(sk_env_get("loader"), PROG_MEM, 64 << 10, 0);
    CHECK_EQ(create_with("rom/hello", 0, (cap_t)small), SK_ENOMEM);
    sys_cap_drop((cap_t)small);
    small = call_for_cap(sk_env_get("loader"), PROG_MEM, 1 << 20, 0);
    p = start_hello((cap_t)small, "--alloc", "2000");
    CHECK_EQ(wait_end(p).code, 0);
    sys_cap_drop(p);
    sys_cap_drop((cap_t)small);
}

static void stop(cap_t p, uint64_t limit_ms)
{
    struct msg m;

    msg_begin(&m, PROG_STOP);
    msg_put(&m, limit_ms);
    CHECK_EQ(msg_call(&m, p, DEADLINE_NEVER), SK_OK);
}

/* Lets it run until it waits. */
static void pause_ms(uint64_t ms)
{
    struct sys_result r = sys_wait(sys_now_ns() + ms * 1000000);

    CHECK_EQ(r.value, SK_ETIMEDOUT);
}

void test_program_stops(void)
{
    cap_t mem = sk_env_get("mem"), p = start_hello(mem, "--stop", "once");

    pause_ms(100);
    stop(p, 60000);
    CHECK_EQ(wait_end(p).state, PROG_EXITED);
    stop(p, 1);
    CHECK_EQ(status_of(p).state, PROG_EXITED);
    sys_cap_drop(p);
    p = start_hello(mem, "--stop", "never");
    pause_ms(100);
    stop(p, 200);
    stop(p, 1); /* the first counts */
    CHECK_EQ(status_of(p).state, PROG_RUNNING);
    struct status s = wait_end(p);
    CHECK_EQ(s.state, PROG_KILLED);
    CHECK(strcmp(s.reason, "killed, as it did not stop in time") == 0);
    sys_cap_drop(p);
    p = start_hello(mem, "--sleep", "1000000");
    stop(p, UINT64_MAX);
    CHECK_EQ(status_of(p).state, PROG_KILLED);
    sys_cap_drop(p);
}

static uint64_t kernel_used(void)
{
    CHECK_EQ(sys_machine_stat(sk_env_get("machine")), SK_OK);
    return ((const struct machine_stat *)sk_utcb()->mr)->kmem_used;
}

static void run_and_forget(const char *option, const char *value)
{
    cap_t p = start_hello(sk_env_get("mem"), option, value);

    (void)wait_end(p);
    sys_cap_drop(p);
}

/* After a first round, which may leave caches behind, further rounds leave nothing. */
void test_program_leaks(void)
{
    cap_t mem = sk_env_get("mem");
    struct mem_figures before = {0};
    uint64_t kernel = 0;

    for (int round = 0; round < 6; round++) {
        run_and_forget("--alloc", "300");
        run_and_forget("--null", NULL);
        cap_t p = start_hello(mem, "--sleep", "1000000");
        CHECK_EQ(call_empty(p, PROG_KILL), SK_OK);
        sys_cap_drop(p);
        int64_t unstarted = create("rom/hello");
        CHECK(unstarted > 0);
        sys_cap_drop((cap_t)unstarted);
        if (round == 0) {
            before = mem_stat(mem);
            kernel = kernel_used();
        }
    }
    CHECK_EQ(mem_stat(mem).free, before.free);
    CHECK_EQ(mem_stat(mem).used, before.used);
    CHECK_EQ(kernel_used(), kernel);
}

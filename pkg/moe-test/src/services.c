// SPDX-License-Identifier: MIT
// rom/, logs, malformed messages to everybody, threads and the C library.
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <proto/log.h>
#include <proto/mem.h>
#include <proto/prog.h>
#include <proto/rom.h>
#include <rt/guard.h>
#include <sk/env.h>
#include <sk/msg.h>
#include <sk/rom.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <sk/thread.h>
#include <sk/vm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void test_rom(void)
{
    cap_t mem = CAP_NULL;
    uint64_t size = 0, none;
    int64_t err = rom_open("moe-test", &size, &mem);
    struct msg m;
    char name[64];
    bool found = false;

    CHECK_EQ(err, SK_OK);
    CHECK(size > 4096);
    const char *p = vm_map(mem, 0, size, RIGHT_R, &err);
    CHECK(p && memcmp(p, "\177ELF", 4) == 0);
    vm_unmap((void *)p, (size_t)size);
    CHECK(vm_map(mem, 0, PAGE_SIZE, RIGHT_R | RIGHT_W, &err) == NULL);
    CHECK_EQ(err, SK_ERIGHTS);
    sys_cap_drop(mem);
    CHECK_EQ(rom_open("", &none, &mem), SK_ENOENT);
    CHECK_EQ(rom_open("no-such-file", &none, &mem), SK_ENOENT);
    CHECK_EQ(rom_open("../rom/moe-test", &none, &mem), SK_ENOENT);
    for (uint64_t i = 0;; i++) {
        msg_begin(&m, ROM_ENTRY);
        msg_put(&m, i);
        if ((err = msg_call(&m, sk_env_get("rom"), DEADLINE_NEVER)) < 0) {
            break;
        }
        (void)msg_get(&m);
        msg_get_str(&m, name, sizeof(name));
        CHECK_EQ(msg_end(&m), SK_OK);
        found |= strcmp(name, "hello") == 0;
    }
    CHECK_EQ(err, SK_ENOENT);
    CHECK(found);
}

static int64_t make_log(const char *tag, const char *colour)
{
    struct msg m;

    msg_begin(&m, PROG_LOG);
    msg_put_str(&m, tag);
    msg_put_str(&m, colour);
    return msg_call_cap(&m, sk_env_get("loader"), 0, DEADLINE_NEVER);
}

static int64_t log_write(cap_t log, const char *text)
{
    struct msg m;

    msg_begin(&m, LOG_WRITE);
    msg_put_str(&m, text);
    return msg_call(&m, log, DEADLINE_NEVER);
}

static int64_t log_read(cap_t log)
{
    struct msg m;

    msg_begin(&m, LOG_READ);
    msg_put(&m, 10);
    return msg_call(&m, log, DEADLINE_NEVER);
}

static int64_t log_bind(cap_t log, cap_t signal)
{
    struct msg m;

    msg_begin(&m, LOG_BIND_INPUT);
    msg_put_cap(&m, signal, RIGHT_CALL);
    return msg_call(&m, log, DEADLINE_NEVER);
}

/* The test's script looks for these lines on the console. */
void test_log(void)
{
    int64_t one = make_log("first", "g"), two = make_log("second-log", "B"), odd = make_log("odd", "nocolour");
    int64_t signal = sys_signal_create(CAP_QUOTA);

    CHECK(one > 0 && two > 0 && odd > 0 && signal > 0);
    CHECK_EQ(log_write((cap_t)one, "a part "), SK_OK);
    CHECK_EQ(log_write((cap_t)two, "another log\nand its rest"), SK_OK);
    printf("raw part");
    fflush(stdout);
    CHECK_EQ(log_write((cap_t)one, "of one line\n"), SK_OK);
    CHECK_EQ(log_read((cap_t)one), SK_EPERM);
    CHECK_EQ(log_bind((cap_t)one, (cap_t)signal), SK_OK);
    CHECK_EQ(log_read((cap_t)one), SK_OK);
    CHECK_EQ(log_bind((cap_t)two, (cap_t)signal), SK_OK);
    CHECK_EQ(log_read((cap_t)one), SK_EPERM);
    sys_cap_drop((cap_t)two); /* shows its partial line, and gives the input back */
    CHECK_EQ(log_read((cap_t)one), SK_EPERM);
    sys_cap_drop((cap_t)one);
    sys_cap_drop((cap_t)odd);
    sys_cap_drop((cap_t)signal);
    int64_t made[200];
    unsigned n = 0;
    while (n < 200 && (made[n] = make_log("many", "")) > 0) {
        n++;
    }
    CHECK(n > 60 && n < 200);
    while (n) {
        sys_cap_drop((cap_t)made[--n]);
    }
    int64_t again = make_log("again", "");
    CHECK(again > 0);
    sys_cap_drop((cap_t)again);
}

/* Who runs the scenario gets what it hands on, and no right to take it from others. */
void test_rights(void)
{
    const struct {
        const char *name;
        enum obj_type type;
        uint32_t rights;
    } caps[] = {
        {"icu", OBJ_IRQCTL, RIGHT_CTRL},
        {"iommu", OBJ_DMACTL, RIGHT_CTRL},
        {"ioport", OBJ_IOPORT, RIGHT_R | RIGHT_W},
        {"sigma0", OBJ_MEMORY, RIGHT_R | RIGHT_W},
        {"machine", OBJ_MACHINE, RIGHT_CTRL},
        {"log", OBJ_GATE, RIGHT_CALL},
        {"mem", OBJ_GATE, RIGHT_CALL},
        {"rom", OBJ_GATE, RIGHT_CALL},
        {"loader", OBJ_GATE, RIGHT_CALL},
    };

    for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        cap_t cap = sk_env_get(caps[i].name);
        CHECK_EQ(sys_cap_info(cap).value, caps[i].type | (int64_t)caps[i].rights << 8);
        if (caps[i].rights & RIGHT_CTRL) {
            CHECK_EQ(sys_obj_destroy(cap), SK_EPERM);
        }
    }
    CHECK_EQ(sys_mem_revoke(sk_env_get("sigma0")), SK_ERIGHTS);
}

/* Each operation with nothing, with too much, with lengths that lie, and with capabilities nobody asked for. */
static void misuse(cap_t gate, uint32_t op)
{
    struct msg m;

    CHECK(call_empty(gate, op) < 0);
    msg_begin(&m, op);
    for (unsigned i = 0; i < UTCB_WORDS; i++) {
        msg_put(&m, UINT64_MAX - i);
    }
    CHECK(msg_call(&m, gate, DEADLINE_NEVER) < 0);
    msg_begin(&m, op);
    msg_put(&m, UTCB_BYTES + 1);
    msg_put(&m, 1);
    CHECK(msg_call(&m, gate, DEADLINE_NEVER) < 0);
    msg_begin(&m, op);
    msg_put_cap(&m, CAP_TASK, RIGHT_R);
    msg_put_cap(&m, CAP_QUOTA, RIGHT_R);
    msg_put_cap(&m, CAP_THREAD, RIGHT_R);
    CHECK(msg_call(&m, gate, DEADLINE_NEVER) < 0);
}

void test_malformed(void)
{
    const struct {
        const char *name;
        uint32_t base, count;
    } gates[] = {{"log", PROTO_LOG, 3}, {"rom", PROTO_ROM, 2}, {"mem", PROTO_MEM, 2}, {"loader", PROTO_PROG, 3}};

    for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
        cap_t gate = sk_env_get(gates[i].name);
        CHECK_EQ(call_empty(gate, PROTO_ID), gates[i].base);
        for (uint32_t op = 0; op < gates[i].count; op++) {
            misuse(gate, gates[i].base + op);
        }
        CHECK_EQ(call_empty(gate, 0xffff), SK_ENOSYS);
        CHECK_EQ(call_empty(gate, gates[i].base + 0x1f), SK_ENOSYS);
    }
    CHECK_EQ(call_empty(CAP_MOE, PROTO_ID), PROTO_MOE);
    CHECK_EQ(call_empty(CAP_MOE, MOE_EXIT), SK_EMSG);
}

static __thread int thread_local = 5;
static volatile int thread_result;

static void thread_main(void *arg)
{
    uint64_t value;

    thread_local += *(int *)arg;
    errno = 77;
    bool guarded = !rt_guarded_read64((void *)0x10, &value);
    bool known = sk_utcb() != NULL;
    thread_result = guarded && known ? thread_local : -1;
}

static void thread_spin(void *arg)
{
    (void)arg;
    for (;;) {
        sys_thread_yield();
    }
}

void test_threads(void)
{
    struct sk_thread t, spin;
    int arg = 10;

    errno = 0;
    CHECK_EQ(sk_thread_create(&t, "tester", 64, 0, thread_main, &arg), SK_OK);
    for (int i = 0; i < 1000 && thread_result == 0; i++) {
        sys_thread_yield();
    }
    CHECK_EQ(thread_result, 15);
    CHECK_EQ(thread_local, 5);
    CHECK_EQ(errno, 0);
    sk_thread_destroy(&t);
    CHECK_EQ(sk_thread_create(&spin, "spin", 1, 0, thread_spin, NULL), SK_OK);
    sk_thread_destroy(&spin);
    CHECK(sk_thread_create(&t, "t", 255, 0, thread_main, &arg) < 0);
}

static void test_files(void)
{
    struct stat st;
    char head[4], again[4];
    int fd = open("rom/moe-test", O_RDONLY);

    CHECK(fd >= 3);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(read(fd, head, 4), 4);
    CHECK_EQ(lseek(fd, -2, SEEK_END), st.st_size - 2);
    CHECK_EQ(read(fd, again, 4), 2);
    CHECK_EQ(pread(fd, again, 4, 0), 4);
    CHECK(memcmp(head, again, 4) == 0);
    char *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED && memcmp(p, head, 4) == 0);
    CHECK_EQ(munmap(p, (size_t)st.st_size), 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(close(fd), -1);
    CHECK(open("rom/hello", O_RDWR) == -1 && errno == EROFS);
    CHECK(open("/etc/passwd", O_RDONLY) == -1 && errno == ENOENT);
    CHECK_EQ(access("rom/hello", R_OK), 0);
}

static void test_heap(void)
{
    char *block[200] = {0};

    srand(3);
    for (int i = 0; i < 5000; i++) {
        int k = rand() % 200;
        free(block[k]);
        size_t size = (size_t)(rand() % (i % 100 == 0 ? 300000 : 3000)) + 1;
        block[k] = malloc(size);
        CHECK(block[k] != NULL);
        if (block[k]) {
            memset(block[k], k, size);
        }
    }
    for (int k = 0; k < 200; k++) {
        free(block[k]);
    }
    char *big = calloc(1, 3 << 20);
    CHECK(big && big[0] == 0 && big[(3 << 20) - 1] == 0);
    big = realloc(big, 5 << 20);
    CHECK(big != NULL);
    free(big);
}

/* Registers and the red zone survive a system call, also SSE registers. */
static void test_registers(void)
{
    struct timespec ts;
    double x = 1.5;
    uint64_t rbx = 0x1234;
    long res;

    __asm__ volatile("movq %[x], %%xmm9\n\t"
                     "movq $0x77, -64(%%rsp)\n\t"
                     "syscall\n\t"
                     "movq %%xmm9, %[x]\n\t"
                     "xorq -64(%%rsp), %[rbx]"
                     : "=a"(res), [x] "+r"(x), [rbx] "+b"(rbx)
                     : "a"(228L), "D"(0L), "S"(&ts)
                     : "rcx", "r11", "xmm9", "memory");
    CHECK_EQ(res, 0);
    CHECK(x == 1.5);
    CHECK_EQ(rbx, 0x1234 ^ 0x77);
}

/* Output in the middle of a message does not damage it. */
static void test_utcb_is_kept(void)
{
    struct msg m;

    msg_begin(&m, 1);
    msg_put(&m, 0xabcdef);
    printf("(output while a message is being written)\n");
    CHECK_EQ(sk_utcb()->mr[0], 0xabcdef);
}

void test_libc(void)
{
    struct timespec a, b;
    char text[64];

    clock_gettime(CLOCK_MONOTONIC, &a);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    clock_gettime(CLOCK_MONOTONIC, &b);
    long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
    CHECK(ms >= 20 && ms < 2000);
    snprintf(text, sizeof(text), "%.3f %s %d", 3.25, "x", -7);
    CHECK(strcmp(text, "3.250 x -7") == 0);
    test_files();
    test_heap();
    test_registers();
    test_utcb_is_kept();
}

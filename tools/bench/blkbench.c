// SPDX-License-Identifier: MIT
/* Block benchmark for the guest: a fixed amount of O_DIRECT work at fixed offsets, so that two systems do the same I/O.
 *
 *   blkbench DEVICE TEST...     TEST = name:block-bytes:depth:read|write:rand|seq:count
 *
 * Prints a line a test: BENCH name=.. n=.. iops=.. p50us=.. p99us=.. maxus=.. err=..
 * Around the measured part of each test it executes a marker, a NOP that the QEMU plugin insncount.c recognises; the
 * plugin then logs how many instructions and guest entries there were, which repeats where times do not. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* nopl disp32(%rax): 0f 1f 80 and four bytes that say what begins (1) or ends (2) */
#define MARK(id) __asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long 0x4d4b0000 + %c0" : : "i"(id) : "memory")

enum { DEPTH_MAX = 64, BLOCK_MAX = 1 << 20 };
static const uint64_t REGION = 64ull << 20;

struct test {
    char name[48];
    unsigned block, depth, count;
    bool write, random;
};

struct slot {
    struct iocb cb;
    void *buf;
    uint64_t start_ns;
};

static struct slot slots[DEPTH_MAX];
static aio_context_t aio;
static uint32_t *latency_ns;

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "blkbench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* xorshift64*: the same offsets in every run */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

static void submit(int fd, const struct test *t, unsigned i, uint64_t offset)
{
    struct slot *s = &slots[i];
    struct iocb *list[1] = {&s->cb};

    s->cb = (struct iocb){
        .aio_fildes = (uint32_t)fd,
        .aio_lio_opcode = t->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
        .aio_buf = (uintptr_t)s->buf,
        .aio_nbytes = t->block,
        .aio_offset = (int64_t)offset,
        .aio_data = i,
    };
    s->start_ns = now_ns();
    if (syscall(SYS_io_submit, aio, 1L, list) != 1) {
        die("io_submit");
    }
}

/* Runs count operations; returns the number of errors. */
static unsigned run(int fd, const struct test *t, unsigned count, uint64_t blocks)
{
    uint64_t state = 0x9e3779b97f4a7c15ull;
    unsigned submitted = 0, done = 0, errors = 0;
    struct io_event events[DEPTH_MAX];

    while (done < count) {
        long n = 0;

        if (submitted < t->depth && submitted < count) {
            uint64_t block = t->random ? next_random(&state) % blocks : submitted % blocks;
            submit(fd, t, submitted++, block * t->block);
            continue;
        }
        n = syscall(SYS_io_getevents, aio, 1L, (long)t->depth, events, NULL);
        if (n < 0) {
            die("io_getevents");
        }
        for (long k = 0; k < n; k++) {
            unsigned i = (unsigned)events[k].data;

            latency_ns[done++] = (uint32_t)(now_ns() - slots[i].start_ns);
            errors += events[k].res != (int64_t)t->block;
            if (submitted < count) {
                uint64_t block = t->random ? next_random(&state) % blocks : submitted % blocks;
                submitted++;
                submit(fd, t, i, block * t->block);
            }
        }
    }
    return errors;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static bool parse(const char *text, struct test *t)
{
    char kind[8], order[8];

    if (sscanf(text, "%47[^:]:%u:%u:%7[^:]:%7[^:]:%u", t->name, &t->block, &t->depth, kind, order, &t->count) != 6) {
        return false;
    }
    t->write = strcmp(kind, "write") == 0;
    t->random = strcmp(order, "rand") == 0;
    return t->block % 512 == 0 && t->block > 0 && t->block <= BLOCK_MAX && t->depth > 0 && t->depth <= DEPTH_MAX &&
           t->count > 0 && t->count <= 1000000;
}

static void bench(int fd, const struct test *t, uint64_t region)
{
    uint64_t blocks = region / t->block, start, elapsed;
    unsigned errors;

    run(fd, t, t->depth * 4, blocks); /* warm up */
    start = now_ns();
    MARK(1);
    errors = run(fd, t, t->count, blocks);
    MARK(2);
    elapsed = now_ns() - start;
    qsort(latency_ns, t->count, sizeof *latency_ns, compare_u32);
    printf("BENCH name=%s n=%u iops=%.0f p50us=%.1f p99us=%.1f maxus=%.1f err=%u\n", t->name, t->count,
           t->count * 1e9 / (double)elapsed, latency_ns[t->count / 2] / 1e3, latency_ns[t->count * 99ull / 100] / 1e3,
           latency_ns[t->count - 1] / 1e3, errors);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    uint64_t size = 0;
    int fd;

    if (argc < 3) {
        fprintf(stderr, "usage: blkbench DEVICE name:bytes:depth:read|write:rand|seq:count ...\n");
        return 2;
    }
    fd = open(argv[1], O_RDWR | O_DIRECT);
    if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) != 0) {
        die(argv[1]);
    }
    if (syscall(SYS_io_setup, DEPTH_MAX, &aio) != 0) {
        die("io_setup");
    }
    latency_ns = calloc(1000000, sizeof *latency_ns);
    for (unsigned i = 0; i < DEPTH_MAX; i++) {
        slots[i].buf = mmap(NULL, 131072, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (slots[i].buf == MAP_FAILED || latency_ns == NULL) {
            die("memory");
        }
    }
    for (int i = 2; i < argc; i++) {
        struct test t;

        if (!parse(argv[i], &t) || t.block > 131072) {
            fprintf(stderr, "blkbench: cannot understand the test '%s'\n", argv[i]);
            return 2;
        }
        bench(fd, &t, size < REGION ? size : REGION);
    }
    return 0;
}

// SPDX-License-Identifier: MIT
// ktest: preemption, priorities, FPU isolation, faults and handlers, foreign system calls, exit.
#include "ktest.h"

static void counter(struct worker *w)
{
    for (;;) {
        w->value[0]++;
    }
}

/* Did a and b each get a share of the next 60 ms? */
static bool share_fairly(const struct worker *a, const struct worker *b)
{
    uint64_t ta = thread_info(a->thread)->cpu_time_ns, tb = thread_info(b->thread)->cpu_time_ns;

    spin_ms(60);
    ta = thread_info(a->thread)->cpu_time_ns - ta;
    tb = thread_info(b->thread)->cpu_time_ns - tb;
    return ta >= 5 * MS && tb >= 5 * MS && ta < 50 * MS && tb < 50 * MS;
}

/* Two threads that never call the kernel share the processor with this one. An emulator that was not running for a
 * while spoils a round. */
static void preemption(void)
{
    struct worker *a = worker_start(counter, 128, 0, 0), *b = worker_start(counter, 128, 0, 0);
    bool fair = false;

    for (unsigned i = 0; i < 5 && !fair; i++) {
        fair = share_fairly(a, b);
    }
    CHECK(fair);
    CHECK(a->value[0] > 0 && b->value[0] > 0);
}

static void count_once(struct worker *w)
{
    w->value[0]++;
}

static void priorities(void)
{
    struct worker *low = worker_start(counter, 10, 0, 0);

    spin_ms(25);
    CHECK_EQ(low->value[0], 0);
    struct worker *high = worker_start(count_once, 200, 0, 0);
    CHECK_EQ(high->value[0], 1);
    CHECK_EQ(sys_thread_info(high->thread).value, THREAD_EXITED);
    worker_run(high);
    CHECK_EQ(high->value[0], 2);
    struct worker *other = worker_start(count_once, 10, 0, 0);
    CHECK_EQ(sys_thread_set(other->thread, THREAD_PRIORITY, 130), SK_OK);
    CHECK_EQ(other->value[0], 1);
    CHECK_EQ(thread_info(other->thread)->priority, 130);
    CHECK_EQ(sys_wait(sys_now_ns() + 5 * MS).value, SK_ETIMEDOUT);
    CHECK(low->value[0] > 0);
    CHECK_EQ(sys_thread_set(low->thread, THREAD_PRIORITY, 256), SK_EINVAL);
    CHECK_EQ(sys_thread_set(low->thread, 77, 0), SK_EINVAL);
    CHECK_EQ(sys_thread_set(low->thread, THREAD_FS_BASE, USER_END), SK_EINVAL);
    CHECK_EQ(sys_thread_start(low->thread, 0xffff800000000000, 0, 0), SK_EINVAL);
    CHECK_EQ(sys_thread_create(CAP_QUOTA, CAP_TASK, (uint64_t)utcb, 1), SK_EEXIST);
    CHECK_EQ(sys_thread_create(CAP_QUOTA, CAP_TASK, 0x70000001, 1), SK_EINVAL);
    CHECK_EQ(sys_thread_create(CAP_QUOTA, CAP_TASK, USER_END, 1), SK_ERANGE);
}

static void yielder(struct worker *w)
{
    for (unsigned i = 0; i < 100; i++) {
        w->value[0]++;
        sys_thread_yield();
    }
}

static void yielding(void)
{
    struct worker *a = worker_start(yielder, 128, 0, 0);

    for (unsigned i = 1; i <= 100; i++) {
        sys_thread_yield();
        CHECK(a->value[0] >= i); /* more when a time slice ended in between */
    }
}

/* The x87 registers of the first worker stay as they were made, those of the others differ from it and from each other. */
static void x87_fill(uint64_t n)
{
    const uint16_t fcw = (uint16_t)(0x37f | n << 10);

    if (n > 1) {
        __asm__ volatile("fninit; fldcw %0; fildll %1" : : "m"(fcw), "m"(n));
    }
}

static bool x87_kept(uint64_t n)
{
    uint64_t seen = n;
    uint16_t fcw, fsw;

    __asm__ volatile("fnstcw %0; fnstsw %1" : "=m"(fcw), "=m"(fsw));
    if (n > 1) {
        __asm__ volatile("fistpll %0" : "=m"(seen));
    }
    return seen == n && fcw == (n > 1 ? 0x37f | n << 10 : 0x37f) && (fsw >> 11 & 7) == (n > 1 ? 7 : 0);
}

/* Fills x87, xmm and ymm with a pattern of its own and finds it again after having been preempted often. */
static void fpu_user(struct worker *w)
{
    uint64_t pattern[4] __attribute__((aligned(32))), seen[4] __attribute__((aligned(32)));
    uint32_t csr = 0x1f80 | (uint32_t)(w->value[0] & 3) << 13, csr_seen;

    for (unsigned i = 0; i < 4; i++) {
        pattern[i] = w->value[0] * 0x0101010101010101 + i;
    }
    for (;;) {
        __asm__ volatile("ldmxcsr %0" : : "m"(csr));
        x87_fill(w->value[0]);
        if (w->value[3]) {
            __asm__ volatile("vmovdqa %0, %%ymm15" : : "m"(pattern) : "xmm15");
        } else {
            __asm__ volatile("movdqa %0, %%xmm15" : : "m"(pattern) : "xmm15");
        }
        for (volatile unsigned k = 0; k < 20000; k++) {
        }
        seen[2] = pattern[2];
        seen[3] = pattern[3];
        if (w->value[3]) {
            __asm__ volatile("vmovdqa %%ymm15, %0" : "=m"(seen));
        } else {
            __asm__ volatile("movdqa %%xmm15, %0" : "=m"(seen));
        }
        __asm__ volatile("stmxcsr %0" : "=m"(csr_seen));
        w->value[1]++;
        for (unsigned i = 0; i < 4; i++) {
            w->value[2] += seen[i] != pattern[i];
        }
        w->value[2] += (csr_seen & ~0x3fu) != csr;
        w->value[2] += !x87_kept(w->value[0]);
    }
}

static bool have_avx(void)
{
    uint32_t a = 1, b, c, d;

    __asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return (c & 1u << 28) != 0 && (c & 1u << 27) != 0;
}

static void fpu_isolation(void)
{
    struct worker *w[3];

    for (unsigned i = 0; i < 3; i++) {
        w[i] = worker_create(fpu_user, 128, 0, 0);
        w[i]->value[0] = i + 1;
        w[i]->value[3] = have_avx();
        worker_run(w[i]);
    }
    spin_ms(150);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(w[i]->value[1] > 0);
        CHECK_EQ(w[i]->value[2], 0);
    }
}

static void fpu_reader(struct worker *w)
{
    uint64_t seen[2] __attribute__((aligned(16)));

    __asm__ volatile("movdqa %%xmm15, %0" : "=m"(seen));
    w->value[0] = seen[0] | seen[1];
    __asm__ volatile("stmxcsr %0" : "=m"(*(uint32_t *)seen));
    w->value[1] = (uint32_t)seen[0];
}

/* A new thread sees nothing of others in its FPU registers. */
static void fpu_initial(void)
{
    __asm__ volatile("pcmpeqd %%xmm15, %%xmm15" : : : "xmm15");
    struct worker *w = worker_start(fpu_reader, 200, 0, 0);

    CHECK_EQ(w->value[0], 0);
    CHECK_EQ(w->value[1], 0x1f80);
}

/* --- faults ------------------------------------------------------------------------------------------------------- */

static void do_div(struct worker *w)
{
    __asm__ volatile("div %0" : : "r"(0), "a"(1), "d"(0));
    (void)w;
}
static void do_ud(struct worker *w)
{
    __asm__ volatile("ud2");
    (void)w;
}
static void do_hlt(struct worker *w)
{
    __asm__ volatile("hlt");
    (void)w;
}
static void do_cli(struct worker *w)
{
    __asm__ volatile("cli");
    (void)w;
}
static void do_in(struct worker *w)
{
    __asm__ volatile("in $0x80, %%al" : : : "rax");
    (void)w;
}
static void do_int3(struct worker *w)
{
    __asm__ volatile("int3");
    (void)w;
}
static void do_int80(struct worker *w)
{
    __asm__ volatile("int $0x80");
    (void)w;
}
static void do_int2(struct worker *w)
{
    __asm__ volatile("int $2");
    (void)w;
}
static void do_cr(struct worker *w)
{
    __asm__ volatile("mov %%cr3, %%rax" : : : "rax");
    (void)w;
}
static void do_rdmsr(struct worker *w)
{
    __asm__ volatile("rdmsr" : : "c"(0x10) : "rax", "rdx");
    (void)w;
}
static void do_noncanonical(struct worker *w)
{
    *(volatile char *)0x800000000000 = 1;
    (void)w;
}
static void do_trap_flag(struct worker *w)
{
    __asm__ volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop" : : : "memory", "cc");
    (void)w;
}
static void do_sysenter(struct worker *w)
{
    __asm__ volatile("sysenter");
    (void)w;
}
static void do_iopl_popf(struct worker *w)
{
    uint64_t flags;

    __asm__ volatile("pushf; orl $0x3000, (%%rsp); popf; pushf; pop %0" : "=r"(flags) : : "cc", "memory");
    w->value[0] = flags;
    __asm__ volatile("sti");
}
static void do_nt_syscall(struct worker *w)
{
    __asm__ volatile("pushf; orl $0x44000, (%%rsp); popf" : : : "memory", "cc"); /* NT and AC */
    sys_thread_yield();
    w->value[0] = 1;
    __asm__ volatile("pushf; andl $~0x44000, (%%rsp); popf; ud2" : : : "memory", "cc");
}

static void exceptions(void)
{
    static const struct {
        void (*fn)(struct worker *);
        uint8_t vector;
    } cases[] = {
        {do_div, 0},    {do_trap_flag, 1},     {do_int3, 3},       {do_ud, 6},         {do_hlt, 13},
        {do_cli, 13},   {do_in, 13},           {do_int80, 13},     {do_int2, 13},      {do_cr, 13},
        {do_rdmsr, 13}, {do_noncanonical, 13}, {do_iopl_popf, 13}, {do_nt_syscall, 6},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct worker *w = worker_start(cases[i].fn, 200, 0, 0);

        CHECK_EQ(sys_thread_info(w->thread).value, THREAD_FAULTED);
        CHECK_EQ(thread_info(w->thread)->fault.vector, cases[i].vector);
        workers_end();
    }
    struct worker *w = worker_start(do_sysenter, 200, 0, 0);
    CHECK_EQ(sys_thread_info(w->thread).value, THREAD_FAULTED);
}

static struct worker *handler_worker;
static void fault_handler(void)
{
    handler_worker->value[0]++;
    sys_thread_exit((int64_t)handler_worker->utcb->fault.vector);
}

static void faulting(struct worker *w)
{
    CHECK_EQ(sys_thread_set(w->cap[2], THREAD_FAULT_HANDLER, (uint64_t)fault_handler), SK_OK);
    w->utcb->fault_armed = 1;
    *(volatile uint64_t *)0x123000 = 1;
}

static void stepping(struct worker *w)
{
    CHECK_EQ(sys_thread_set(w->cap[2], THREAD_FAULT_HANDLER, (uint64_t)fault_handler), SK_OK);
    w->utcb->fault_armed = 1;
    do_trap_flag(w);
}

/* A handler runs at full speed, also for a thread that is stepped. */
static void fault_while_stepping(void)
{
    struct worker *w = worker_create(stepping, 200, 0, 0);

    handler_worker = w;
    w->cap[2] = w->thread;
    worker_run(w);
    CHECK_EQ(sys_thread_info(w->thread).value, THREAD_EXITED);
    CHECK_EQ(sys_thread_info(w->thread).extra, 1);
    CHECK((w->utcb->fault.flags & 0x100) != 0);
}

static void fault_twice(struct worker *w)
{
    *(volatile uint64_t *)0x123000 = 1;
    (void)w;
}

static void fault_handling(void)
{
    struct worker *w = worker_create(faulting, 200, 0, 0);

    handler_worker = w;
    w->cap[2] = w->thread;
    worker_run(w);
    CHECK_EQ(sys_thread_info(w->thread).value, THREAD_EXITED);
    CHECK_EQ(sys_thread_info(w->thread).extra, 14);
    CHECK_EQ(w->value[0], 1);
    CHECK_EQ(w->utcb->fault.address, 0x123000);
    CHECK_EQ(w->utcb->fault.error, 6);
    CHECK_EQ(w->utcb->fault_armed, 0);
    w->fn = fault_twice; /* not armed: final */
    cap_t s = CAP(sys_signal_create(CAP_QUOTA));
    CHECK_EQ(sys_signal_bind(s, CAP_THREAD, 6), SK_OK);
    CHECK_EQ(sys_thread_set(w->thread, THREAD_EXIT_SIGNAL, s), SK_OK);
    worker_run(w);
    CHECK_EQ(sys_thread_info(w->thread).value, THREAD_FAULTED);
    CHECK_EQ(w->value[0], 1);
    CHECK_EQ(sys_wait(0).value, TAG_SIGNAL);
    CHECK_EQ(sys_obj_destroy(s), SK_OK);
}

/* --- foreign system calls ---------------------------------------------------------------------------------------- */

extern const char foreign_handler[];
__asm__(".pushsection .text\n"
        "foreign_handler:\n"
        "  lea (%rax,%rdi), %rax\n"
        "  push %r11\n"
        "  popf\n"
        "  jmp *%rcx\n"
        ".popsection\n");

static uint64_t foreign_call(uint64_t nr, uint64_t arg)
{
    uint64_t r;

    __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(arg) : "rcx", "r11", "memory", "cc");
    return r;
}

static void foreign(struct worker *w)
{
    w->value[0] = (uint64_t)sys_thread_set(w->cap[2], THREAD_SYSCALL_HANDLER, (uint64_t)foreign_handler);
    w->value[1] = foreign_call(231, 1000);
    w->value[2] = foreign_call(1ull << 63 | SYS_MAGIC, 5);
    w->value[0] = (uint64_t)sys_thread_set(w->cap[2], THREAD_SYSCALL_HANDLER, 0);
    (void)foreign_call(60, 0);
}

static void foreign_syscalls(void)
{
    struct worker *w = worker_create(foreign, 200, 0, 0);

    w->cap[2] = w->thread;
    worker_run(w);
    CHECK_EQ(w->value[0], SK_OK);
    CHECK_EQ(w->value[1], 1231);
    CHECK_EQ(w->value[2], (1ull << 63 | SYS_MAGIC) + 5);
    CHECK_EQ(sys_thread_info(w->thread).value, THREAD_FAULTED);
    CHECK_EQ(thread_info(w->thread)->fault.vector, FAULT_SYSCALL);
    CHECK_EQ(thread_info(w->thread)->fault.rax, 60);
}

static void exits(struct worker *w)
{
    sys_thread_exit((int64_t)w->value[0]);
}

static void exit_and_fs(void)
{
    struct worker *w = worker_create(exits, 200, 0, 0);

    w->value[0] = (uint64_t)-9;
    CHECK_EQ(sys_thread_info(w->thread).value, THREAD_STOPPED);
    worker_run(w);
    struct sys_result r = sys_thread_info(w->thread);
    CHECK_EQ(r.value, THREAD_EXITED);
    CHECK_EQ(r.extra, -9);
    uint64_t cell = 0x77, got;
    CHECK_EQ(sys_thread_set(CAP_THREAD, THREAD_FS_BASE, (uint64_t)&cell), SK_OK);
    __asm__ volatile("mov %%fs:0, %0" : "=r"(got) : : "memory");
    CHECK_EQ(got, 0x77);
    sys_thread_yield();
    __asm__ volatile("mov %%fs:0, %0" : "=r"(got) : : "memory");
    CHECK_EQ(got, 0x77);
}

/* Threads that come and go while they run, many times. */
static void churn(void)
{
    for (unsigned i = 0; i < 200; i++) {
        struct worker *w = worker_start(counter, 128, 0, 0);

        if (i % 3 != 0) {
            sys_thread_yield();
        }
        CHECK_EQ(i % 2 != 0 ? sys_obj_destroy(w->thread) : sys_cap_drop(w->thread), SK_OK);
        workers_end();
    }
}

void test_threads(void)
{
    run("preemption", preemption);
    run("priorities and argument errors", priorities);
    run("yield", yielding);
    run("FPU isolation", fpu_isolation);
    run("FPU state of a new thread", fpu_initial);
    run("exceptions", exceptions);
    run("fault handler and exit signal", fault_handling);
    run("fault handler of a stepped thread", fault_while_stepping);
    run("foreign system calls", foreign_syscalls);
    run("exit code and TLS base", exit_and_fs);
    run("200 threads come and go", churn);
}

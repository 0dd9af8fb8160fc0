// SPDX-License-Identifier: MIT
// ktest: boot information, capabilities, quotas.
#include "ktest.h"

static void boot_information(void)
{
    uint64_t bytes = 0;

    CHECK_EQ(boot->magic, BOOT_INFO_MAGIC);
    CHECK(boot->module_count >= 1 && boot->memory_count >= 1);
    for (unsigned i = 0; i < boot->memory_count; i++) {
        CHECK_EQ(sys_mem_info(boot->memory[i].cap).value, boot->memory[i].size);
        CHECK_EQ(boot->memory[i].base % PAGE_SIZE, 0);
        bytes += boot->memory[i].size;
    }
    CHECK(bytes <= boot->ram_bytes);
    CHECK_EQ(sys_cap_info(CAP_TASK).value, OBJ_TASK | RIGHT_ALL << 8);
    CHECK_EQ(sys_cap_info(CAP_THREAD).value, OBJ_THREAD | RIGHT_ALL << 8);
    CHECK_EQ(sys_cap_info(CAP_QUOTA).value, OBJ_QUOTA | RIGHT_ALL << 8);
    CHECK_EQ(sys_cap_info(boot->module[0].cap).value, OBJ_MEMORY | (RIGHT_R | RIGHT_X | RIGHT_CTRL) << 8);
    CHECK_EQ(sys_kinfo()->magic, KINFO_MAGIC);
    CHECK(sys_kinfo()->tsc_hz > 0);
}

#define CAPTABLE_PAGES 128 /* slot pages stay when the slots are empty again */

/* Every call with arguments that cannot be right returns an error and changes nothing. */
static void garbage_arguments(void)
{
    uint64_t used = sys_quota_info(CAP_QUOTA).extra;

    for (unsigned nr = 0; nr < SYS_COUNT; nr++) {
        if (nr == SYS_WAIT || nr == SYS_THREAD_EXIT || nr == SYS_THREAD_YIELD) {
            continue;
        }
        CHECK((int64_t)sys_invoke(nr, 7777, 8888, UINT64_MAX, 9999, 1, 2).value < 0);
        CHECK((int64_t)sys_invoke(nr, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX).value <
              0);
    }
    CHECK_EQ(sys_invoke(SYS_COUNT, 0, 0, 0, 0, 0, 0).value, SK_ENOSYS);
    CHECK_EQ(sys_invoke(0xffff, 0, 0, 0, 0, 0, 0).value, SK_ENOSYS);
    CHECK_EQ(sys_quota_info(CAP_QUOTA).extra, used);
}

static void capabilities(void)
{
    cap_t s = CAP(sys_signal_create(CAP_QUOTA)), weak = CAP(sys_cap_copy(s, RIGHT_BIND));

    CHECK_EQ(weak, s + 1);
    CHECK_EQ(sys_cap_info(weak).extra, sys_cap_info(s).extra);
    CHECK_EQ(sys_cap_info(s).value, OBJ_SIGNAL | RIGHT_ALL << 8);
    CHECK_EQ(utcb->mr[0], 2);
    CHECK_EQ(sys_signal_raise(weak), SK_ERIGHTS);
    CHECK_EQ(sys_signal_raise(CAP_TASK), SK_ETYPE);
    CHECK_EQ(sys_signal_raise(CAP_NULL), SK_ECAP);
    CHECK_EQ(sys_cap_copy(s, 1 << 10), SK_EINVAL);
    CHECK_EQ(sys_obj_destroy(weak), SK_ERIGHTS);
    CHECK_EQ(sys_obj_destroy(boot->irqctl), SK_EPERM);
    CHECK_EQ(sys_obj_destroy(boot->device_memory), SK_EPERM);
    CHECK_EQ(sys_cap_drop(weak), SK_OK);
    CHECK_EQ(sys_cap_drop(weak), SK_ECAP);
    weak = CAP(sys_cap_copy(s, RIGHT_CALL));
    CHECK_EQ(sys_obj_destroy(s), SK_OK);
    CHECK_EQ(sys_signal_raise(weak), SK_ECAP);
    cap_t other = CAP(sys_signal_create(CAP_QUOTA));
    CHECK(other != s && other != weak); /* void, but taken */
    CHECK_EQ(sys_cap_drop(weak), SK_OK);
    CHECK_EQ(sys_cap_drop(weak), SK_ECAP);
    CHECK_EQ(CAP(sys_cap_copy(other, RIGHT_CALL)), weak);
}

static void table_full(void)
{
    cap_t s = CAP(sys_signal_create(CAP_QUOTA)), last = s;
    int64_t r;

    pages_kept += CAPTABLE_PAGES;
    while ((r = sys_cap_copy(s, RIGHT_ALL)) > 0) {
        last = (cap_t)r;
    }
    CHECK_EQ(r, SK_ESLOTS);
    CHECK_EQ(sys_signal_create(CAP_QUOTA), SK_ESLOTS);
    CHECK_EQ(sys_cap_drop(last), SK_OK);
    CHECK_EQ(CAP(sys_gate_create(CAP_QUOTA)), last);
    CHECK_EQ(sys_obj_destroy(last), SK_OK);
    CHECK_EQ(sys_obj_destroy(s), SK_OK);
}

static void quota_limits(void)
{
    uint64_t before = sys_quota_info(CAP_QUOTA).extra;
    cap_t q = CAP(sys_quota_create(CAP_QUOTA, 32 * PAGE_SIZE, 100));
    int64_t r;

    CHECK_EQ(sys_quota_info(q).value, 32 * PAGE_SIZE);
    CHECK_EQ(sys_quota_create(q, 32 * PAGE_SIZE, 100), SK_ENOMEM);
    CHECK_EQ(sys_quota_create(q, PAGE_SIZE, 101), SK_EPERM);
    CHECK_EQ(sys_quota_create(q, 0, 1), SK_EINVAL);
    CHECK_EQ(sys_thread_create(q, CAP_TASK, 0x20000000, 101), SK_EPERM);
    cap_t task = CAP(sys_task_create(q)), thread = CAP(sys_thread_create(q, task, 0x500000, 100));
    CHECK_EQ(sys_thread_set(thread, THREAD_PRIORITY, 101), SK_EPERM);
    while ((r = sys_signal_create(q)) > 0) {
    }
    CHECK_EQ(r, SK_ENOMEM);
    CHECK_EQ(sys_quota_info(q).extra, 32 * PAGE_SIZE);
    CHECK_EQ(sys_map(task, ram, 0, PAGE_SIZE, 0x40000000, RW).value, SK_ENOMEM);
    CHECK_EQ(sys_gate_create(q), SK_ENOMEM);
    CHECK_EQ(sys_mem_derive(q, ram, 0, PAGE_SIZE, RW), SK_ENOMEM);
    CHECK_EQ(sys_task_create(q), SK_ENOMEM);
    CHECK_EQ(sys_guest_create(q), SK_ENOMEM);
    CHECK_EQ(sys_quota_info(q).extra, 32 * PAGE_SIZE);
    CHECK_EQ(sys_obj_destroy(q), SK_OK);
    CHECK_EQ(sys_cap_info(task).value, SK_ECAP);
    CHECK_EQ(sys_cap_info(thread).value, SK_ECAP);
    CHECK(sys_quota_info(CAP_QUOTA).extra <= before + 8 * PAGE_SIZE); /* slot pages of this task */
}

/* The whole pool, then everything works again. */
static void pool_exhausted(void)
{
    cap_t q = CAP(sys_quota_create(CAP_QUOTA, PAGE_SIZE, 0));
    CHECK_EQ(sys_obj_destroy(q), SK_OK);
    struct sys_result i = sys_quota_info(CAP_QUOTA);
    uint64_t rest = (uint64_t)i.value - i.extra;

    CHECK_EQ(sys_quota_create(CAP_QUOTA, rest + PAGE_SIZE, 0), SK_ENOMEM);
    q = CAP(sys_quota_create(CAP_QUOTA, rest - 32 * PAGE_SIZE, 255));
    uint64_t va = 0x100000000;
    int64_t r;
    while ((r = sys_thread_create(q, CAP_TASK, va, 1)) > 0) {
        va += PAGE_SIZE;
    }
    CHECK(r == SK_ENOMEM || r == SK_ESLOTS);
    CHECK(va > 0x100000000 + 100 * PAGE_SIZE);
    CHECK_EQ(sys_obj_destroy(q), SK_OK);
    CHECK(CAP(sys_task_create(CAP_QUOTA)) != CAP_NULL);
}

/* Tasks that hold each other's only capabilities die in a row. */
static void chain_of_tasks(void)
{
    cap_t next = CAP(sys_signal_create(CAP_QUOTA));
    uint64_t used = sys_quota_info(CAP_QUOTA).extra;

    for (unsigned i = 0; i < 200; i++) {
        cap_t task = CAP(sys_task_create(CAP_QUOTA));

        CHECK_EQ(sys_task_grant(task, next, RIGHT_ALL, 1), 1);
        CHECK_EQ(sys_task_grant(task, next, RIGHT_ALL, 1), SK_ESLOTS);
        CHECK_EQ(sys_cap_drop(next), SK_OK);
        next = task;
    }
    CHECK_EQ(sys_cap_drop(next), SK_OK);
    CHECK(sys_quota_info(CAP_QUOTA).extra <= used);
}

/* Another task: calls the kernel with numbers from a generator, for ever. rdi: seed. */
extern const char random_begin[], random_end[];
__asm__(".pushsection .rodata\n"
        "random_begin:\n"
        "  mov %rdi, %r15\n"
        "  movabs $6364136223846793005, %r14\n"
        "  movabs $1442695040888963407, %r13\n"
        "1: imul %r14, %r15\n"
        "  add %r13, %r15\n"
        "  mov %r15, %rax\n"
        "  shr $33, %rax\n"
        "  xor %edx, %edx\n"
        "  mov $50, %ecx\n" /* SYS_COUNT */
        "  div %ecx\n"
        "  cmp $24, %edx\n" /* SYS_THREAD_EXIT */
        "  je 1b\n"
        "  lea 0x534b0000(%rdx), %eax\n"
        "  .macro field shift, reg\n"
        "  mov %r15, \\reg\n"
        "  shr $\\shift, \\reg\n"
        "  and $31, \\reg\n"
        "  .endm\n"
        "  field 20, %rdi\n"
        "  field 25, %rsi\n"
        "  field 30, %rdx\n"
        "  field 39, %r10\n"
        "  field 44, %r8\n"
        "  field 49, %r9\n"
        "  bt $60, %r15\n"
        "  jnc 2f\n"
        "  shl $12, %rdx\n" /* offsets, sizes, addresses */
        "  shl $12, %r10\n"
        "  shl $12, %r8\n"
        "  bt $61, %r15\n"
        "  jnc 2f\n"
        "  mov $3, %edi\n" /* the quota */
        "2: syscall\n"
        "  jmp 1b\n"
        "random_end:\n"
        ".popsection\n");
_Static_assert(SYS_COUNT == 50 && SYS_THREAD_EXIT == 24, "numbers in the child's code");

static void random_calls(void)
{
    const struct machine_stat *stat = (const struct machine_stat *)utcb->mr;

    CHECK_EQ(sys_machine_stat(boot->machine), SK_OK);
    uint64_t before = stat->syscalls;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        cap_t quota = CAP(sys_quota_create(CAP_QUOTA, 96 * PAGE_SIZE, 120));
        cap_t m = CAP(sys_mem_derive(quota, ram, 0, 32 * PAGE_SIZE, RIGHT_ALL));
        cap_t thread, task = child_create(quota, random_begin, random_end, &thread);

        CHECK_EQ(sys_task_grant(task, task, RIGHT_ALL, CAP_TASK), CAP_TASK);
        CHECK_EQ(sys_task_grant(task, thread, RIGHT_ALL, CAP_THREAD), CAP_THREAD);
        CHECK_EQ(sys_task_grant(task, m, RIGHT_ALL, 4), 4);
        CHECK_EQ(sys_task_grant(task, boot->irqctl, RIGHT_ALL, 5), 5);
        CHECK_EQ(sys_task_grant(task, boot->dmactl, RIGHT_ALL, 6), 6);
        for (uint64_t i = 0; i < 10; i++) {
            ignore(sys_thread_start(thread, CHILD_CODE, 0, seed << 8 | i)); /* it may have destroyed itself */
            CHECK_EQ(sys_wait(sys_now_ns() + MS / 2).value, SK_ETIMEDOUT);
        }
        ignore(sys_obj_destroy(quota));
        CHECK_EQ(sys_cap_info(task).value, SK_ECAP);
    }
    CHECK_EQ(sys_machine_stat(boot->machine), SK_OK);
    print_figure("random kernel calls", stat->syscalls - before);
    CHECK_EQ(sys_mem_revoke(ram), SK_OK);
}

void test_objects(void)
{
    run("boot information", boot_information);
    run("garbage arguments", garbage_arguments);
    run("capabilities: rights, copies, destruction", capabilities);
    run("capability table full", table_full);
    run("quota: limits, exhaustion, destruction", quota_limits);
    run("kernel memory exhausted and recovered", pool_exhausted);
    run("a chain of 200 tasks dies", chain_of_tasks);
    run("random calls of 40 tasks", random_calls);
}

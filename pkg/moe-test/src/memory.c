// SPDX-License-Identifier: MIT
// The memory server, and accesses to memory that goes away.
#include "check.h"

#include <proto/mem.h>
#include <rt/guard.h>
#include <sk/env.h>
#include <sk/msg.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <string.h>

#define MIB (1ull << 20)

static int64_t mem_free(cap_t mem, cap_t cap)
{
    struct msg m;

    msg_begin(&m, MEM_FREE);
    msg_put_cap(&m, cap, RIGHT_R);
    return msg_call(&m, mem, DEADLINE_NEVER);
}

static bool all_zero(const char *p, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

/* Fresh memory is zero, also when it was written by its last owner. */
static void alloc_write_free(cap_t mem)
{
    int64_t err, cap = mem_alloc(mem, 3 * PAGE_SIZE - 5, 0, 0);

    CHECK(cap > 0);
    CHECK_EQ(sys_mem_info((cap_t)cap).value, 3 * PAGE_SIZE);
    char *p = vm_map((cap_t)cap, 0, 3 * PAGE_SIZE, RIGHT_R | RIGHT_W, &err);
    CHECK(p != NULL);
    if (p) {
        CHECK(all_zero(p, 3 * PAGE_SIZE));
        memset(p, 0xff, 3 * PAGE_SIZE);
        CHECK_EQ(mem_free(mem, (cap_t)cap), SK_EBUSY);
        vm_unmap(p, 3 * PAGE_SIZE);
    }
    CHECK_EQ(mem_free(mem, (cap_t)cap), SK_OK);
    CHECK_EQ(sys_mem_info((cap_t)cap).value, SK_ECAP);
    sys_cap_drop((cap_t)cap);
}

void test_memory(void)
{
    cap_t mem = sk_env_get("mem");
    struct mem_figures before = mem_stat(mem);

    for (int i = 0; i < 3; i++) {
        alloc_write_free(mem);
    }
    int64_t cap = mem_alloc(mem, 4 * MIB, 0, MEM_ALLOC_SUPERPAGES);
    CHECK(cap > 0);
    CHECK_EQ(mem_stat(mem).used, before.used + 4 * MIB);
    CHECK_EQ(sys_mem_revoke((cap_t)cap), SK_ERIGHTS);
    CHECK_EQ(sys_obj_destroy((cap_t)cap), SK_ERIGHTS);
    int64_t part = sys_mem_derive(CAP_QUOTA, (cap_t)cap, 0, PAGE_SIZE, RIGHT_R);
    CHECK(part > 0);
    sys_cap_drop((cap_t)cap);
    CHECK_EQ(mem_stat(mem).used, before.used + 4 * MIB); /* a part of it is still in use */
    sys_cap_drop((cap_t)part);                           /* nobody holds it any more */
    struct mem_figures after = mem_stat(mem);
    CHECK_EQ(after.used, before.used);
    CHECK_EQ(after.free, before.free);
    CHECK_EQ(mem_alloc(mem, 0, 0, 0), SK_EINVAL);
    CHECK_EQ(mem_alloc(mem, PAGE_SIZE, 3, 0), SK_EINVAL);
    CHECK_EQ(mem_alloc(mem, PAGE_SIZE, 1ull << 40, 0), SK_EINVAL);
    CHECK_EQ(mem_alloc(mem, PAGE_SIZE, 0, 0x80), SK_EINVAL);
    CHECK_EQ(mem_alloc(mem, UINT64_MAX, 0, 0), SK_ENOMEM);
    CHECK_EQ(mem_alloc(mem, before.free + MIB, 0, 0), SK_ENOMEM);
}

void test_memory_allowances(void)
{
    cap_t mem = sk_env_get("mem");
    struct mem_figures before = mem_stat(mem);
    int64_t sub = call_for_cap(mem, MEM_SUB, MIB, 0);

    CHECK(sub > 0);
    CHECK_EQ(mem_stat((cap_t)sub).allowed, MIB);
    int64_t cap = mem_alloc((cap_t)sub, MIB, 0, 0);
    CHECK(cap > 0);
    CHECK_EQ(mem_alloc((cap_t)sub, 1, 0, 0), SK_ENOMEM);
    CHECK_EQ(call_for_cap((cap_t)sub, MEM_SUB, 0, 0), SK_ENOMEM);
    CHECK_EQ(mem_free(mem, (cap_t)cap), SK_ENOENT); /* of another account */
    CHECK_EQ(call_for_cap(mem, MEM_SUB, UINT64_MAX, 0), SK_ENOMEM);
    sys_cap_drop((cap_t)sub);
    CHECK(mem_stat(mem).used >= before.used + MIB); /* the session is gone, its memory is not */
    sys_cap_drop((cap_t)cap);
    CHECK_EQ(mem_stat(mem).used, before.used);
    int64_t made[64];
    unsigned n = 0;
    while (n < 64 && (made[n] = call_for_cap(mem, MEM_SUB, 0, 0)) > 0) {
        n++;
    }
    CHECK(n >= 16 && n < 64);
    while (n) {
        sys_cap_drop((cap_t)made[--n]);
    }
    CHECK_EQ(mem_stat(mem).used, before.used);
}

/* Memory that another quota pays for goes with it, also where it is mapped. */
void test_memory_guarded(void)
{
    int64_t mem = mem_alloc(sk_env_get("mem"), PAGE_SIZE, 0, 0), err;
    int64_t quota = sys_quota_create(CAP_QUOTA, 8 * PAGE_SIZE, 1);
    int64_t part = sys_mem_derive((cap_t)quota, (cap_t)mem, 0, PAGE_SIZE, RIGHT_R | RIGHT_W);
    uint64_t value = 1;
    char copy[64];

    CHECK(mem > 0 && quota > 0 && part > 0);
    char *p = vm_map((cap_t)part, 0, PAGE_SIZE, RIGHT_R | RIGHT_W, &err);
    CHECK(p != NULL);
    CHECK(rt_guarded_write64(p, 0x1122334455667788));
    CHECK(rt_guarded_read64(p, &value) && value == 0x1122334455667788);
    CHECK(rt_guarded_copy(copy, p, sizeof(copy)) && copy[0] == (char)0x88);
    CHECK_EQ(sys_obj_destroy((cap_t)quota), SK_OK);
    for (int i = 0; i < 3; i++) {
        CHECK(!rt_guarded_write64(p, 1));
        CHECK(!rt_guarded_write8(p, 1) && !rt_guarded_write16(p, 1) && !rt_guarded_write32(p, 1));
        CHECK(!rt_guarded_read64(p, &value));
        CHECK(!rt_guarded_copy(copy, p, sizeof(copy)));
        CHECK(!rt_guarded_copy(p, copy, 3));
    }
    CHECK(rt_guarded_copy(copy, "fine", 5) && strcmp(copy, "fine") == 0);
    vm_unmap(p, PAGE_SIZE);
    sys_cap_drop((cap_t)part);
    sys_cap_drop((cap_t)quota);
    sys_cap_drop((cap_t)mem);
}

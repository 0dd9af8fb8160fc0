// SPDX-License-Identifier: MIT
// vmtest: isolation of the FPU, memory taken away, destruction in use, quotas, errors, counters.
#include "vmtest.h"

GUEST_CODE(g16_hlt);
GUEST_CODE(g16_spin);
GUEST_CODE(g16_touch);
GUEST_CODE(g16_touch_loop);
GUEST_CODE(g64_fpu);
GUEST_CODE(g64_fpu_spin);
GUEST_CODE(g64_avx);
GUEST_CODE(g64_peek);
GUEST_CODE(g64_store);

/* --- FPU ---------------------------------------------------------------------------------------------------------- */

static uint64_t xmm0_get(void)
{
    uint64_t v;

    __asm__ volatile("movq %%xmm0, %0" : "=r"(v));
    return v;
}

static void xmm0_set(uint64_t v)
{
    __asm__ volatile("movq %0, %%xmm0" : : "r"(v) : "xmm0");
}

static void test_fpu(struct vm *vm)
{
    VM_LOAD64(vm, g64_fpu);
    vm->s->cr0 &= ~0x4ull;
    xmm0_set(0xaaaaaaaabbbbbbbb);
    CHECK_EXIT(vm, VCPU_EXIT_IO);
    CHECK_EQ(xmm0_get(), 0xaaaaaaaabbbbbbbb);
    CHECK_EQ(vm_data(vm, 0), 0); /* the guest began with its own, cleared registers */
    xmm0_set(0xccccccccdddddddd);
    vm_skip(vm, 2);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(xmm0_get(), 0xccccccccdddddddd);
    CHECK_EQ(vm_data(vm, 1), 0x1122334455667788);
    CHECK_EQ(vm_data(vm, 2), 0x1122334455667788);
    CHECK_EQ(vm_data(vm, 3), 1);
    /* reset on demand */
    VM_LOAD64(vm, g64_fpu);
    vm->s->dirty |= VCPU_GROUP_FPU;
    CHECK_EXIT(vm, VCPU_EXIT_IO);
    CHECK_EQ(vm_data(vm, 0), 0);
}

/* Time slices and timer interrupts in the middle, another thread of the host with its own values. */
static void fpu_user(uint64_t arg)
{
    (void)arg;
    for (;;) {
        __asm__ volatile("movq %0, %%xmm7" : : "r"(~0ull) : "xmm7");
        sys_thread_yield();
    }
}

static void test_fpu_shared(struct vm *vm)
{
    cap_t timer = signal_make(1);
    cap_t t = thread_run(fpu_user, 0, 128);

    VM_LOAD64(vm, g64_fpu_spin);
    vm_endless(vm);
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(vm_run_until(vm, timer, GPR_RCX, 100000).value, VCPU_SIGNAL);
        CHECK_EQ(vm->s->gpr[GPR_RAX], 0x0123456789abcdef);
    }
    CHECK(vm->s->gpr[GPR_RCX] > 0);
    CHECK_EQ(sys_obj_destroy(t), SK_OK);
    CHECK_EQ(sys_obj_destroy(timer), SK_OK);
}

/* The guest's XCR0 is its own: the upper halves survive, and the VMM's are not touched. */
static void test_avx(struct vm *vm)
{
    uint64_t mine[4] = { 1, 2, 3, 4 }, after[4];

    if (!(sys_kinfo()->xcr0_supported & 4)) {
        test_skip("the processor has no AVX");
        return;
    }
    VM_LOAD64(vm, g64_avx);
    vm->s->cr4 |= 1 << 18;
    vm->s->xcr0 = 7;
    vm->s->dirty |= VCPU_GROUP_MSR;
    __asm__ volatile("vmovdqu %0, %%ymm1" : : "m"(mine) : "xmm1");
    CHECK_EXIT(vm, VCPU_EXIT_IO);
    __asm__ volatile("vmovdqu %%ymm1, %0" : "=m"(after));
    CHECK_EQ(memcmp(mine, after, sizeof(mine)), 0);
    vm_skip(vm, 2);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(vm_data(vm, i), ~0ull);
    }
}

/* --- memory --------------------------------------------------------------------------------------------------------- */

/* The guest reads a page over and over; the VMM takes the memory away. The next access is an exit. */
static void test_revoke(struct vm *vm)
{
    cap_t parent = mem_take(2 * PAGE_SIZE, PAGE_SIZE), timer = signal_make(2);
    int64_t child = sys_mem_derive(CAP_QUOTA, parent, PAGE_SIZE, PAGE_SIZE, RIGHT_R);

    CHECK(child > 0);
    CHECK_EQ(sys_map(vm->guest, (cap_t)child, 0, PAGE_SIZE, HOLE, RIGHT_R).value, SK_OK);
    VM_LOAD16(vm, g16_touch_loop);
    vm_endless(vm);
    vm->s->gpr[GPR_RBX] = HOLE;
    vm->s->ds.limit = UINT32_MAX;
    vm->s->ds.attr = 0xc93;
    CHECK_EQ(vm_run_until(vm, timer, GPR_RCX, 2).value, VCPU_SIGNAL);
    CHECK(vm->s->gpr[GPR_RCX] > 1);
    CHECK_EQ(sys_mem_revoke(parent), SK_OK);
    CHECK_EXIT(vm, VCPU_EXIT_MMIO);
    CHECK_EQ(vm->s->exit.gpa, HOLE);
    CHECK_EQ(vm->s->exit.access, RIGHT_R);
    CHECK_EQ(sys_obj_destroy(parent), SK_OK);
    CHECK_EQ(sys_obj_destroy(timer), SK_OK);
}

/* Another page at the same address: no stale translation. */
static void test_remap(struct vm *vm)
{
    cap_t mem = mem_take(16 * PAGE_SIZE, PAGE_SIZE);
    uint32_t *p = mem_map(mem, 16 * PAGE_SIZE);

    for (unsigned i = 0; i < 16; i++) {
        p[i * 1024] = 0x100 + i;
        CHECK_EQ(sys_map(vm->guest, mem, i * PAGE_SIZE, PAGE_SIZE, HOLE, RIGHT_R).value, SK_OK);
        VM_LOAD16(vm, g16_touch);
        vm->s->gpr[GPR_RBX] = HOLE;
        vm->s->ds.limit = UINT32_MAX;
        vm->s->ds.attr = 0xc93;
        CHECK_EXIT(vm, VCPU_EXIT_HLT);
        CHECK_EQ((uint32_t)vm->s->gpr[GPR_RAX], 0x100 + i);
        CHECK_EQ(sys_unmap(vm->guest, HOLE, PAGE_SIZE), SK_OK);
    }
    CHECK_EQ(sys_obj_destroy(mem), SK_OK);
}

/* 2 MiB at a 2 MiB address: one large page, usable to its end. */
static void test_large_page(struct vm *vm)
{
    const uint64_t size = 2u << 20;
    cap_t mem = mem_take(size, size);
    uint8_t *p = mem_map(mem, size);

    *(uint32_t *)(p + size - 4) = 0xfeedface;
    CHECK_EQ(sys_map(vm->guest, mem, 0, size, HOLE, RIGHT_R | RIGHT_W).value, SK_OK);
    VM_LOAD16(vm, g16_touch);
    vm->s->gpr[GPR_RBX] = HOLE + size - 4;
    vm->s->ds.limit = UINT32_MAX;
    vm->s->ds.attr = 0xc93;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ((uint32_t)vm->s->gpr[GPR_RAX], 0xfeedface);
    CHECK_EQ(sys_unmap(vm->guest, HOLE, PAGE_SIZE), SK_EINVAL); /* only as a whole */
    CHECK_EQ(sys_unmap(vm->guest, HOLE, size), SK_OK);
    CHECK_EQ(sys_obj_destroy(mem), SK_OK);
}

/* A guest that the VMM gives another page table, as at a reset, sees nothing of the first any more. */
static void test_new_tables(struct vm *vm)
{
    uint64_t *pml4 = (uint64_t *)(vm->mem + 0x14000), *pdpt = (uint64_t *)(vm->mem + 0x15000);
    uint64_t *pd = (uint64_t *)(vm->mem + 0x16000), *pt = (uint64_t *)(vm->mem + 0x17000);
    const uint64_t va = 0x200000 + DATA;

    VM_LOAD64(vm, g64_peek);
    ((uint64_t *)(vm->mem + PD))[1] = 0x87;
    *(uint64_t *)(vm->mem + DATA) = 0x1111;
    *(uint64_t *)(vm->mem + 0x20000) = 0x2222;
    pml4[0] = 0x15007;
    pdpt[0] = 0x16007;
    pd[0] = 0x87;
    pd[1] = 0x17007;
    pt[DATA / PAGE_SIZE] = 0x20007;
    for (unsigned i = 0; i < 4; i++) {
        vm->s->rip = CODE;
        vm->s->cr3 = i % 2 ? 0x14000 : PML4;
        vm->s->gpr[GPR_RBX] = va;
        vm->s->dirty |= VCPU_GROUP_BASE;
        CHECK_EXIT(vm, VCPU_EXIT_HLT);
        CHECK_EQ(vm->s->gpr[GPR_RAX], i % 2 ? 0x2222 : 0x1111);
    }
}

/* --- another thread interferes with the run ----------------------------------------------------------------------------- */

static struct vm *victim;
static volatile int64_t busy_run, busy_get;

static void try_busy(uint64_t timer)
{
    wait_in_guest();
    busy_run = sys_vcpu_run(victim->vcpu).value;
    busy_get = sys_vcpu_get(victim->vcpu, VCPU_GROUP_BASE);
    sys_signal_raise((cap_t)timer);
    sys_thread_exit(0);
}

static void test_busy(struct vm *vm)
{
    cap_t s = signal_make(3);

    victim = vm;
    VM_LOAD16(vm, g16_spin);
    vm_endless(vm);
    cap_t t = thread_run(try_busy, s, 128);
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, VCPU_SIGNAL);
    CHECK_EQ(busy_run, SK_EBUSY);
    CHECK_EQ(busy_get, SK_EBUSY);
    CHECK_EQ(sys_obj_destroy(t), SK_OK);
    CHECK_EQ(sys_obj_destroy(s), SK_OK);
}

static void destroy(uint64_t cap)
{
    wait_in_guest();
    sys_obj_destroy((cap_t)cap);
    sys_thread_exit(0);
}

static void test_destroy_vcpu(struct vm *vm)
{
    VM_LOAD16(vm, g16_spin);
    vm_endless(vm);
    cap_t t = thread_run(destroy, vm->vcpu, 128);
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, SK_EGONE);
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, SK_ECAP);
    CHECK_EQ(sys_obj_destroy(t), SK_OK);
    /* its page is gone, the address is free */
    int64_t vcpu = sys_vcpu_create(CAP_QUOTA, vm->guest, CAP_TASK, (uint64_t)vm->s);
    CHECK(vcpu > 0);
    vm->vcpu = (cap_t)vcpu;
    VM_LOAD16(vm, g16_hlt);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
}

static void test_destroy_guest(struct vm *vm)
{
    cap_t bell = signal_make(4);

    CHECK_EQ(sys_doorbell_bind(vm->guest, 0x500, DOORBELL_ANY, bell), SK_OK);
    VM_LOAD16(vm, g16_spin);
    vm_endless(vm);
    cap_t t = thread_run(destroy, vm->guest, 128);
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, SK_EGONE);
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, SK_ECAP);
    CHECK_EQ(sys_map(vm->guest, vm->ram, 0, PAGE_SIZE, HOLE, RIGHT_R).value, SK_ECAP);
    CHECK_EQ(sys_obj_destroy(t), SK_OK);
    CHECK_EQ(sys_obj_destroy(bell), SK_OK);
}

static struct {
    cap_t guest;
    volatile uint64_t *page;
    int64_t err;
    uint64_t changed;
} unmap;

/* When sys_unmap() has returned, the guest writes nothing more, whatever processor it runs on. */
static void unmap_running(uint64_t unused)
{
    (void)unused;
    while (*unmap.page == 0) {
        sys_thread_yield();
    }
    unmap.err = sys_unmap(unmap.guest, HOLE, PAGE_SIZE);
    uint64_t seen = *unmap.page;
    for (unsigned i = 0; i < 1000; i++) {
        sys_thread_yield();
        unmap.changed += *unmap.page != seen;
    }
    sys_thread_exit(0);
}

static void test_unmap_running(struct vm *vm)
{
    cap_t mem = mem_take(PAGE_SIZE, PAGE_SIZE);

    unmap.guest = vm->guest;
    unmap.page = mem_map(mem, PAGE_SIZE);
    unmap.err = 1;
    unmap.changed = 0;
    *unmap.page = 0;
    CHECK_EQ(sys_map(vm->guest, mem, 0, PAGE_SIZE, HOLE, RIGHT_R | RIGHT_W).value, SK_OK);
    VM_LOAD64(vm, g64_store);
    vm_endless(vm);
    cap_t t = thread_run(unmap_running, 0, 128);
    CHECK_EXIT(vm, VCPU_EXIT_MMIO);
    CHECK_EQ(vm->s->exit.gpa, HOLE);
    while (sys_thread_info(t).value != THREAD_EXITED) {
        sys_thread_yield();
    }
    CHECK_EQ(unmap.err, SK_OK);
    CHECK_EQ(unmap.changed, 0);
    CHECK_EQ(sys_obj_destroy(t), SK_OK);
    CHECK_EQ(sys_obj_destroy(mem), SK_OK);
}

static void run_forever(uint64_t vcpu)
{
    ignore(sys_vcpu_run((cap_t)vcpu).value);
    sys_thread_exit(1);
}

static void wait_for(cap_t t)
{
    while (sys_thread_info(t).value != THREAD_IN_GUEST) {
        sys_thread_yield();
    }
}

/* The running thread is stopped, then destroyed; the vcpu goes on with another. */
static void test_stop_runner(struct vm *vm)
{
    VM_LOAD16(vm, g16_spin);
    vm_endless(vm);
    cap_t t = thread_run(run_forever, vm->vcpu, 128);
    wait_for(t);
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, SK_EBUSY);
    CHECK_EQ(sys_thread_stop(t), SK_OK);
    CHECK_EQ(vm->s->valid, VCPU_GROUP_BASE);
    CHECK_EQ(vm->s->exit.reason, VCPU_EXIT_NONE);
    CHECK_EQ(sys_obj_destroy(t), SK_OK);
    VM_LOAD16(vm, g16_hlt);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    VM_LOAD16(vm, g16_spin);
    vm_endless(vm);
    t = thread_run(run_forever, vm->vcpu, 128);
    wait_for(t);
    CHECK_EQ(sys_obj_destroy(t), SK_OK);
    VM_LOAD16(vm, g16_hlt);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
}

/* --- errors and quotas ---------------------------------------------------------------------------------------------------- */

static void test_errors(struct vm *vm)
{
    int64_t weak = sys_cap_copy(vm->vcpu, 0), no_bind = sys_cap_copy(vm->guest, RIGHT_CTRL);

    CHECK(weak > 0 && no_bind > 0);
    CHECK_EQ(sys_vcpu_run((cap_t)weak).value, SK_ERIGHTS);
    CHECK_EQ(sys_vcpu_get((cap_t)weak, VCPU_GROUP_BASE), SK_ERIGHTS);
    CHECK_EQ(sys_vcpu_run(vm->guest).value, SK_ETYPE);
    CHECK_EQ(sys_vcpu_run(0).value, SK_ECAP);
    CHECK_EQ(sys_vcpu_get(vm->vcpu, 1u << 7), SK_EINVAL);
    CHECK_EQ(sys_doorbell_bind((cap_t)no_bind, 1, 1, CAP_NULL), SK_ERIGHTS);
    CHECK_EQ(sys_guest_create(vm->guest), SK_ETYPE);
    CHECK_EQ(sys_vcpu_create(CAP_QUOTA, vm->vcpu, CAP_TASK, 0x10002000), SK_ETYPE);
    CHECK_EQ(sys_vcpu_create(CAP_QUOTA, vm->guest, vm->guest, 0x10002000), SK_ETYPE);
    CHECK_EQ(sys_vcpu_create(CAP_QUOTA, vm->guest, CAP_TASK, 0x10002001), SK_EINVAL);
    CHECK_EQ(sys_vcpu_create(CAP_QUOTA, vm->guest, CAP_TASK, (uint64_t)vm->s), SK_EEXIST);
    CHECK_EQ(sys_vcpu_create(CAP_QUOTA, vm->guest, CAP_TASK, USER_END), SK_ERANGE);
    CHECK_EQ(sys_map(vm->guest, vm->ram, 0, PAGE_SIZE, 1ull << 52, RIGHT_R).value, SK_ERANGE);
    CHECK_EQ(sys_map(vm->guest, vm->ram, 0, PAGE_SIZE, 0, RIGHT_R).value, SK_EEXIST);
    sys_cap_drop((cap_t)weak);
    sys_cap_drop((cap_t)no_bind);
}

/* A quota of any size: creation fails or succeeds as a whole, and gives everything back. */
static void test_quota(struct vm *vm)
{
    bool done = false;

    (void)vm;
    for (uint64_t pages = 1; pages < 40 && !done; pages++) {
        int64_t q = sys_quota_create(CAP_QUOTA, pages * PAGE_SIZE, 10);

        CHECK(q > 0);
        int64_t guest = sys_guest_create((cap_t)q);
        CHECK(guest > 0 || guest == SK_ENOMEM);
        if (guest > 0) {
            int64_t vcpu = sys_vcpu_create((cap_t)q, (cap_t)guest, CAP_TASK, 0x10003000);

            CHECK(vcpu > 0 || vcpu == SK_ENOMEM);
            done = vcpu > 0;
        }
        CHECK_EQ(sys_obj_destroy((cap_t)q), SK_OK);
    }
    CHECK(done);
}

/* Many guests, one after the other: more than there are ASIDs. */
static void test_many(struct vm *vm)
{
    for (unsigned i = 0; i < 200; i++) {
        int64_t vcpu = sys_vcpu_create(CAP_QUOTA, vm->guest, CAP_TASK, 0x10004000);
        struct vm other = *vm;

        CHECK(vcpu > 0);
        other.vcpu = (cap_t)vcpu;
        other.s = (struct vcpu_state *)0x10004000;
        VM_LOAD16(&other, g16_hlt);
        CHECK_EXIT(&other, VCPU_EXIT_HLT);
        VM_LOAD16(vm, g16_hlt);
        CHECK_EXIT(vm, VCPU_EXIT_HLT);
        CHECK_EQ(sys_obj_destroy(other.vcpu), SK_OK);
    }
}

static void stat_get(struct machine_stat *to)
{
    if (sys_machine_stat(boot->machine) == SK_OK) {
        memcpy(to, ((struct utcb *)boot->utcb)->mr, sizeof(*to));
    }
}

static void test_counters(struct vm *vm)
{
    static struct machine_stat before, after;

    stat_get(&before);
    VM_LOAD16(vm, g16_hlt);
    for (unsigned i = 0; i < 10; i++) {
        CHECK_EXIT(vm, VCPU_EXIT_HLT);
    }
    stat_get(&after);
    CHECK_EQ(after.vm_exits_by_reason[VCPU_EXIT_HLT] - before.vm_exits_by_reason[VCPU_EXIT_HLT], 10);
    uint64_t interrupts = after.vm_exits_by_reason[VCPU_EXIT_NONE] - before.vm_exits_by_reason[VCPU_EXIT_NONE];
    CHECK_EQ(after.vm_entries - before.vm_entries, 10 + interrupts);
}

static uint64_t tsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

/* Cycles of an exit to the VMM and back; instructions under QEMU's -icount shift=0. */
static void test_cost(struct vm *vm)
{
    const unsigned rounds = 1000;
    uint64_t start, exits, calls;

    VM_LOAD16(vm, g16_hlt);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    start = tsc();
    for (unsigned i = 0; i < rounds; i++) {
        vm->s->dirty = VCPU_GROUP_BASE;
        ignore(sys_vcpu_run(vm->vcpu).value);
    }
    exits = (tsc() - start) / rounds;
    start = tsc();
    for (unsigned i = 0; i < rounds; i++) {
        ignore(sys_quota_info(0).value);
    }
    calls = (tsc() - start) / rounds;
    say("vmtest: an exit to the VMM and back ");
    say_number((unsigned)exits);
    say(", a failing kernel call ");
    say_number((unsigned)calls);
    say(" cycles\n");
}

const struct test tests_life[] = {
    { "FPU registers", test_fpu },
    { "FPU registers and other threads", test_fpu_shared },
    { "AVX registers and XCR0", test_avx },
    { "memory revoked in use", test_revoke },
    { "memory replaced", test_remap },
    { "large page", test_large_page },
    { "new page tables", test_new_tables },
    { "vcpu busy", test_busy },
    { "vcpu destroyed in use", test_destroy_vcpu },
    { "guest destroyed in use", test_destroy_guest },
    { "memory unmapped under a running guest", test_unmap_running },
    { "runner stopped and destroyed", test_stop_runner },
    { "errors", test_errors },
    { "quotas", test_quota },
    { "more vcpus than ASIDs", test_many },
    { "counters", test_counters },
    { "cost", test_cost },
    { NULL, NULL },
};

// SPDX-License-Identifier: MIT
// vmtest: the state page: reset state, refused state, and what the processor keeps for a vcpu.
#include "vmtest.h"

GUEST_CODE(g16_hlt);
GUEST_CODE(g64_hlt);
GUEST_CODE(g64_tsc);
GUEST_CODE(g64_dr);

#define GROUPS (VCPU_GROUP_BASE | VCPU_GROUP_SEG | VCPU_GROUP_MSR | VCPU_GROUP_TSC)

/* The first instruction fetch of a new vcpu goes to the reset vector, where this guest has nothing. */
static void test_reset(struct vm *vm)
{
    struct vcpu_state *s = vm->s;

    CHECK_EQ(s->valid, GROUPS);
    CHECK_EQ(s->cs.sel, 0xf000);
    CHECK_EQ(s->cs.base, 0xffff0000);
    CHECK_EQ(s->cs.attr, 0x9b);
    CHECK_EQ(s->rip, 0xfff0);
    CHECK_EQ(s->rflags, 2);
    CHECK_EQ(s->cr0, 0x60000010);
    CHECK_EQ(s->cr3 | s->cr4 | s->efer, 0);
    CHECK_EQ(s->dr7, 0x400);
    CHECK_EQ(s->xcr0, 1);
    CHECK_EXIT(vm, VCPU_EXIT_MMIO);
    CHECK_EQ(s->exit.gpa, 0xfffffff0);
    CHECK_EQ(s->exit.access & ~VCPU_ACCESS_PT_WALK, RIGHT_X);
    CHECK_EQ(s->efer, 0); /* SVME does not show */
    CHECK_EQ(s->rip, 0xfff0);
    CHECK_EQ(s->valid, VCPU_GROUP_BASE);
    CHECK_EQ(s->dirty, 0);
}

static struct vcpu_state good;

/* Loads the good state with one change. */
static void refused(struct vm *vm, uint32_t group, enum vcpu_invalid why)
{
    vm->s->dirty = group;
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, SK_EINVAL);
    CHECK_EQ(vm->s->exit.reason, VCPU_EXIT_INVALID);
    CHECK_EQ(vm->s->exit.qual, why);
    CHECK_EQ(vm->s->dirty, group);
    memcpy(vm->s, &good, sizeof(good));
}

#define REFUSED(group, field, bad, why) \
    do { \
        vm->s->field = (__typeof__(vm->s->field))(bad); \
        refused(vm, VCPU_GROUP_##group, why); \
    } while (0)

static void test_refused(struct vm *vm)
{
    VM_LOAD64(vm, g64_hlt);
    good = *vm->s;
    REFUSED(BASE, cr0, 0x100000031, VCPU_INVALID_CR0);
    REFUSED(BASE, cr0, 0xa0000031, VCPU_INVALID_CR0);
    REFUSED(BASE, cr4, 0x2620, VCPU_INVALID_CR4); /* VMXE */
    REFUSED(BASE, cr4, 0x600, VCPU_INVALID_CR4);  /* no PAE in long mode */
    REFUSED(BASE, cr3, 1ull << 62, VCPU_INVALID_CR3);
    REFUSED(BASE, efer, 0x1501, VCPU_INVALID_EFER); /* SVME */
    REFUSED(BASE, efer, 0x101, VCPU_INVALID_EFER);  /* LME and paging, not LMA */
    REFUSED(BASE, efer, 1ull << 40, VCPU_INVALID_EFER);
    REFUSED(BASE, rflags, 0, VCPU_INVALID_RFLAGS);
    REFUSED(BASE, rflags, 1ull << 32 | 2, VCPU_INVALID_RFLAGS);
    REFUSED(BASE, cs.attr, 0xe9b, VCPU_INVALID_SEGMENT); /* L and D */
    REFUSED(SEG, fs.base, 1ull << 60, VCPU_INVALID_SEGMENT);
    REFUSED(SEG, gdtr.limit, 0x10000, VCPU_INVALID_SEGMENT);
    REFUSED(MSR, xcr0, 0, VCPU_INVALID_XCR0);
    REFUSED(MSR, xcr0, 1ull << 62 | 1, VCPU_INVALID_XCR0);
    REFUSED(MSR, dr7, 1ull << 32, VCPU_INVALID_DR);
    REFUSED(MSR, lstar, 1ull << 63, VCPU_INVALID_MSR);
    REFUSED(MSR, pat, 2, VCPU_INVALID_MSR);
    REFUSED(BASE, run.inject, VCPU_EVENT_VALID | VCPU_EVENT_INTR | 32, VCPU_INVALID_EVENT);
    REFUSED(BASE, run.inject, VCPU_EVENT_VALID | VCPU_EVENT_EXCP | 99, VCPU_INVALID_EVENT);
    REFUSED(BASE, run.inject, 13, VCPU_INVALID_EVENT);
    vm->s->dirty = 1u << 31;
    CHECK_EQ(sys_vcpu_run(vm->vcpu).value, SK_EINVAL);
    /* and after all that it runs */
    memcpy(vm->s, &good, sizeof(good));
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
}

/* Groups that are not dirty are not read; the page is only a copy. */
static void test_groups(struct vm *vm)
{
    struct vcpu_state *s = vm->s;

    VM_LOAD16(vm, g16_hlt);
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(s->rip, CODE);
    s->rip = 0x7777;
    s->lstar = ~0ull >> 1;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    CHECK_EQ(s->rip, CODE);
    s->lstar = 0xffffffff81000000;
    s->fs.base = 0x1234;
    s->tsc_offset = 99;
    s->dirty = VCPU_GROUP_MSR;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    s->lstar = s->fs.base = s->tsc_offset = 1;
    CHECK_EQ(sys_vcpu_get(vm->vcpu, GROUPS), SK_OK);
    CHECK_EQ(s->valid, GROUPS);
    CHECK_EQ(s->lstar, 0xffffffff81000000);
    CHECK_EQ(s->fs.base, 0);
    CHECK_EQ(s->tsc_offset, 0);
    CHECK_EQ(sys_vcpu_get(vm->vcpu, VCPU_GROUP_FPU), SK_EINVAL);
}

static uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

static uint32_t host_tsc_aux(void)
{
    uint32_t lo, hi, aux;

    __asm__ volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
    return aux;
}

static void test_tsc(struct vm *vm)
{
    struct vcpu_state *s = vm->s;
    uint64_t before = rdtsc();

    VM_LOAD64(vm, g64_tsc);
    s->tsc_offset = 1ull << 60;
    s->tsc_aux = 0xabcd;
    s->dirty |= VCPU_GROUP_TSC | VCPU_GROUP_MSR;
    CHECK_EXIT(vm, VCPU_EXIT_HLT);
    uint64_t guest = vm_data(vm, 0) - (1ull << 60);
    CHECK(guest >= before && guest <= rdtsc());
    CHECK_EQ(vm_data(vm, 1) & UINT32_MAX, 0xabcd);
    CHECK_EQ(host_tsc_aux(), 0);
}

/* The guest's TSC at three times and a third of the speed, if the hardware can do that; a ratio out of bounds never. */
static void test_tsc_ratio(struct vm *vm)
{
    static const uint64_t bad[] = { 0, VCPU_TSC_RATIO_1 >> 9, VCPU_TSC_RATIO_1 << 8, 3 * VCPU_TSC_RATIO_1 };
    struct vcpu_state *s = vm->s;
    bool can = (sys_kinfo()->vm_features & VM_FEAT_TSC_SCALE) != 0;

    VM_LOAD64(vm, g64_tsc);
    for (unsigned i = 0; i < 3u + !can; i++) {
        s->tsc_ratio = bad[i];
        s->dirty |= VCPU_GROUP_TSC;
        CHECK_EQ(sys_vcpu_run(vm->vcpu).value, SK_EINVAL);
        CHECK_EQ(s->exit.qual, VCPU_INVALID_TSC_RATIO);
    }
    for (unsigned i = 0; i < 2; i++) {
        uint64_t ratio = i ? VCPU_TSC_RATIO_1 / 3 : can ? 3 * VCPU_TSC_RATIO_1 : VCPU_TSC_RATIO_1, before = rdtsc();

        VM_LOAD64(vm, g64_tsc);
        s->tsc_ratio = can ? ratio : VCPU_TSC_RATIO_1;
        s->dirty |= VCPU_GROUP_TSC;
        CHECK_EXIT(vm, VCPU_EXIT_HLT);
        uint64_t guest = vm_data(vm, 0), after = rdtsc();
        CHECK(guest >= (unsigned __int128)before * s->tsc_ratio >> 32);
        CHECK(guest <= (unsigned __int128)after * s->tsc_ratio >> 32);
        s->tsc_ratio = 0;
        CHECK_EQ(sys_vcpu_get(vm->vcpu, VCPU_GROUP_TSC), SK_OK);
        CHECK_EQ(s->tsc_ratio, can ? ratio : VCPU_TSC_RATIO_1);
    }
}

/* DR0 and DR3 of two vcpus, alternately in the same registers. */
static void test_debug_registers(struct vm *vm)
{
    struct vm two = *vm;
    int64_t vcpu = sys_vcpu_create(CAP_QUOTA, vm->guest, CAP_TASK, 0x10001000);

    CHECK(vcpu > 0);
    two.vcpu = (cap_t)vcpu;
    two.s = (struct vcpu_state *)0x10001000;
    for (unsigned round = 0; round < 3; round++) {
        struct vm *each[2] = { vm, &two };

        for (unsigned i = 0; i < 2; i++) {
            VM_LOAD64(each[i], g64_dr);
            each[i]->s->gpr[GPR_RBX] = 0x1000 * (i + 1) + round;
            CHECK_EXIT(each[i], VCPU_EXIT_HLT);
            CHECK_EQ(vm_data(vm, 0), round ? 0x1000 * (i + 1) + round - 1 : 0);
            CHECK_EQ(vm_data(vm, 1), round ? 0x1000 * (i + 1) + round - 1 : 0);
        }
    }
    CHECK_EQ(sys_obj_destroy(two.vcpu), SK_OK);
}

const struct test tests_state[] = {
    { "reset state", test_reset },
    { "refused state", test_refused },
    { "groups", test_groups },
    { "TSC offset and TSC_AUX", test_tsc },
    { "TSC ratio", test_tsc_ratio },
    { "debug registers of two vcpus", test_debug_registers },
    { NULL, NULL },
};

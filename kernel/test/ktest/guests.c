// SPDX-License-Identifier: MIT
// ktest: a guest space and a vcpu, a doorbell, and events that end a guest's run.
#include "ktest.h"

#define STATE_VA 0x50000000ull
#define CODE_VA 0x51000000ull

static volatile struct vcpu_state *const state = (volatile struct vcpu_state *)STATE_VA;

/* Real mode at 0: OUT 0x80; OUT 0xc000 (a doorbell); HLT; then a loop. */
static const uint8_t guest_code[] = {
    0xb0, 0x5a,       /* mov al, 0x5a */
    0xe6, 0x80,       /* out 0x80, al */
    0xba, 0x00, 0xc0, /* mov dx, 0xc000 */
    0xb8, 0x03, 0x00, /* mov ax, 3 */
    0xef,             /* out dx, ax */
    0xf4,             /* hlt */
    0xeb, 0xfe,       /* jmp $ */
};

static void vcpu_setup(uint64_t rip)
{
    state->rip = rip;
    state->rflags = 0x202; /* IF = 1: Bochs keeps the host's interrupts from other guests (vmtest has those) */
    state->cs.sel = 0;
    state->cs.base = 0;
    state->dirty = VCPU_GROUP_BASE;
}

static void guest_run(void)
{
    cap_t guest = (cap_t)sys_guest_create(CAP_QUOTA),
          page = CAP(sys_mem_derive(CAP_QUOTA, ram, 0, PAGE_SIZE, RIGHT_ALL));

    if (sys_kinfo()->vm_kind == VM_NONE) {
        CHECK_EQ(guest, (cap_t)SK_ENODEV);
        return;
    }
    CHECK_EQ(sys_map(CAP_TASK, page, 0, PAGE_SIZE, CODE_VA, RW).value, SK_OK);
    memcpy((void *)CODE_VA, guest_code, sizeof(guest_code));
    CHECK_EQ(sys_map(guest, page, 0, PAGE_SIZE, 0, RW | RIGHT_X).value, SK_OK);
    CHECK_EQ(sys_map(guest, page, 0, PAGE_SIZE, 0, RW).value, SK_EEXIST);
    CHECK_EQ(sys_vcpu_create(CAP_QUOTA, guest, CAP_TASK, (uint64_t)utcb), SK_EEXIST);
    cap_t vcpu = CAP(sys_vcpu_create(CAP_QUOTA, guest, CAP_TASK, STATE_VA));
    cap_t bell = CAP(sys_signal_create(CAP_QUOTA));
    CHECK_EQ(sys_signal_bind(bell, CAP_THREAD, 0xbe11), SK_OK);
    CHECK_EQ(sys_doorbell_bind(guest, 0xc000, 3, bell), SK_OK);
    CHECK_EQ(sys_doorbell_bind(guest, 0xc000, 3, bell), SK_EEXIST);
    vcpu_setup(0);
    CHECK_EQ(sys_vcpu_run(vcpu).value, VCPU_EXIT);
    CHECK_EQ(state->exit.reason, VCPU_EXIT_IO);
    CHECK_EQ(state->exit.qual, 0);
    CHECK_EQ(state->exit.io_port, 0x80);
    CHECK_EQ(state->exit.io_in, 0);
    CHECK_EQ(state->gpr[GPR_RAX] & 0xff, 0x5a);
    vcpu_setup(4);
    struct sys_result r = sys_vcpu_run(vcpu);
    CHECK_EQ(r.value, VCPU_SIGNAL);
    CHECK_EQ(r.extra, 0xbe11);
    CHECK_EQ(sys_vcpu_run(vcpu).value, VCPU_EXIT);
    CHECK_EQ(state->exit.reason, VCPU_EXIT_HLT);
    /* an endless guest is stopped by a timer and by the scheduler */
    vcpu_setup(12);
    uint64_t start = sys_now_ns();
    CHECK_EQ(sys_signal_timer(bell, start + 20 * MS), SK_OK);
    r = sys_vcpu_run(vcpu);
    CHECK_EQ(r.value, VCPU_SIGNAL);
    CHECK_EQ(r.extra, 0xbe11);
    CHECK(sys_now_ns() - start >= 20 * MS);
    /* the guest's memory is taken away */
    CHECK_EQ(sys_mem_revoke(page), SK_OK);
    CHECK_EQ(sys_vcpu_run(vcpu).value, VCPU_EXIT);
    CHECK_EQ(state->exit.reason, VCPU_EXIT_MMIO);
    CHECK_EQ(sys_obj_destroy(guest), SK_OK);
    CHECK(sys_vcpu_run(vcpu).value < 0);
    (void)sys_obj_destroy(vcpu);
    CHECK_EQ(sys_obj_destroy(bell), SK_OK);
    CHECK_EQ(sys_obj_destroy(page), SK_OK);
}

static void guest_runner(struct worker *w)
{
    w->value[0] = (uint64_t)sys_vcpu_run(w->cap[0]).value;
}

/* Waits until t runs a guest: a loaded machine may take its time. */
static int64_t guest_entered(cap_t t)
{
    int64_t is = 0;

    for (unsigned i = 0; i < 1000 && is != THREAD_IN_GUEST; i++) {
        ignore(sys_wait(sys_now_ns() + 5 * MS).value);
        is = sys_thread_info(t).value;
    }
    return is;
}

/* A thread in a guest is stopped, its vcpu runs on with another thread; the vcpu is destroyed under it. */
static void guest_thread_stopped(void)
{
    if (sys_kinfo()->vm_kind == VM_NONE) {
        return;
    }
    cap_t guest = CAP(sys_guest_create(CAP_QUOTA)), page = CAP(sys_mem_derive(CAP_QUOTA, ram, 0, PAGE_SIZE, RIGHT_ALL));
    CHECK_EQ(sys_map(CAP_TASK, page, 0, PAGE_SIZE, CODE_VA, RW).value, SK_OK);
    memcpy((void *)CODE_VA, guest_code, sizeof(guest_code));
    CHECK_EQ(sys_map(guest, page, 0, PAGE_SIZE, 0, RW | RIGHT_X).value, SK_OK);
    cap_t vcpu = CAP(sys_vcpu_create(CAP_QUOTA, guest, CAP_TASK, STATE_VA));
    vcpu_setup(12);
    struct worker *w = worker_start(guest_runner, 100, vcpu, 0), *v = worker_create(guest_runner, 100, vcpu, 0);
    CHECK_EQ(guest_entered(w->thread), THREAD_IN_GUEST);
    CHECK_EQ(sys_vcpu_run(vcpu).value, SK_EBUSY);
    CHECK_EQ(sys_thread_stop(w->thread), SK_OK);
    worker_run(v);
    CHECK_EQ(guest_entered(v->thread), THREAD_IN_GUEST);
    CHECK_EQ(sys_obj_destroy(vcpu), SK_OK);
    CHECK_EQ(thread_settle(v->thread), THREAD_EXITED);
    CHECK((int64_t)v->value[0] < 0);
    CHECK_EQ(sys_obj_destroy(guest), SK_OK);
    CHECK_EQ(sys_obj_destroy(page), SK_OK);
}

void test_guests(void)
{
    run("guest: exits, doorbell, timer, revoked memory", guest_run);
    run("guest: thread stopped, vcpu destroyed while running", guest_thread_stopped);
}

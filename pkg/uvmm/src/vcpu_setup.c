// SPDX-License-Identifier: MIT
// Making the guest space, the vcpus and their threads.
#include "guest.h"
#include "log.h"
#include "timer.h"
#include "vcpu_priv.h"

#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdio.h>
#include <string.h>

static cap_t guest;
static struct vcpu_state reset_state; /* a new vcpu's page */

cap_t guest_cap(void)
{
    return guest;
}

int guest_setup(void)
{
    const struct kinfo *k = sys_kinfo();
    int64_t cap;

    if (k->vm_kind == VM_NONE) {
        log_error(LOG_BOOT, "this processor cannot run virtual machines: neither AMD SVM with nested paging nor Intel "
                            "VMX with EPT is there and enabled; enable it in the firmware's setup, or with QEMU use "
                            "-cpu EPYC,+svm");
        return SK_ENODEV;
    }
    cap = sys_guest_create(CAP_QUOTA);
    if (cap < 0) {
        log_error(LOG_BOOT, "cannot make a guest space: %s; give the VM more kernel memory", sk_strerror(cap));
        return (int)cap;
    }
    guest = (cap_t)cap;
    return 0;
}

void vcpu_state_reset(struct vcpu *v)
{
    uint64_t tsc_offset = v->state->tsc_offset, tsc_ratio = v->state->tsc_ratio;

    /* `run` and `exit` are not the processor's state; the FPU's keeps its value [SDM-3 table 9-1]. */
    memcpy((char *)v->state + offsetof(struct vcpu_state, gpr), (char *)&reset_state + offsetof(struct vcpu_state, gpr),
           sizeof(reset_state) - offsetof(struct vcpu_state, gpr));
    v->state->tsc_offset = tsc_offset;
    v->state->tsc_ratio = tsc_ratio;
    v->state->run = (struct vcpu_run){0};
    v->state->dirty |= VCPU_GROUP_BASE | VCPU_GROUP_SEG | VCPU_GROUP_MSR | VCPU_GROUP_TSC;
    v->nmi_pending = v->unhalt = false;
}

void vcpus_reset(void)
{
    for (unsigned i = 0; i < vcpu_count; i++) {
        struct vcpu *v = &vcpus[i];

        vcpu_state_reset(v);
        v->state->exit = (struct vcpu_exit){0};
        v->state->dirty |= VCPU_GROUP_FPU;
        v->activity = i == 0 ? VCPU_RUNNING : VCPU_WAIT_SIPI;
        v->init_request = false;
        v->startup_request = -1;
    }
}

static void kick_event(void *ctx)
{
    struct vcpu *v = ctx;

    v->kicked = false;
}

static void timer_event(void *ctx)
{
    const struct vcpu *v = ctx;

    vtimer_fired(v->index);
    vtimer_run(v->index, clock_now_ns());
}

static int64_t sources_make(struct vcpu *v)
{
    int64_t err = server_signal(&v->kick, CAP_NULL, kick_event, v);

    return err < 0 ? err : server_signal(&v->timer, CAP_NULL, timer_event, v);
}

static int64_t processor_make(struct vcpu *v)
{
    void *page = vm_reserve(PAGE_SIZE, PAGE_SIZE);
    int64_t cap = page != NULL ? sys_vcpu_create(CAP_QUOTA, guest, CAP_TASK, (uint64_t)page) : SK_ENOMEM;

    if (cap < 0) {
        return cap;
    }
    v->cap = (cap_t)cap;
    v->state = page;
    return sources_make(v);
}

/* On the n-th of the processors that the VM may use; the main thread is on the first. */
static int64_t thread_place(struct vcpu *v)
{
    int64_t err = sys_quota_info(CAP_QUOTA).value;
    uint64_t mask = sk_utcb()->mr[0];

    if (err < 0) {
        return err;
    }
    for (int n = (int)v->index % __builtin_popcountll(mask); n > 0; n--) {
        mask &= mask - 1;
    }
    return sys_thread_set(v->thread.cap, THREAD_CPU, (uint64_t)__builtin_ctzll(mask));
}

/* At the main thread's own priority: none of them is more urgent than another. */
static int64_t thread_make(struct vcpu *v)
{
    const struct thread_info *info = (const struct thread_info *)sk_utcb()->mr;
    char name[8];
    int64_t err = sys_thread_info(CAP_THREAD).value;

    if (err < 0) {
        return err;
    }
    snprintf(name, sizeof(name), "vcpu%u", v->index);
    err = sk_thread_create(&v->thread, name, (unsigned)info->priority, 0, vcpu_thread, v);
    err = err < 0 ? err : thread_place(v);
    err = err < 0 ? err : server_move(&v->kick, v->thread.cap);
    return err < 0 ? err : server_move(&v->timer, v->thread.cap);
}

static int64_t vcpu_make(struct vcpu *v, unsigned index)
{
    v->index = index;
    v->startup_request = -1;
    v->activity = index == 0 ? VCPU_RUNNING : VCPU_WAIT_SIPI;
    int64_t err = processor_make(v);
    return err < 0 || index == 0 ? err : thread_make(v);
}

int vcpus_setup(unsigned count)
{
    vcpu_count = count;
    cpu = &vcpus[0];
    for (unsigned i = 0; i < count; i++) {
        int64_t err = vcpu_make(&vcpus[i], i);
        if (err < 0) {
            log_error(LOG_BOOT, "cannot make vcpu %u of %u: %s; give the VM more kernel memory, or fewer vcpus", i,
                      count, sk_strerror(err));
            return (int)err;
        }
    }
    reset_state = *vcpus[0].state;
    return 0;
}

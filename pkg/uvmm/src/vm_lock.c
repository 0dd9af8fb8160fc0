// SPDX-License-Identifier: MIT
// The VM lock, and what belongs to no device: the number of vcpus and which one a thread runs.
#include "log.h"
#include "vcpu.h"

#include <sk/env.h>
#include <sk/mutex.h>

unsigned vcpu_count = 1;
__thread unsigned vcpu_this;
struct vcpu vcpus[VCPUS_MAX];
__thread struct vcpu *cpu;

static struct sk_mutex lock;

int vm_lock_init(void)
{
    int64_t err = sk_mutex_init(&lock);

    if (err < 0) {
        log_error(LOG_BOOT, "cannot make a lock: %s; give the VM more kernel memory", sk_strerror(err));
    }
    return (int)err;
}

void vm_lock(void)
{
    sk_mutex_lock(&lock);
}

void vm_unlock(void)
{
    sk_mutex_unlock(&lock);
}

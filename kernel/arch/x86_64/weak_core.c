// SPDX-License-Identifier: MIT
// Stand-ins until object/guest.c, object/vcpu.c and vm/ are there.
#include <kernel/core.h>
#include <kernel/sys.h>
#include <kernel/vm.h>
#define WEAK __attribute__((weak))
#define NODEV(name) \
    WEAK int64_t sys_##name(struct thread *t, const struct sys_args *args) \
    { \
        (void)t; \
        (void)args; \
        return SK_ENODEV; \
    }
NODEV(guest_create)
NODEV(vcpu_create)
NODEV(vcpu_run)
NODEV(vcpu_get)
NODEV(doorbell_bind)
WEAK void vcpu_thread_event(struct thread *t) { (void)t; }
WEAK void vcpu_thread_abort(struct thread *t) { (void)t; }
WEAK const struct vm_ops *vm_ops_get(const char **why)
{
    if (why) {
        *why = "not built in";
    }
    return NULL;
}
WEAK void core_vcpu_exit(struct context *ctx) { (void)ctx; }
WEAK void vm_init(void) {}

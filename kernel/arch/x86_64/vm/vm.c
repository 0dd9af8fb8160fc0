// SPDX-License-Identifier: MIT
// Chooses the kind of hardware virtualization. See kernel/vm.h.

#include "vm_priv.h"
#include <kernel/log.h>

static const struct vm_ops *vm_ops;
static const char *vm_why = "virtualization has not been initialised";

const struct vm_ops *vm_ops_get(const char **why)
{
    if (why) {
        *why = vm_why;
    }
    return vm_ops;
}

bool vm_cpu_init(void)
{
    return !vm_ops || vm_ops->cpu_init();
}

void vm_init(void)
{
    vm_ops = svm_init(&vm_why);
    if (!vm_ops) {
        vm_ops = vmx_init(&vm_why);
    }
    if (!vm_ops) {
        kprintf("kernel: no virtual machines: %s\n", vm_why);
        return;
    }
    kinfo_page()->vm_kind = vm_ops->kind;
    kinfo_page()->vm_features = vm_ops->features;
    kprintf("kernel: virtual machines: %s with %s%s%s%s\n", vm_ops->name,
            vm_ops->kind == VM_VMX ? "EPT" : "nested paging", vm_ops->features & VM_FEAT_NEXT_RIP ? ", next RIP" : "",
            vm_ops->features & VM_FEAT_DECODE ? ", decode assists" : "",
            vm_ops->features & VM_FEAT_TSC_SCALE ? ", TSC scaling" : "");
}

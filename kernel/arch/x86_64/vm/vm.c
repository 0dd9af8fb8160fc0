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

void vm_init(void)
{
    struct kinfo *k = kinfo_page();

    vm_ops = svm_init(&vm_why);
    if (!vm_ops) {
        kprintf("kernel: no virtual machines: %s\n", vm_why);
        return;
    }
    vm_why = "";
    k->vm_kind = vm_ops->kind;
    k->vm_features = vm_ops->features;
    kprintf("kernel: virtual machines by %s with nested paging%s%s\n", vm_ops->name,
            vm_ops->features & VM_FEAT_NEXT_RIP ? ", next rip" : "",
            vm_ops->features & VM_FEAT_DECODE ? ", decode assists" : "");
}

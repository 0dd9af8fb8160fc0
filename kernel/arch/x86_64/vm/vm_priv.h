// SPDX-License-Identifier: MIT
/* Between vm.c and the kinds of hardware virtualization. */
#pragma once

#include <kernel/vm.h>

/* Physical address of an object in the kernel image (which is not in the direct map's terms). */
static inline paddr_t vm_image_phys(const void *p)
{
    extern const char KERNEL_BASE[]; /* kernel.lds: image address - physical address */

    return (paddr_t){ (uint64_t)p - (uint64_t)KERNEL_BASE };
}

/* Enables the processor's virtualization; NULL: there is none, *why in words. */
const struct vm_ops *svm_init(const char **why);

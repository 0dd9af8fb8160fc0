// SPDX-License-Identifier: MIT
/* Between vm.c and the kinds of hardware virtualization. */
#pragma once

#include <kernel/vm.h>

/* Enables the processor's virtualization; NULL: there is none, *why in words. */
const struct vm_ops *svm_init(const char **why);
/* The same; *why stays as it is where the processor has no VMX at all. */
const struct vm_ops *vmx_init(const char **why);

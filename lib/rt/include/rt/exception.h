// SPDX-License-Identifier: MIT
// Faults in words.
#pragma once

#include <abi/utcb.h>
#include <stddef.h>

/* "page fault reading 0x10 (nothing is mapped there)", "division error", ... Always terminated. */
void rt_exception_describe(const struct utcb_fault *f, char *text, size_t size);

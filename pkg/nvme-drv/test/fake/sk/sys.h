// SPDX-License-Identifier: MIT
// Stands in for lib/sk's sys.h in host tests of what talks to the kernel: share_test.c is the kernel.
#pragma once

#include <abi/syscall.h>
#include <abi/types.h>

struct sys_result {
    int64_t value;
    uint64_t extra;
};

struct sys_result sys_map(cap_t space, cap_t mem, uint64_t off, uint64_t size, uint64_t addr, uint32_t rights);
int64_t sys_unmap(cap_t space, uint64_t addr, uint64_t size);

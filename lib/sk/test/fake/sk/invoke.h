// SPDX-License-Identifier: MIT
// Stands in for lib/sk's invoke.h in host tests: the test provides the kernel.
#pragma once

#include <abi/syscall.h>

struct sys_result {
    int64_t value;
    uint64_t extra;
};

struct sys_result sys_invoke(enum sys_nr nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                             uint64_t a5);

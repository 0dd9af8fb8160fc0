// SPDX-License-Identifier: MIT
// Stands in for lib/sk's sys.h in host tests of what talks to the kernel: share_test.c and world.c are the kernel.
#pragma once

#include <abi/syscall.h>
#include <abi/types.h>

struct sys_result {
    int64_t value;
    uint64_t extra;
};

struct sys_result sys_map(cap_t space, cap_t mem, uint64_t off, uint64_t size, uint64_t addr, uint32_t rights);
int64_t sys_unmap(cap_t space, uint64_t addr, uint64_t size);
struct sys_result sys_mem_info(cap_t mem);
int64_t sys_signal_raise(cap_t signal);
int64_t sys_signal_timer(cap_t signal, uint64_t deadline);
int64_t sys_cap_drop(cap_t cap);
int64_t sys_call(cap_t gate, uint64_t tag, uint64_t deadline);
int64_t sys_thread_yield(void);
uint64_t sys_now_ns(void);

// SPDX-License-Identifier: MIT
// Stands in for lib/sk's sys.h in host tests: fakes.c is the kernel.
#pragma once

#include <abi/syscall.h>
#include <abi/utcb.h>

struct sys_result {
    int64_t value;
    uint64_t extra;
};

int64_t sys_call(cap_t gate, uint64_t tag, uint64_t deadline);
int64_t sys_cap_drop(cap_t c);
int64_t sys_cap_copy(cap_t c, uint32_t rights);
struct sys_result sys_thread_info(cap_t thread);
int64_t sys_signal_timer(cap_t s, uint64_t deadline);
int64_t sys_signal_create(cap_t quota);
int64_t sys_signal_raise(cap_t s);
int64_t sys_doorbell_bind(cap_t guest, unsigned port, uint64_t value, cap_t s);
uint64_t sys_now_ns(void);

// SPDX-License-Identifier: MIT
// Types and small helpers of the kernel.
#pragma once

#include <abi/kinfo.h>
#include <abi/syscall.h>
#include <abi/types.h>
#include <abi/utcb.h>
#include <abi/vcpu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Host-physical address; mixing it with a pointer or a guest address does not compile. */
typedef struct { uint64_t v; } paddr_t;

#define PADDR_NONE ((paddr_t){ UINT64_MAX })

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define must_check __attribute__((warn_unused_result))

static inline uint64_t align_up(uint64_t v, uint64_t a) { return (v + a - 1) & ~(a - 1); }
static inline uint64_t align_down(uint64_t v, uint64_t a) { return v & ~(a - 1); }
static inline bool is_aligned(uint64_t v, uint64_t a) { return (v & (a - 1)) == 0; }

/* Is [off, off + len) inside [0, size)? Never overflows. */
static inline bool range_ok(uint64_t off, uint64_t len, uint64_t size)
{
    return len <= size && off <= size - len;
}

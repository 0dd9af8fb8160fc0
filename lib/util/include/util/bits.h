// SPDX-License-Identifier: MIT
/* Register fields and checked ranges.
 *     #define NVME_CSTS_SHST FIELD(3, 2)      // as the specification writes it
 *     field_get(NVME_CSTS_SHST, value), field_prep(NVME_CC_EN, 1) */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIELD(hi, lo)    ((~0ull >> (63 - (hi))) & (~0ull << (lo)))
#define BIT(n)           FIELD(n, n)
#define field_get(f, v)  (((uint64_t)(v) & (f)) >> __builtin_ctzll(f))
#define field_prep(f, v) (((uint64_t)(v) << __builtin_ctzll(f)) & (f))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* Is [off, off + len) inside [0, size)? Never overflows. */
static inline bool range_ok(uint64_t off, uint64_t len, uint64_t size)
{
    return len <= size && off <= size - len;
}
static inline bool is_pow2(uint64_t v) { return v != 0 && (v & (v - 1)) == 0; }
static inline uint64_t align_up(uint64_t v, uint64_t a) { return (v + a - 1) & ~(a - 1); }
static inline uint64_t align_down(uint64_t v, uint64_t a) { return v & ~(a - 1); }
#define min(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a < _b ? _a : _b; })
#define max(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a > _b ? _a : _b; })

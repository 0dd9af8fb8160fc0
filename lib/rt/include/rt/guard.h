// SPDX-License-Identifier: MIT
/* Access to memory that may go away: shared memory whose owner can revoke it at any time. Each function does one
 * access and returns false, instead of ending the program, when it faulted; a failed copy may have copied a part.
 * The value functions need natural alignment to be single accesses, as plain loads and stores do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_MUST_CHECK __attribute__((warn_unused_result))

RT_MUST_CHECK bool rt_guarded_copy(void *dst, const void *src, size_t n);
RT_MUST_CHECK bool rt_guarded_read8(const volatile void *src, uint8_t *value);
RT_MUST_CHECK bool rt_guarded_read16(const volatile void *src, uint16_t *value);
RT_MUST_CHECK bool rt_guarded_read32(const volatile void *src, uint32_t *value);
RT_MUST_CHECK bool rt_guarded_read64(const volatile void *src, uint64_t *value);
RT_MUST_CHECK bool rt_guarded_write8(volatile void *dst, uint8_t value);
RT_MUST_CHECK bool rt_guarded_write16(volatile void *dst, uint16_t value);
RT_MUST_CHECK bool rt_guarded_write32(volatile void *dst, uint32_t value);
RT_MUST_CHECK bool rt_guarded_write64(volatile void *dst, uint64_t value);

/* For servers that work directly in their clients' memory: called at each fault outside the functions above, on the
 * fault stack. It must make no system call that uses the UTCB. True: the cause was removed (a page was mapped there),
 * the access is tried again; false: the program ends with a report. NULL: none. */
struct utcb_fault;
extern bool (*rt_fault_hook)(const struct utcb_fault *f);

// SPDX-License-Identifier: MIT
/* The user-level thread control block: one page per thread, shared with the kernel, which reads each
 * field once per operation. Messages, bulk arguments and fault reports live here. */
#pragma once

#include <abi/types.h>
#include <stddef.h>

/* A message tag: what a call or reply carries. Never negative as int64_t.
 *   bits  9:0   words    number of mr[] words transferred (0..UTCB_WORDS)
 *   bits 13:10  caps     number of capabilities transferred (0..UTCB_CAPS)
 *   bit  14     unused   event: the last client of the gate is gone (kernel to server only)
 *   bit  15     signal   event: a signal, not a call (kernel to server only)
 *   bits 47:16  label    request: operation; reply: int32_t status (enum sk_err)
 */
#define TAG_WORDS(tag)  ((uint32_t)(tag) & 0x3ffu)
#define TAG_CAPS(tag)   ((uint32_t)((tag) >> 10) & 0xfu)
#define TAG_LABEL(tag)  ((uint32_t)((uint64_t)(tag) >> 16))
#define TAG_UNUSED      (1ull << 14)
#define TAG_SIGNAL      (1ull << 15)
#define TAG(label, words, caps) \
    ((uint64_t)(uint32_t)(label) << 16 | (uint64_t)(caps) << 10 | (uint64_t)(words))

#define UTCB_WORDS 448u
#define UTCB_BYTES (UTCB_WORDS * 8)
#define UTCB_CAPS  8u

/* A fault as the thread's own handler, or its parent by SYS_THREAD_INFO, sees it. */
struct utcb_fault {
    uint64_t vector;  /* x86 exception number [SDM-3 6.3.1], or FAULT_SYSCALL */
    uint64_t error;   /* the exception's error code, or 0 */
    uint64_t address; /* CR2 for a page fault */
    uint64_t ip, sp, flags, rax, rcx, rdx, rbx, rbp, rsi, rdi;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
};
#define FAULT_SYSCALL 256u /* a foreign SYSCALL without handler */

struct utcb {
    uint64_t mr[UTCB_WORDS];
    /* Sender: capabilities to pass and a mask for their rights. */
    uint32_t send_cap[UTCB_CAPS];
    uint32_t send_rights[UTCB_CAPS];
    /* Receiver: how many it accepts (set before SYS_CALL for the reply, before SYS_WAIT for calls; a
     * message with more ends the sender's operation with SK_EMSG) and where the kernel put them. */
    uint32_t recv_max;
    uint32_t _rsvd0;
    uint32_t recv_cap[UTCB_CAPS];
    /* Thread with a fault handler: the kernel fills this in, clears fault_armed and resumes the thread at
     * the handler with all registers but ip unchanged, and RFLAGS.TF clear. A fault while fault_armed == 0 is final. */
    uint64_t fault_armed;
    struct utcb_fault fault;
};

_Static_assert(offsetof(struct utcb, send_cap) == 3584, "utcb layout");
_Static_assert(offsetof(struct utcb, recv_max) == 3648, "utcb layout");
_Static_assert(offsetof(struct utcb, recv_cap) == 3656, "utcb layout");
_Static_assert(offsetof(struct utcb, fault_armed) == 3688, "utcb layout");
_Static_assert(sizeof(struct utcb) <= PAGE_SIZE, "utcb is one page");

/* SYS_THREAD_INFO puts this into mr[]. */
struct thread_info {
    uint64_t state;     /* enum thread_state */
    uint64_t exit_code;
    uint64_t cpu_time_ns;
    uint64_t priority;
    uint64_t cpu;       /* its processor */
    struct utcb_fault fault; /* valid in THREAD_FAULTED; otherwise ip, sp and registers as last saved */
};

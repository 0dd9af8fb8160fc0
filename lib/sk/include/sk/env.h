// SPDX-License-Identifier: MIT
/* What a program is started with, besides argv and environ.
 *
 * moe starts a program as Linux would: the stack holds argc, argv, envp and the auxiliary vector. Three entries
 * of the vector are Skerry's own. The program's ELF entry is _sk_start (lib/rt): it registers the syscall and
 * fault handlers and jumps to the C library's _start. */
#pragma once

#include <abi/types.h>
#include <abi/utcb.h>
#include <stdbool.h>

#define AT_SK_ENV   0x534b01 /* address of struct sk_env */
#define AT_SK_UTCB  0x534b02 /* address of the main thread's UTCB */
#define AT_SK_FREE  0x534b03 /* first address of the region (up to AT_SK_FREE_END) free for mappings */
#define AT_SK_FREE_END 0x534b04

#define SK_NAME_MAX 32 /* with the terminating NUL */
#define SK_ENV_MAX  64

struct sk_env {
    uint32_t count;
    uint32_t _rsvd;
    struct sk_env_entry {
        char name[SK_NAME_MAX];
        cap_t cap;
        uint32_t flags;
    } entry[SK_ENV_MAX];
};

/* The capability called name, or CAP_NULL. Every program has "log" (proto/log.h), "rom" (proto/rom.h) and
 * "mem" (proto/mem.h). */
cap_t sk_env_get(const char *name);
/* Entry i for listing, NULL behind the last. */
const struct sk_env_entry *sk_env_at(unsigned i);
/* The calling thread's UTCB. Programs have one thread unless they create more themselves (sk/thread.h). */
struct utcb *sk_utcb(void);
/* A short English text for an enum sk_err ("the quota is used up", ...), never NULL. */
const char *sk_strerror(int64_t err);
/* "SK_ENOMEM" etc. */
const char *sk_errname(int64_t err);

// SPDX-License-Identifier: MIT
/* Shared by moe's parts. moe has one thread, which never calls anybody: a client can neither block nor crash it.
 * All objects come from tables of fixed size, so that it never runs out of memory half-way. */
#pragma once

#include "account.h"

#include <abi/kinfo.h>
#include <sk/server.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const struct boot_info *boot;

/* --- log.c --- */

struct log_session;

void log_init(void);
/* A line "moe: ..." on the console. */
void moe_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* raw: tag and colour are ignored. NULL: too many, *err says why. */
struct log_session *log_make(const char *tag, const char *colour, bool raw, int64_t *err);
cap_t log_gate(const struct log_session *l);
/* Handler's end of PROG_LOG: replies with the new session's gate. */
int64_t log_hand_over(struct log_session *l, struct msg *reply);
void log_remove(struct log_session *l);
/* The session behind a capability that a client passed; NULL: another server's. */
struct log_session *log_find(cap_t cap);
/* "nvme", or "" */
const char *log_tag(const struct log_session *l);
/* Shows a partial line: the owner has ended. */
void log_end_line(struct log_session *l);

/* --- mem.c --- */

/* A run of RAM that moe gave out, in the table of runs. */
struct run {
    cap_t cap;       /* full rights; CAP_NULL: free slot */
    uint32_t region, flags;
    bool internal;   /* moe's own or a program's image: freed by run_free() only */
    uint64_t base, size, object_id;
    struct account *account;
};

void mem_init(void);
/* size is rounded up to pages; zeroed. flags: MEM_ALLOC_*. SK_ENOMEM, SK_ERANGE, SK_EINVAL. */
__attribute__((warn_unused_result)) int64_t run_alloc(struct account *a, uint64_t size, uint64_t align, uint32_t flags,
                                                      bool internal, struct run **out);
/* Destroys the memory object, with all that others have of it. The memory stays lost to us while a device that cannot
 * be stopped may still write to it (SK_EBUSY). */
int64_t run_free(struct run *r);
/* Takes back what nobody holds any more. */
void mem_sweep(void);
struct mem_session;
/* On an account that the session owns (own: it is closed with the session) or shares. */
struct mem_session *mem_make(struct account *a, bool own, int64_t *err);
cap_t mem_gate(const struct mem_session *s);
int64_t mem_hand_over(struct mem_session *s, struct msg *reply);
void mem_remove(struct mem_session *s);
/* The account behind a "mem" capability; NULL: another server's. */
struct account *mem_find(cap_t cap);
uint64_t mem_free_bytes(void);
/* RAM given out as guests' memory. */
uint64_t mem_guest_bytes(void);

/* --- rom.c --- */

void rom_init(void);
cap_t rom_gate(void);
/* name without "rom/". NULL if there is none. */
const struct boot_module *rom_find(const char *name);
/* The name in rom/ of module i. */
const char *rom_name(unsigned i);

/* --- loader.c --- */

struct program_image {
    cap_t quota, task, thread;
    uint64_t entry, phdr_vaddr;
    uint32_t phdr_count, phdr_size;
    uint64_t env_va, stack_va;
    struct run *env, *stack, *segment[16]; /* NULL: none */
};

#define PROGRAM_STACK     (256ull << 10)
#define PROGRAM_STACK_TOP 0x7ffffffe0000ull
#define PROGRAM_ENV       0x7fffffffa000ull
#define PROGRAM_UTCB      0x7fffffffc000ull
#define PROGRAM_FREE      0x001000000000ull /* ELF segments end below */
#define PROGRAM_FREE_END  0x700000000000ull

struct image_params {
    const char *path; /* "rom/x" */
    const char *name; /* for the debugger */
    uint64_t kernel_bytes;
    unsigned priority;
    uint64_t cpus; /* mask of processors; 0: all */
    struct account *account;
};

/* Makes quota, task, main thread (stopped) and memory of a program. On error nothing is left and a line on the log
 * says why. */
__attribute__((warn_unused_result)) int64_t image_load(struct program_image *im, const struct image_params *p);
void image_destroy(struct program_image *im);

/* --- prog.c --- */

/* The loader gate, which moe gives to ned. */
void prog_init(void);
/* Starts rom/ned with the words of moe's command line from argv[1] on. False: it could not. */
bool prog_start_ned(const char *path, char *const argv[]);

/* --- main.c --- */

/* "system memory besides guest RAM and boot modules", once: when ned says that it is done, or ends. */
void moe_print_footprint(void);
uint64_t moe_random(void);

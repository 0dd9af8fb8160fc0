// SPDX-License-Identifier: MIT
// What prog.c (the life of a program) and prog_server.c (who may ask for what) share.
#pragma once

#include "moe.h"
#include "stack.h"

#include <proto/prog.h>
#include <sk/env.h>

#define PATH_BYTES 128
#define DEBUG_TAG_BYTES 16
#define KERNEL_DEFAULT (512ull << 10) /* seven times what nvme-drv needs with a client */

struct program {
    struct server_source gate;    /* the maker's */
    struct server_source session; /* the program's own: CAP_MOE */
    struct server_source ended;   /* raised by the kernel */
    bool in_use, gate_open;
    enum prog_state state;
    int64_t code;
    char reason[160];
    char path[PATH_BYTES];
    const char *name; /* in path */
    char tag[DEBUG_TAG_BYTES];
    struct program_image image;
    struct run *strings_run; /* while NEW */
    struct strings *strings;
    struct log_session *log; /* only its partial line is of interest, and only while the program runs */
    cap_t notify;
    cap_t stop;                 /* the program's: it shall end */
    struct server_source limit; /* and then it is killed */
    uint64_t order;             /* of its start, from 1 on */
    struct sk_env env; /* cap: ours, while NEW */
    uint32_t rights[SK_ENV_MAX];
};

/* A program in state NEW. Owns log and mem from here on. kernel_bytes, priority, cpus: 0 for the default. */
struct program *program_make(const char *path, uint64_t kernel_bytes, uint64_t priority, uint64_t cpus, cap_t log,
                             cap_t mem, int64_t *err);
/* Owns cap from here on, also when it fails. SK_EEXIST, SK_EINVAL (name), SK_ENOMEM. */
int64_t program_add_cap(struct program *p, const char *name, cap_t cap, uint32_t rights);
/* Adds a copy of a capability that moe keeps. */
int64_t program_add_own_cap(struct program *p, const char *name, cap_t cap, uint32_t rights);
int64_t program_start(struct program *p);
/* p->reason and p->code are set. Frees p if its maker's gate is unused. */
void program_end(struct program *p, enum prog_state state);
/* The running program that was started last, without ned. */
struct program *program_last_started(void);

/* --- prog_stop.c --- */

/* Ends it in an orderly way if it wants that, or else by force; also by force after the time. */
void program_stop(struct program *p, uint64_t limit_ms);
/* Ends all programs, then resets the machine or switches it off. */
void machine_end(bool off);
/* poweroff.c: switches the machine off at once; returns when that is not possible, which it has logged. */
void poweroff(void);
bool machine_ends(void);
/* A program has ended. */
void machine_step(void);

/* Frees everything of a program that does not run. */
void program_discard(struct program *p);
/* ned: the only one that may say MOE_STARTED, and whose end shows the figures. */
extern struct program *program_ned;

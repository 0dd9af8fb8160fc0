// SPDX-License-Identifier: MIT
/* What ned needs from the system, as a C interface: os_sk.c implements it on Skerry, test/os_fake.c on a host.
 *
 * Functions that make something return a capability (> 0) or a negative enum sk_err. Capabilities that are passed in
 * stay the caller's. */
#pragma once

#include <abi/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OS_REASON_MAX 128

struct os_program_status {
    uint32_t state; /* enum prog_state of proto/prog.h */
    int64_t exit_code;
    char reason[OS_REASON_MAX];
};

struct os_watch;

/* Entry i of ned's own capabilities; false behind the last. */
bool os_env_at(unsigned i, const char **name, cap_t *cap);
const char *os_strerror(int64_t err);
/* "Skerry <version> ..." */
const char *os_version(void);
unsigned os_cpus(void);

/* Type and rights (enum obj_type, enum cap_rights). */
int64_t os_cap_info(cap_t cap, unsigned *type, uint32_t *rights);
int64_t os_cap_copy(cap_t cap, uint32_t rights);
void os_cap_drop(cap_t cap);
int64_t os_gate_create(void);

int64_t os_mem_alloc(cap_t mem, uint64_t size, uint64_t align, uint32_t flags);
int64_t os_mem_sub(cap_t mem, uint64_t bytes);
int64_t os_mem_stat(cap_t mem, uint64_t *allowed, uint64_t *used, uint64_t *free_bytes);

/* A disk of a block server (proto/blk_factory.h) by its arguments; waits while the server still looks for it. */
int64_t os_block_create(cap_t server, const char *const *args, unsigned count);

/* Runs a command line of a server (proto/control.h) and gives its output, which the caller frees; *understood: false if
 * the output only says why not. SK_EBUSY: another command runs. */
int64_t os_control(cap_t server, const char *line, char **text, size_t *len, bool *understood);

int64_t os_log_create(cap_t loader, const char *tag, const char *colour);
/* By a console server's factory [proto/cons.h]. SK_ETIMEDOUT: nobody serves it. */
int64_t os_console_create(cap_t factory, const char *name, const char *colour);
/* log, mem: CAP_NULL is not allowed; priority 0, kmem 0 and cpus 0: the loader's default. */
int64_t os_program_create(cap_t loader, const char *path, uint64_t kmem, unsigned priority, uint64_t cpus, cap_t log,
                          cap_t mem);
int64_t os_program_arg(cap_t program, const char *arg);
int64_t os_program_env(cap_t program, const char *assignment);
int64_t os_program_cap(cap_t program, const char *name, cap_t cap, uint32_t rights);
int64_t os_program_start(cap_t program);
int64_t os_program_status(cap_t program, struct os_program_status *status);
int64_t os_program_kill(cap_t program);
/* Asks it to end, and kills it when it has not in that time. */
int64_t os_program_stop(cap_t program, uint64_t limit_ms);
/* Ends all programs in an orderly way and resets the machine, or switches it off. */
int64_t os_machine_end(bool off);

/* Calls fn(ctx) from the event loop when the program has ended. NULL and *err on failure. Ends with os_watch_end,
 * also after fn was called. */
struct os_watch *os_watch_begin(cap_t program, void (*fn)(void *ctx), void *ctx, int64_t *err);
void os_watch_end(struct os_watch *watch);
/* Handles one event; blocks until there is one. */
void os_event(void);
/* Tells moe that the scenario is started, for its figures. */
void os_started(void);

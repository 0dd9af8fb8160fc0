// SPDX-License-Identifier: MIT
// ned's system interface on Skerry: kernel calls and moe's protocols. See os.h.
#include "os.h"

#include <proto/blk_factory.h>
#include <proto/cons.h>
#include <proto/control.h>
#include <proto/mem.h>
#include <proto/prog.h>
#include <sk/env.h>
#include <sk/msg.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_START_NS 10000000000u /* a server that does not take a call after so long is not there */

bool os_env_at(unsigned i, const char **name, cap_t *cap)
{
    const struct sk_env_entry *e = sk_env_at(i);

    if (e == NULL) {
        return false;
    }
    *name = e->name;
    *cap = e->cap;
    return true;
}

const char *os_strerror(int64_t err)
{
    return sk_strerror(err);
}
const char *os_version(void)
{
    return sys_kinfo()->version;
}
unsigned os_cpus(void)
{
    return sys_kinfo()->cpus;
}

int64_t os_cap_info(cap_t cap, unsigned *type, uint32_t *rights)
{
    struct sys_result r = sys_cap_info(cap);

    if (r.value < 0) {
        return r.value;
    }
    *type = (unsigned)(r.value & 0xff);
    *rights = (uint32_t)(r.value >> 8);
    return SK_OK;
}

int64_t os_cap_copy(cap_t cap, uint32_t rights)
{
    return sys_cap_copy(cap, rights);
}
void os_cap_drop(cap_t cap)
{
    sys_cap_drop(cap);
}
int64_t os_gate_create(void)
{
    return sys_gate_create(CAP_QUOTA);
}

int64_t os_mem_alloc(cap_t mem, uint64_t size, uint64_t align, uint32_t flags)
{
    struct msg m;

    msg_begin(&m, MEM_ALLOC);
    msg_put(&m, size);
    msg_put(&m, align);
    msg_put(&m, flags);
    return msg_call_cap(&m, mem, 1, DEADLINE_NEVER);
}

int64_t os_mem_sub(cap_t mem, uint64_t bytes)
{
    struct msg m;

    msg_begin(&m, MEM_SUB);
    msg_put(&m, bytes);
    return msg_call_cap(&m, mem, 0, DEADLINE_NEVER);
}

int64_t os_mem_stat(cap_t mem, uint64_t *allowed, uint64_t *used, uint64_t *free_bytes)
{
    struct msg m;

    msg_begin(&m, MEM_STAT);
    int64_t err = msg_call(&m, mem, DEADLINE_NEVER);
    if (err < 0) {
        return err;
    }
    *allowed = msg_get(&m);
    *used = msg_get(&m);
    *free_bytes = msg_get(&m);
    return msg_end(&m);
}

/* --- block servers --- */

#define BLOCK_WAIT_NS 40000000000ull

static int64_t block_create(cap_t server, const char *const *args, unsigned count)
{
    struct msg m;

    msg_begin(&m, BLK_FACTORY_CREATE);
    msg_put(&m, count);
    for (unsigned i = 0; i < count; i++) {
        msg_put_str(&m, args[i]);
    }
    return msg_call_cap(&m, server, 0, DEADLINE_NEVER);
}

/* Nothing to do: server_poll() returns, that is enough. */
static void wake_up(void *ctx)
{
    (void)ctx;
}

static int64_t block_notify(cap_t server, struct server_source *scanned)
{
    struct msg m;
    int64_t err = server_signal(scanned, CAP_NULL, wake_up, NULL);

    if (err < 0) {
        return err;
    }
    msg_begin(&m, BLK_FACTORY_NOTIFY);
    msg_put_cap(&m, scanned->cap, RIGHT_CALL);
    return msg_call_status(&m, server, DEADLINE_NEVER);
}

int64_t os_block_create(cap_t server, const char *const *args, unsigned count)
{
    uint64_t deadline = sys_now_ns() + BLOCK_WAIT_NS;
    struct server_source scanned = {0};
    int64_t err = block_create(server, args, count);

    if (err == SK_EAGAIN) {
        int64_t notify = block_notify(server, &scanned);

        err = notify < 0 ? notify : block_create(server, args, count);
    }
    while (err == SK_EAGAIN && server_poll(deadline)) { /* other events may come first */
        err = block_create(server, args, count);
    }
    server_remove(&scanned);
    return err;
}

/* --- commands of servers --- */

#define CONTROL_WAIT_NS 60000000000ull

static int64_t control_run(cap_t server, const char *line, const struct server_source *done, uint64_t *number)
{
    struct msg m;

    msg_begin(&m, CONTROL_RUN);
    msg_put_str(&m, line);
    msg_put_cap(&m, done->cap, RIGHT_CALL);
    int64_t err = msg_call(&m, server, DEADLINE_NEVER);
    if (err < 0) {
        return err;
    }
    *number = msg_get(&m);
    return msg_end(&m);
}

/* The number of bytes of the piece. */
static int64_t control_read(cap_t server, uint64_t number, size_t off, char piece[CONTROL_PIECE], bool *understood)
{
    struct msg m;

    msg_begin(&m, CONTROL_READ);
    msg_put(&m, number);
    msg_put(&m, off);
    int64_t err = msg_call(&m, server, DEADLINE_NEVER);
    if (err < 0) {
        return err;
    }
    *understood = msg_get(&m) != 0;
    size_t n = msg_get_bytes(&m, piece, CONTROL_PIECE);
    err = msg_end(&m);
    return err < 0 ? err : (int64_t)n;
}

static int64_t control_collect(cap_t server, uint64_t number, char **text, size_t *len, bool *understood)
{
    uint64_t deadline = sys_now_ns() + CONTROL_WAIT_NS;
    char piece[CONTROL_PIECE];
    int64_t n;

    do {
        n = control_read(server, number, *len, piece, understood);
        if (n == SK_EAGAIN && !server_poll(deadline)) { /* other events may come first */
            return SK_ETIMEDOUT;
        }
        char *more = n > 0 ? realloc(*text, *len + (size_t)n) : NULL;

        if (n > 0 && !more) {
            return SK_ENOMEM;
        }
        if (more) {
            memcpy(more + *len, piece, (size_t)n);
            *text = more;
            *len += (size_t)n;
        }
    } while (n > 0 || n == SK_EAGAIN);
    return n;
}

int64_t os_control(cap_t server, const char *line, char **text, size_t *len, bool *understood)
{
    struct server_source done = {0};
    uint64_t number;
    int64_t err = server_signal(&done, CAP_NULL, wake_up, NULL);

    *text = NULL;
    *len = 0;
    if (err == SK_OK) {
        err = control_run(server, line, &done, &number);
    }
    if (err == SK_OK) {
        err = control_collect(server, number, text, len, understood);
    }
    server_remove(&done);
    return err;
}

int64_t os_log_create(cap_t loader, const char *tag, const char *colour)
{
    struct msg m;

    msg_begin(&m, PROG_LOG);
    msg_put_str(&m, tag);
    msg_put_str(&m, colour);
    return msg_call_cap(&m, loader, 0, DEADLINE_NEVER);
}

int64_t os_console_create(cap_t factory, const char *name, const char *colour)
{
    struct msg m;

    msg_begin(&m, CONS_CREATE);
    msg_put_str(&m, name);
    msg_put_str(&m, colour);
    return msg_call_cap(&m, factory, 0, sys_now_ns() + SERVER_START_NS);
}

int64_t os_program_create(cap_t loader, const char *path, uint64_t kmem, unsigned priority, uint64_t cpus, cap_t log,
                          cap_t mem)
{
    struct msg m;

    msg_begin(&m, PROG_CREATE);
    msg_put_str(&m, path);
    msg_put(&m, kmem);
    msg_put(&m, priority);
    msg_put(&m, cpus);
    msg_put_cap(&m, log, RIGHT_CALL);
    msg_put_cap(&m, mem, RIGHT_CALL);
    return msg_call_cap(&m, loader, 0, DEADLINE_NEVER);
}

static int64_t program_str(cap_t program, uint32_t op, const char *text)
{
    struct msg m;

    msg_begin(&m, op);
    msg_put_str(&m, text);
    return msg_call_status(&m, program, DEADLINE_NEVER);
}

int64_t os_program_arg(cap_t program, const char *arg)
{
    return program_str(program, PROG_ARG, arg);
}
int64_t os_program_env(cap_t program, const char *assignment)
{
    return program_str(program, PROG_ENV, assignment);
}

int64_t os_program_cap(cap_t program, const char *name, cap_t cap, uint32_t rights)
{
    struct msg m;

    msg_begin(&m, PROG_CAP);
    msg_put_str(&m, name);
    msg_put_cap(&m, cap, rights);
    return msg_call_status(&m, program, DEADLINE_NEVER);
}

static int64_t program_op(cap_t program, uint32_t op)
{
    struct msg m;

    msg_begin(&m, op);
    return msg_call_status(&m, program, DEADLINE_NEVER);
}

int64_t os_program_start(cap_t program)
{
    return program_op(program, PROG_START);
}
int64_t os_program_kill(cap_t program)
{
    return program_op(program, PROG_KILL);
}

int64_t os_machine_end(bool off)
{
    return program_op(CAP_MOE, off ? MOE_POWER_OFF : MOE_END);
}

int64_t os_program_stop(cap_t program, uint64_t limit_ms)
{
    struct msg m;

    msg_begin(&m, PROG_STOP);
    msg_put(&m, limit_ms);
    return msg_call_status(&m, program, DEADLINE_NEVER);
}

int64_t os_program_status(cap_t program, struct os_program_status *status)
{
    struct msg m;

    msg_begin(&m, PROG_STATUS);
    int64_t err = msg_call(&m, program, DEADLINE_NEVER);
    if (err < 0) {
        return err;
    }
    status->state = (uint32_t)msg_get(&m);
    status->exit_code = (int64_t)msg_get(&m);
    msg_get_str(&m, status->reason, sizeof status->reason);
    return msg_end(&m);
}

struct os_watch {
    struct server_source source;
    void (*fn)(void *ctx);
    void *ctx;
};

static void watch_event(void *ctx)
{
    struct os_watch *w = ctx;

    w->fn(w->ctx);
}

static int64_t watch_bind(struct os_watch *w, cap_t program)
{
    int64_t err = server_signal(&w->source, CAP_NULL, watch_event, w);
    struct msg m;

    if (err < 0) {
        return err;
    }
    msg_begin(&m, PROG_BIND);
    msg_put_cap(&m, w->source.cap, RIGHT_CALL);
    err = msg_call_status(&m, program, DEADLINE_NEVER);
    if (err < 0) {
        server_remove(&w->source);
    }
    return err;
}

struct os_watch *os_watch_begin(cap_t program, void (*fn)(void *ctx), void *ctx, int64_t *err)
{
    struct os_watch *w = calloc(1, sizeof *w);

    if (w == NULL) {
        *err = SK_ENOMEM;
        return NULL;
    }
    w->fn = fn;
    w->ctx = ctx;
    *err = watch_bind(w, program);
    if (*err < 0) {
        free(w);
        return NULL;
    }
    return w;
}

void os_watch_end(struct os_watch *watch)
{
    server_remove(&watch->source);
    free(watch);
}

void os_event(void)
{
    (void)server_poll(DEADLINE_NEVER);
}

void os_started(void)
{
    struct msg m;

    msg_begin(&m, MOE_STARTED);
    /* It prints figures, no more: nothing depends on it. */
    int64_t err = msg_call_status(&m, CAP_MOE, DEADLINE_NEVER);
    (void)err;
}

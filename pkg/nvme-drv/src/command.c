// SPDX-License-Identifier: MIT
// Commands: see command.h.
#include "command.h"

#include "admin.h"
#include "client.h"
#include "fiber.h"
#include "log.h"
#include "stat_show.h"
#include <proto/control.h>
#include <proto/log.h>
#include <proto/mem.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STACK_BYTES (32u << 10)
#define TEXT_MAX (256u << 10) /* of one command sent to a gate */
#define PROMPT "nvme> "

static void memory_command(struct shell *sh, unsigned argc, char *const *argv)
{
    struct sys_result quota = sys_quota_info(CAP_QUOTA);
    struct msg m;

    (void)argc, (void)argv;
    shell_printf(sh, "kernel memory: %llu of %llu KiB\n", (unsigned long long)quota.extra >> 10,
                 (unsigned long long)quota.value >> 10);
    msg_begin(&m, MEM_STAT);
    if (msg_call(&m, sk_env_get("mem"), DEADLINE_NEVER) == SK_OK) {
        unsigned long long allowed = msg_get(&m) >> 10, used = msg_get(&m) >> 10;

        shell_printf(sh, "memory of its allowance, which others may share: %llu of %llu KiB\n", used, allowed);
    }
}

static const struct shell_command commands[] = {
    {"clients", "", "who has which disk", 0, 0, clients_command},
    {"memory", "", "what the program uses", 0, 0, memory_command},
    {"stat", "[CLIENT] [reset]", "operations, bytes, depth, errors, latencies; reset: from 0 again", 0, 2,
     stat_command},
    {"list", "", "controllers, their namespaces and partitions", 0, 0, admin_list},
    {"identify", "CTRL [NSID]", "what a controller, or a namespace, says of itself", 1, 2, admin_identify},
    {"smart", "CTRL", "the health of a drive", 1, 1, admin_smart},
    {"errors", "CTRL", "the error log of a drive", 1, 1, admin_errors},
    {"attach", "CTRL NSID", "attach a namespace to its controller", 2, 2, admin_attach},
    {"detach", "CTRL NSID", "take a namespace from its controller; its clients' requests fail", 2, 2, admin_attach},
    {"rescan", "[CTRL]", "look for namespaces that have come, gone or changed", 0, 1, admin_rescan},
    {"reset", "CTRL", "reset a controller; requests in flight are repeated", 1, 1, admin_reset},
    {"counters", "[CLIENT]", "the same for programs: lines of a key and its value", 0, 1, counters_command},
};

static struct fiber fiber;
static bool fiber_ready, fiber_idle, fiber_waits;

static struct {
    struct server_source input;
    struct shell shell;
    bool pending; /* there is input to read */
} console;

static struct {
    enum { JOB_NONE, JOB_NEW, JOB_RUNS, JOB_DONE } state;
    uint64_t number;
    bool understood;
    cap_t done; /* signal */
    char line[CONTROL_LINE];
    char *text;
    size_t len, size;
} job;

/* --- a line sent to a gate --------------------------------------------------------------------------------------- */

/* What does not fit is lost: a command's output is bounded by what there is to show. */
static void job_write(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    if (job.size - job.len < len) {
        size_t size = max(2 * job.size, (size_t)4096);
        char *more = size <= TEXT_MAX ? realloc(job.text, size) : NULL;

        if (!more) {
            return;
        }
        job.text = more;
        job.size = size;
    }
    memcpy(job.text + job.len, text, len);
    job.len += len;
}

static void job_run(void)
{
    struct shell shell;

    job.state = JOB_RUNS;
    shell_init(&shell, commands, ARRAY_SIZE(commands), "", job_write, NULL);
    job.understood = shell_run(&shell, job.line);
    job.state = JOB_DONE;
    sys_signal_raise(job.done);
    sys_cap_drop(job.done);
}

/* --- the console ---------------------------------------------------------------------------------------------------
 */

static void console_write(void *ctx, const char *text, size_t len)
{
    ssize_t done = write(STDOUT_FILENO, text, len); /* a log that is gone must not stop the service */

    (void)ctx;
    (void)done;
}

static size_t console_read(char *buf, size_t max)
{
    struct msg m;

    msg_begin(&m, LOG_READ);
    msg_put(&m, max);
    if (msg_call(&m, sk_env_get("log"), DEADLINE_NEVER) != SK_OK) {
        return 0;
    }
    size_t n = msg_get_bytes(&m, buf, max);

    return msg_end(&m) == SK_OK ? n : 0;
}

static void console_run(void)
{
    char data[256];
    size_t n;

    console.pending = false;
    while ((n = console_read(data, sizeof(data))) > 0) {
        shell_input(&console.shell, data, n);
    }
}

static int64_t console_bind(void (*event)(void *ctx))
{
    struct msg m;
    int64_t err = server_signal(&console.input, CAP_NULL, event, NULL);

    if (err < 0) {
        return err;
    }
    msg_begin(&m, LOG_BIND_INPUT);
    msg_put_cap(&m, console.input.cap, RIGHT_CALL);
    err = msg_call(&m, sk_env_get("log"), DEADLINE_NEVER);
    return err < 0 ? err : msg_end(&m);
}

/* --- the fiber ------------------------------------------------------------------------------------------------------
 */

static void command_fiber(void *ctx)
{
    (void)ctx;
    for (;;) {
        if (job.state == JOB_NEW) {
            job_run();
        } else if (console.pending) {
            console_run();
        } else {
            fiber_idle = true;
            fiber_yield(&fiber);
            fiber_idle = false;
        }
    }
}

static void fiber_kick(void)
{
    if (fiber_idle) {
        fiber_resume(&fiber);
    }
}

void command_wait(void)
{
    fiber_waits = true;
    fiber_yield(&fiber);
}

void command_wake(void)
{
    if (fiber_waits) {
        fiber_waits = false;
        fiber_resume(&fiber);
    }
}

/* --- gates and signals ----------------------------------------------------------------------------------------------
 */

static void console_event(void *ctx)
{
    (void)ctx;
    console.pending = true;
    fiber_kick();
}

static int64_t op_run(struct msg *m, struct msg *reply)
{
    char line[CONTROL_LINE];

    msg_get_str(m, line, sizeof(line));
    cap_t done = msg_get_cap(m);
    int64_t err = done ? msg_end(m) : SK_EMSG;

    if (!err && !fiber_ready) {
        err = SK_ENOMEM;
    }
    if (!err && (job.state == JOB_NEW || job.state == JOB_RUNS)) {
        err = SK_EBUSY;
    }
    if (err) {
        if (done) {
            sys_cap_drop(done);
        }
        return err;
    }
    memcpy(job.line, line, sizeof(line));
    job.done = done;
    job.len = 0;
    job.number++;
    job.state = JOB_NEW;
    fiber_kick();
    msg_put(reply, job.number); /* last: commands may have logged */
    return SK_OK;
}

static int64_t op_read(struct msg *m, struct msg *reply)
{
    uint64_t number = msg_get(m), off = msg_get(m);
    int64_t err = msg_end(m);

    if (err) {
        return err;
    }
    if (number != job.number || job.state == JOB_NONE) {
        return SK_ENOENT;
    }
    if (job.state != JOB_DONE) {
        return SK_EAGAIN;
    }
    off = min(off, (uint64_t)job.len);
    msg_put(reply, job.understood);
    msg_put_bytes(reply, job.text ? job.text + off : "", min(job.len - off, (size_t)CONTROL_PIECE));
    return SK_OK;
}

int64_t command_call(void *ctx, struct msg *m, struct msg *reply)
{
    (void)ctx;
    switch (m->op) {
    case PROTO_ID:
        msg_put(reply, PROTO_CONTROL);
        return SK_OK;
    case CONTROL_RUN:
        return op_run(m, reply);
    case CONTROL_READ:
        return op_read(m, reply);
    default:
        return SK_ENOSYS;
    }
}

static void fiber_open(void)
{
    int64_t err = SK_ENOMEM;
    void *stack = vm_alloc(STACK_BYTES, NULL, &err);

    if (!stack) {
        log_error("NVMe[]: Memory for commands: %s; there are none", sk_strerror(err));
        return;
    }
    fiber_init(&fiber, command_fiber, NULL, stack, STACK_BYTES);
    fiber_ready = fiber_idle = true;
}

void command_open(bool with_console)
{
    static struct server_source ctl;
    cap_t cap = sk_env_get("ctl");
    int64_t err = cap ? server_gate(&ctl, cap, command_call, NULL, NULL, 1) : SK_OK;

    fiber_open();
    if (err < 0) {
        log_error("NVMe[]: Serving 'ctl': %s%s", sk_strerror(err),
                  err == SK_ERIGHTS ? "; pass the channel's :svr() to the server" : "");
    }
    if (!with_console) {
        return;
    }
    shell_init(&console.shell, commands, ARRAY_SIZE(commands), PROMPT, console_write, NULL);
    err = console_bind(console_event);
    if (err < 0) {
        log_error("NVMe[]: --console: taking the input of 'log': %s; start the program with a console of cons as its "
                  "log",
                  sk_strerror(err));
        return;
    }
    shell_prompt(&console.shell);
}

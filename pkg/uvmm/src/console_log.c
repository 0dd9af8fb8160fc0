// SPDX-License-Identifier: MIT
// The console's backend: the program's "log" capability [proto/log.h].
#include "console_priv.h"
#include "log.h"

#include <proto/log.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>

static cap_t log_cap;
static struct server_source input;
static bool input_bound;

static void log_cap_write(const void *buf, size_t len)
{
    struct msg m;

    msg_begin(&m, LOG_WRITE);
    msg_put_bytes(&m, buf, len);
    /* Without its log the VM goes on; there is nobody to tell. */
    if (msg_call(&m, log_cap, DEADLINE_NEVER) == SK_OK) {
        (void)!msg_end(&m);
    }
}

static size_t log_cap_read(void *buf, size_t max)
{
    struct msg m;
    size_t n;

    if (!input_bound) {
        return 0;
    }
    msg_begin(&m, LOG_READ);
    msg_put(&m, max);
    if (msg_call(&m, log_cap, DEADLINE_NEVER) != SK_OK) {
        return 0;
    }
    n = msg_get_bytes(&m, buf, max);
    return msg_end(&m) == SK_OK ? n : 0;
}

static const struct console_backend log_backend = {log_cap_write, log_cap_read};

static void input_event(void *ctx)
{
    (void)ctx;
    console_input_arrived();
}

/* A tagged log has no input (SK_EPERM): the VM's console is then output only. */
int console_log_connect(void)
{
    struct msg m;

    log_cap = sk_env_get("log");
    if (log_cap == CAP_NULL) {
        return 0;
    }
    console_backend_set(&log_backend);
    int64_t err = server_signal(&input, CAP_NULL, input_event, NULL);
    if (err < 0) {
        log_error(LOG_BOOT, "cannot make a signal for console input: %s; give the VM more kernel memory",
                  sk_strerror(err));
        return (int)err;
    }
    msg_begin(&m, LOG_BIND_INPUT);
    msg_put_cap(&m, input.cap, RIGHT_CALL);
    err = msg_call(&m, log_cap, DEADLINE_NEVER);
    input_bound = err == SK_OK && msg_end(&m) == SK_OK;
    if (!input_bound) {
        log_info(LOG_DEV, "the console takes no input: %s", sk_strerror(err));
    }
    return 0;
}

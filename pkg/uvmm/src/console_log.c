// SPDX-License-Identifier: MIT
/* The console's backend: the program's "log" capability [proto/log.h]. With a monitor on it, the monitor sees the input
 * first. */
#include "console_priv.h"
#include "log.h"
#include "log_client.h"
#include "monitor/monitor.h"

#include <sk/env.h>

static struct log_client client;

static void backend_write(const void *buf, size_t len)
{
    log_client_write(&client, buf, len);
}

static size_t backend_read(void *buf, size_t max)
{
    size_t n = log_client_read(&client, buf, max);

    return n == 0 ? 0 : monitor_filter(buf, n);
}

static const struct console_backend log_backend = {backend_write, backend_read};

static void input_event(void *ctx)
{
    (void)ctx;
    console_input_arrived();
}

/* A tagged log has no input (SK_EPERM): the VM's console is then output only. */
int console_log_connect(void)
{
    cap_t cap = sk_env_get("log");

    if (cap == CAP_NULL) {
        return 0;
    }
    console_backend_set(&log_backend);
    int64_t err = log_client_open(&client, cap, input_event, NULL);
    if (err < 0) {
        log_error(LOG_BOOT, "cannot make a signal for console input: %s; give the VM more kernel memory",
                  sk_strerror(err));
        return (int)err;
    }
    if (!client.bound) {
        log_info(LOG_DEV, "the console takes no input");
    }
    monitor_console_set(&client);
    return 0;
}

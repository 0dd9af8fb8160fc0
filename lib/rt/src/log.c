// SPDX-License-Identifier: MIT
// The program's log as standard output and input, and its end.
#include "rt_priv.h"

#include <errno.h>
#include <proto/log.h>
#include <proto/prog.h>
#include <rt/start.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void rt_utcb_save(struct rt_utcb_save *save)
{
    const struct utcb *u = sk_utcb();

    memcpy(save->mr, u->mr, sizeof(save->mr));
    memcpy(save->send_cap, u->send_cap, sizeof(save->send_cap));
    memcpy(save->send_rights, u->send_rights, sizeof(save->send_rights));
    memcpy(save->recv_cap, u->recv_cap, sizeof(save->recv_cap));
    save->recv_max = u->recv_max;
}

void rt_utcb_restore(const struct rt_utcb_save *save)
{
    struct utcb *u = sk_utcb();

    memcpy(u->mr, save->mr, sizeof(save->mr));
    memcpy(u->send_cap, save->send_cap, sizeof(save->send_cap));
    memcpy(u->send_rights, save->send_rights, sizeof(save->send_rights));
    memcpy(u->recv_cap, save->recv_cap, sizeof(save->recv_cap));
    u->recv_max = save->recv_max;
}

void (*rt_log_sink)(const void *data, size_t len);

static int64_t write_once(const void *data, size_t len)
{
    struct msg m;

    if (rt_log_sink) {
        rt_log_sink(data, len);
        return SK_OK;
    }
    msg_begin(&m, LOG_WRITE);
    msg_put_bytes(&m, data, len);
    return msg_call(&m, sk_env_get("log"), DEADLINE_NEVER);
}

int64_t rt_log_write(const void *data, size_t len)
{
    struct rt_utcb_save save;
    int64_t err = SK_OK;

    rt_utcb_save(&save);
    for (size_t done = 0; done < len && err >= 0;) {
        size_t part = len - done < LOG_WRITE_MAX ? len - done : LOG_WRITE_MAX;
        err = write_once((const char *)data + done, part);
        done += part;
    }
    rt_utcb_restore(&save);
    return err < 0 ? -EIO : (int64_t)len;
}

void rt_log_format(const char *format, ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n > 0) {
        rt_log_write(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
    }
}

/* Input: a signal says that there is some. While waiting, the program's other events are served. */
static struct server_source input;
static bool input_raised;

static void input_event(void *ctx)
{
    *(bool *)ctx = true;
}

static int64_t input_bind(void)
{
    struct msg m;
    int64_t err;

    if (input.magic) {
        return SK_OK;
    }
    err = server_signal(&input, CAP_NULL, input_event, &input_raised);
    if (err < 0) {
        return err;
    }
    msg_begin(&m, LOG_BIND_INPUT);
    msg_put_cap(&m, input.cap, RIGHT_CALL);
    err = msg_call(&m, sk_env_get("log"), DEADLINE_NEVER);
    if (err < 0) {
        server_remove(&input);
    }
    return err;
}

static int64_t read_once(void *buf, size_t max)
{
    struct msg m;

    msg_begin(&m, LOG_READ);
    msg_put(&m, max < LOG_WRITE_MAX ? max : LOG_WRITE_MAX);
    int64_t err = msg_call(&m, sk_env_get("log"), DEADLINE_NEVER);
    if (err < 0) {
        return err;
    }
    size_t n = msg_get_bytes(&m, buf, max);
    err = msg_end(&m);
    return err < 0 ? err : (int64_t)n;
}

int64_t rt_log_read(void *buf, size_t max)
{
    struct rt_utcb_save save;
    int64_t n;

    if (max == 0) {
        return 0;
    }
    rt_utcb_save(&save);
    n = input_bind();
    while (n >= 0 && (n = read_once(buf, max)) == 0) {
        for (input_raised = false; !input_raised;) {
            server_poll(DEADLINE_NEVER);
        }
    }
    rt_utcb_restore(&save);
    return n < 0 ? -EIO : n;
}

void rt_exit(int64_t code)
{
    struct msg m;

    msg_begin(&m, MOE_EXIT);
    msg_put(&m, (uint64_t)code);
    /* Comes back only if there is no moe to tell: in moe itself. */
    int64_t err = msg_call(&m, CAP_MOE, DEADLINE_NEVER);
    (void)err;
    sys_thread_exit(code);
}

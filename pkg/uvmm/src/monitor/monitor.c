// SPDX-License-Identifier: MIT
#include "monitor.h"
#include "../log.h"
#include "../log_client.h"
#include "../timer.h"
#include "../vcpu.h"
#include "monitor_priv.h"

#include <errno.h>
#include <sk/env.h>
#include <sk/sys.h>
#include <stdlib.h>

#define INPUT_MAX 512u /* more that comes at once is lost, as on any serial line */

static struct log_client own; /* "mon" */
static const struct log_client *out;
static bool on_console; /* --monitor */
static bool active;     /* on the VM's console: what is typed is the monitor's */
static struct shell shell;
static char input[INPUT_MAX];
static size_t input_len;
static bool arrived, greet, paused;

bool monitor_paused(void)
{
    return paused;
}

void monitor_pause(bool on)
{
    paused = on;
    on ? clock_stop() : clock_go();
}

void monitor_reset(void)
{
    monitor_pause(false);
}

static void shell_write(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    if (out != NULL) {
        log_client_write(out, text, len);
    }
}

static void own_event(void *ctx)
{
    (void)ctx;
    arrived = true;
}

static void session_begin(const struct log_client *c)
{
    out = c;
    shell_init(&shell, monitor_commands, monitor_command_count, "uvmm> ", shell_write, NULL);
    greet = true;
}

int monitor_init(bool console)
{
    cap_t cap = sk_env_get("mon");

    on_console = console && cap == CAP_NULL;
    if (cap == CAP_NULL) {
        return 0;
    }
    int64_t err = log_client_open(&own, cap, own_event, NULL);
    if (err < 0 || !own.bound) {
        log_error(LOG_BOOT,
                  "the monitor cannot use the capability \"mon\": %s; give a console with input, as cons makes them",
                  err < 0 ? sk_strerror(err) : "it takes no input");
        return err < 0 ? (int)err : SK_ETYPE;
    }
    session_begin(&own);
    return 0;
}

void monitor_console_set(const struct log_client *c)
{
    if (on_console) {
        session_begin(c);
        greet = false;
    }
}

static void input_put(char c)
{
    if (input_len < INPUT_MAX) {
        input[input_len++] = c;
    }
}

size_t monitor_filter(char *buf, size_t n)
{
    size_t guest = 0;

    for (size_t i = 0; i < n; i++) {
        if (on_console && buf[i] == MONITOR_KEY) {
            active = !active;
            greet |= active;
        } else if (active) {
            input_put(buf[i]);
        } else {
            buf[guest++] = buf[i];
        }
    }
    return guest;
}

bool monitor_wants(void)
{
    return arrived || greet || input_len > 0;
}

static void own_read(void)
{
    char buf[64];

    arrived = false;
    for (size_t n; (n = log_client_read(&own, buf, sizeof(buf))) > 0;) {
        for (size_t i = 0; i < n; i++) {
            input_put(buf[i]);
        }
    }
}

bool monitor_serve(void)
{
    if (arrived) {
        own_read();
    }
    if (greet) {
        greet = false;
        if (on_console) { /* one of its own shows only the prompt, which cons keeps until somebody looks */
            shell_printf(&shell, "\nThe VM's monitor; \"help\" lists its commands. Ctrl-]: back to the guest.\n");
        }
        shell_prompt(&shell);
    }
    size_t n = input_len;
    input_len = 0;
    if (n > 0) {
        shell_input(&shell, input, n);
    }
    return paused && !vm_ended();
}

/* --- for the commands --- */

bool monitor_state_get(struct vcpu *v, uint32_t groups)
{
    uint32_t missing = groups & ~v->state->valid & ~v->state->dirty;

    return missing == 0 || sys_vcpu_get(v->cap, missing) >= 0;
}

bool monitor_number(struct shell *sh, const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    if (errno == 0 && end != text && *end == '\0' && text[0] != '-') {
        return true;
    }
    shell_printf(sh, "%s: a number is needed here (0x... for hexadecimal)\n", text);
    return false;
}

struct vcpu *monitor_vcpu(struct shell *sh, const char *text)
{
    uint64_t i = 0;

    if (text != NULL && !monitor_number(sh, text, &i)) {
        return NULL;
    }
    if (i < vcpu_count) {
        return &vcpus[i];
    }
    shell_printf(sh, "there is no vcpu %s; the VM has %u, from 0 on\n", text, vcpu_count);
    return NULL;
}

// SPDX-License-Identifier: MIT
/* Orderly ends: of one program [PROG_STOP], and of the machine [MOE_END, MOE_POWER_OFF]. The machine's programs end one after the
 * other, the last started first: a scenario starts servers before their clients, so clients go first and what they
 * flushed is with their servers when those get their notice. ned stays until the end. */
#include "prog.h"

#include <sk/env.h>
#include <sk/sys.h>
#include <stdio.h>
#include <util/bits.h>

#define LIMIT_MS 20000u /* for each program when the machine ends: NVMe drives may take 10 s to shut down */

static bool ending, switch_off;

static void program_kill(struct program *p, const char *reason)
{
    p->code = 128;
    snprintf(p->reason, sizeof(p->reason), "%s", reason);
    program_end(p, PROG_KILLED);
}

static void limit_event(void *ctx)
{
    struct program *p = ctx;

    if (p->state == PROG_RUNNING) {
        program_kill(p, "killed, as it did not stop in time");
    }
}

void program_stop(struct program *p, uint64_t limit_ms)
{
    uint64_t now = sys_now_ns();

    if (p->state > PROG_RUNNING || p->limit.cap != CAP_NULL) {
        return; /* has ended, or stops already */
    }
    if (p->state == PROG_NEW || p->stop == CAP_NULL || server_signal(&p->limit, CAP_NULL, limit_event, p) < 0) {
        program_kill(p, "killed");
        return;
    }
    sys_signal_timer(p->limit.cap, now + min(limit_ms, UINT64_MAX / 2000000) * 1000000);
    sys_signal_raise(p->stop);
}

void machine_step(void)
{
    static bool inside;
    struct program *p = NULL;

    if (!ending || inside) {
        return;
    }
    inside = true; /* what ends here comes back to us */
    while ((p = program_last_started()) && p->limit.cap == CAP_NULL) {
        program_stop(p, LIMIT_MS);
    }
    inside = false;
    if (!p) {
        if (switch_off) {
            poweroff();
            return;
        }
        int64_t err = sys_machine_reset(boot->machine);

        moe_log("cannot reset the machine: %s; switch it off", sk_strerror(err));
    }
}

bool machine_ends(void)
{
    return ending;
}

void machine_end(bool off)
{
    if (!ending) {
        moe_log("the machine is %s: ending all programs", off ? "switched off" : "reset");
        ending = true;
        switch_off = off;
    }
    machine_step();
}

// SPDX-License-Identifier: MIT
// Orderly end: see rt/stop.h.
#include <proto/prog.h>
#include <rt/stop.h>
#include <sk/msg.h>

int64_t rt_stop_signal(cap_t signal)
{
    struct msg m;

    msg_begin(&m, MOE_ON_STOP);
    msg_put_cap(&m, signal, RIGHT_CALL);
    int64_t err = msg_call(&m, CAP_MOE, DEADLINE_NEVER);

    return err < 0 ? err : msg_end(&m);
}

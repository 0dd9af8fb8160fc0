// SPDX-License-Identifier: MIT
#include <proto/rom.h>
#include <sk/env.h>
#include <sk/msg.h>
#include <sk/rom.h>

int64_t rom_open(const char *name, uint64_t *size, cap_t *mem)
{
    struct msg m;

    msg_begin(&m, ROM_OPEN);
    msg_put_str(&m, name);
    msg_recv_caps(&m, 1);
    int64_t err = msg_call(&m, sk_env_get("rom"), DEADLINE_NEVER);
    if (err < 0) {
        return err;
    }
    *size = msg_get(&m);
    *mem = msg_get_cap(&m);
    return msg_end(&m);
}

// SPDX-License-Identifier: MIT
/* Dynamic clients of a block server: its `svr` gate makes a session gate (proto/blk.h) for each disk that is asked for.
 * The session and its claim on the disk end when nobody can call the new gate any more. */
#pragma once

#include <proto/range.h>

#define BLK_FACTORY_ARGS 8u
#define BLK_FACTORY_TEXT 160u /* bytes of an argument, with its end */

enum blk_factory_op {
    /* in: count, then as many strings: "device=DISK" (as --device), "ds-max=N", "read-only", "packed",
     * "max-iops=N", "max-mbps=N", "burst=MS" (as the options of those names). out: cap gate (CALL).
     * SK_EINVAL: unknown or missing argument; SK_EAGAIN: the disk is not known yet, the server still looks;
     * SK_ENODEV: it is not there; SK_EBUSY: another client has it; SK_ENOMEM. The server's log says more. */
    BLK_FACTORY_CREATE = PROTO_BLK_FACTORY,
    BLK_FACTORY_NOTIFY, /* in: cap signal (CALL): raised when all devices have been looked at, at once if they are.
                           SK_ENOMEM: too many wait. */
};

// SPDX-License-Identifier: MIT
/* Numbers of operations: each protocol has its own hundred, so that a message sent to the wrong gate is refused
 * (SK_ENOSYS) and not misunderstood. PROTO_ID on any gate returns the number of its protocol. */
#pragma once

#include <abi/types.h>

enum proto_range {
    PROTO_ID = 1,
    PROTO_LOG = 0x100,
    PROTO_ROM = 0x200,
    PROTO_MEM = 0x300,
    PROTO_PROG = 0x400,
    PROTO_VBUS = 0x500,
    PROTO_BLK = 0x600,
    PROTO_MOE = 0x700,
    PROTO_BLK_FACTORY = 0x800,
    PROTO_CONS = 0x900,
    PROTO_CONTROL = 0xa00,
};

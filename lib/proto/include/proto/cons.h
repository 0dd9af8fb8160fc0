// SPDX-License-Identifier: MIT
/* The console server's factory: each console is a log gate [proto/log.h] of its own, with input. A console lives as long
 * as somebody can call its gate; what it showed last can be read on the terminal after that, too. */
#pragma once

#include <proto/range.h>

enum cons_op {
    /* in: string name, string colour (as PROG_LOG of proto/prog.h). out: cap log gate. A name that a live console has
     * gets a number appended. An unknown colour is none, and said on the terminal. SK_ENOMEM: too many consoles. */
    CONS_CREATE = PROTO_CONS,
};

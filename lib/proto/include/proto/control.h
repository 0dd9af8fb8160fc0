// SPDX-License-Identifier: MIT
/* Commands to a running server, as a person types them on its console (lib/shell): one line in, text out. The text may
 * be longer than a message and take a while: it is collected, and read in pieces until the next command is run. One
 * command runs at a time, whoever asked. */
#pragma once

#include <proto/range.h>

#define CONTROL_LINE 512u   /* bytes of a line, with its end */
#define CONTROL_PIECE 2048u /* most bytes in one CONTROL_READ */

enum control_op {
    /* in: string line, cap signal (CALL): raised when the command has ended. out: the command's number. SK_EBUSY:
     * another one runs. */
    CONTROL_RUN = PROTO_CONTROL,
    /* in: the command's number, offset. out: 1 if it was understood (else the text says why not), bytes; none are left
     * when there are none. SK_EAGAIN: it still runs; SK_ENOENT: another one was run after it. */
    CONTROL_READ,
};

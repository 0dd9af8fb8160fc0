// SPDX-License-Identifier: MIT
/* Logs. A log is a gate to moe (or a later console server) with a tag and a colour, or the raw console.
 * Tagged logs appear line by line as "tag     | text"; lines of different logs never mix. A partial line of a
 * tagged log appears when it is completed, flushed, or its owner ends. Raw logs appear at once. */
#pragma once

#include <proto/range.h>
#include <stddef.h>

enum log_op {
    LOG_WRITE = PROTO_LOG, /* in: bytes. */
    LOG_READ,              /* in: max. out: bytes of input that has arrived (0..max). SK_EPERM: output only. */
    LOG_BIND_INPUT,        /* in: cap signal (CALL), raised when input is there to read. One reader at a time: the
                              last one that bound has the input. */
    LOG_FLUSH,             /* shows a partial line now. */
};

#define LOG_WRITE_MAX 2048 /* bytes in one LOG_WRITE */

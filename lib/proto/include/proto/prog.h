// SPDX-License-Identifier: MIT
/* Programs: moe's loader ("loader" in ned's environment) makes a program, its maker gives it arguments and
 * capabilities, starts it, and learns how it ended. Dropping the program's gate leaves it running. */
#pragma once

#include <proto/range.h>

enum prog_op {
    /* On a loader gate: in: string path ("rom/x"), bytes of kernel memory (0: default), highest priority (0:
     * default), mask of processors (0: all; its first thread begins on the first of them), cap log (CALL), cap mem (CALL). out: cap gate of the program. SK_ENOENT, SK_EINVAL with a log line that says
     * what is wrong with the ELF file, SK_ENOMEM. */
    PROG_CREATE = PROTO_PROG,
    /* in: string tag (8 columns are shown), string colour ("red", "g", "" ...). out: cap log gate (proto/log.h). */
    PROG_LOG,
    /* in: bytes (0: as much as there is). out: cap mem gate with that allowance. */
    PROG_MEM,

    /* On a program gate, before PROG_START: */
    PROG_ARG = PROTO_PROG + 0x20, /* in: string: the next argv element (argv[0] first). SK_ENOMEM (64 KiB in all). */
    PROG_ENV,     /* in: string "NAME=value". */
    PROG_CAP,     /* in: string name, cap. Rights as passed. SK_EEXIST: name taken. */
    PROG_START,
    /* any time: */
    PROG_BIND,    /* in: cap signal (CALL), raised when the program has ended. */
    PROG_STATUS,  /* out: enum prog_state, exit code, string reason ("exited with 1", "page fault at ..."). */
    PROG_KILL,
    PROG_STOP, /* in: milliseconds. Asks the program to end (MOE_ON_STOP), and kills it when it has not by then. One that
                  does not want to be asked is killed at once. PROG_BIND tells when it has ended. */
};

enum prog_state { PROG_NEW, PROG_RUNNING, PROG_EXITED, PROG_FAULTED, PROG_KILLED };

/* moe's session with each program (CAP_MOE). */
enum moe_op {
    MOE_EXIT = PROTO_MOE, /* in: code. Never returns to the caller. */
    MOE_STARTED,          /* from ned, once: the scenario is started. moe then prints what the system takes. */
    MOE_ON_STOP,          /* in: cap signal (CALL), raised when the program shall end. SK_EEXIST: there is one. */
    MOE_END,              /* from ned: stops all programs, the last started first, and resets the machine. */
    MOE_POWER_OFF,        /* the same, and switches it off. */
};

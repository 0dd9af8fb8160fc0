// SPDX-License-Identifier: MIT
/* What people and scripts ask of the running program: a table of commands (lib/shell), typed on the program's console
 * (--console) or sent as lines to a gate (proto/control.h). Text goes out by shell_printf().
 *
 * Commands run in a fiber of their own, one at a time, so that one that needs an answer of a drive can wait for it
 * while the program goes on serving. Between command_wait() and its return anything may have changed: clients and
 * namespaces may be gone.
 *
 *     command_fiber:   idle --line--> runs --command_wait()--> waits
 *                        ^_____________|  <--command_wake()-----/ */
#pragma once

#include <shell/shell.h>
#include <sk/server.h>

/* Prepares the fiber, takes the capability "ctl" if there is one and, if `console`, the input of "log". What fails
 * costs a line and that way only. */
void command_open(bool console);
/* CONTROL_* of any gate; SK_ENOSYS for other operations. */
int64_t command_call(void *ctx, struct msg *m, struct msg *reply);

/* For commands: gives the processor up until command_wake(). The caller has made sure that it comes. */
void command_wait(void);
/* From an event or a controller's worker: the command that waits goes on. */
void command_wake(void);

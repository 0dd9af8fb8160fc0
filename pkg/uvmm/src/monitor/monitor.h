// SPDX-License-Identifier: MIT
/* The VM's monitor: a person on a console looks into the machine and pushes its buttons. Its console is the capability
 * "mon", or, with the option --monitor, the VM's own: there a key (Ctrl-]) changes between guest and monitor.
 *
 * Input is only collected when it arrives. The main thread serves it between two runs of its vcpu, when all vcpus are
 * parked (vcpus_run), so that commands see the machine at rest: state pages, devices and RAM are theirs for that time.
 * While the VM is paused, serving goes on until a command ends the pause. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MONITOR_KEY 0x1d /* Ctrl-] */

struct log_client;

/* Connects to "mon", or prepares the key on the VM's console if on_console. 0, or an error after one line. */
int monitor_init(bool on_console);
/* The VM's console, once it is connected. */
void monitor_console_set(const struct log_client *c);
/* Takes the monitor's part out of `n` bytes of console input; returns how many are left for the guest. */
size_t monitor_filter(char *buf, size_t n);
/* Is there something to serve? */
bool monitor_wants(void);
/* Serves it; the vcpus are parked. True: the VM is paused, more input has to come before it goes on. */
bool monitor_serve(void);
/* Stopped by "pause". */
bool monitor_paused(void);
/* The machine starts again: not paused. */
void monitor_reset(void);

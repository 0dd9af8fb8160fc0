// SPDX-License-Identifier: MIT
// Between the monitor's files: the session (monitor.c), its commands (commands.c), guest memory (memory.c).
#pragma once

#include <shell/shell.h>
#include <stdbool.h>
#include <stdint.h>

struct vcpu;

extern const struct shell_command monitor_commands[];
extern const size_t monitor_command_count;

void monitor_pause(bool on);

/* Brings groups of a parked vcpu's state into its page. False: the kernel does not give them. */
bool monitor_state_get(struct vcpu *v, uint32_t groups);
/* A number in any base of C, or a bad one after a line on the shell. */
bool monitor_number(struct shell *sh, const char *text, uint64_t *value);
/* The vcpu that an optional argument names (0 without), or NULL after a line. */
struct vcpu *monitor_vcpu(struct shell *sh, const char *text);

void cmd_memory(struct shell *sh, unsigned argc, char *const *argv);
void cmd_physical(struct shell *sh, unsigned argc, char *const *argv);
void cmd_translate(struct shell *sh, unsigned argc, char *const *argv);
void cmd_backtrace(struct shell *sh, unsigned argc, char *const *argv); /* stack.c */
void cmd_map(struct shell *sh, unsigned argc, char *const *argv);
void cmd_devices(struct shell *sh, unsigned argc, char *const *argv);

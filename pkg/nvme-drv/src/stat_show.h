// SPDX-License-Identifier: MIT
// Statistics for people and programs: commands of command.c.
#pragma once

#include <shell/shell.h>

struct client;

void stat_command(struct shell *sh, unsigned argc, char *const *argv);
void counters_command(struct shell *sh, unsigned argc, char *const *argv);
/* The client goes: its namespace keeps what it counted. */
void stat_keep(const struct client *c);

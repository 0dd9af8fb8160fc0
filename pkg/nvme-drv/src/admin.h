// SPDX-License-Identifier: MIT
// Commands about controllers and namespaces: the entries of the command table (command.h).
#pragma once

#include <shell/shell.h>

void admin_list(struct shell *sh, unsigned argc, char *const *argv);
void admin_identify(struct shell *sh, unsigned argc, char *const *argv);
void admin_smart(struct shell *sh, unsigned argc, char *const *argv);
void admin_errors(struct shell *sh, unsigned argc, char *const *argv);
void admin_attach(struct shell *sh, unsigned argc, char *const *argv); /* and detach */
void admin_rescan(struct shell *sh, unsigned argc, char *const *argv);
void admin_reset(struct shell *sh, unsigned argc, char *const *argv);

// SPDX-License-Identifier: MIT
// Files of rom/, mapped read-only.
#pragma once

#include "boot/linux_boot.h"

/* Maps the file `name` ("rom/x" or "x"). 0, or -1 after one line; what: what it is for, and opt: its option, for the
 * message. */
int file_map(const char *name, const char *what, const char *opt, struct boot_file *f);
/* Also frees one that was read from a disk. */
void file_unmap(struct boot_file *f);

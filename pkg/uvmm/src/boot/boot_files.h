// SPDX-License-Identifier: MIT
// Kernel, ramdisk and command line as the options say: from rom/, or from the guest's own disk (diskboot.h).
#pragma once

#include "../options.h"
#include "bootcfg.h"
#include "linux_boot.h"

struct boot_files {
    struct boot_file kernel, rd; /* rd.data NULL: none */
    const char *cmdline;
    struct bootcfg configured; /* what the disk's boot configuration says */
};

/* Before the guest's first instruction, with its disks in reset. 0, or -1 after one line. Free it in any case. */
int boot_files_load(const struct options *o, struct boot_files *f);
void boot_files_free(struct boot_files *f);

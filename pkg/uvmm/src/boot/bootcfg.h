// SPDX-License-Identifier: MIT
/* What to boot, from the configuration files that distributions write for their boot loaders:
 *   grub.cfg        the default of the top-level entries (`set default=N`; a submenu counts as one, and means its first
 *                   entry), its `linux` and `initrd` lines. No scripting: conditions are not evaluated, words with a
 *                   variable in them are left out.
 *   extlinux.conf   the label of `default`, else the first: `linux` or `kernel`, `initrd`, `append`.
 * Pure text processing. The text comes from the guest's disk and may be anything. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define BOOTCFG_PATH 256u
#define BOOTCFG_CMDLINE 2048u
#define BOOTCFG_INITRDS 4u

struct bootcfg {
    char kernel[BOOTCFG_PATH];
    char initrd[BOOTCFG_INITRDS][BOOTCFG_PATH]; /* to be loaded one behind the other */
    unsigned initrds;
    char cmdline[BOOTCFG_CMDLINE];
};

/* NULL, or what is wrong (static text). text ends with a NUL. Paths begin with '/': those of extlinux.conf may be
 * relative to its folder, dir ("/boot/extlinux"). */
const char *bootcfg_grub(const char *text, struct bootcfg *c);
const char *bootcfg_extlinux(const char *text, const char *dir, struct bootcfg *c);

// SPDX-License-Identifier: MIT
/* What to boot, from the configuration files that distributions write for their boot loaders:
 *   grub.cfg        the default entry (`set default=`): a number, a title, an id, or such for each menu with '>' in
 *                   between; a submenu alone means its first entry, a name that there is not the first of all, as in
 *                   GRUB. Its `linux` and `initrd` lines. No scripting: conditions are not evaluated, words with a
 *                   variable in them are left out, but for "($root)" before a path and the default "${saved_entry}".
 *   grubenv         GRUB's environment block: the variable saved_entry.
 *   extlinux.conf   the label of `default`, else the first: `linux` or `kernel`, `initrd`, `append`.
 * Pure text processing. The text comes from the guest's disk and may be anything. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define BOOTCFG_PATH 256u
#define BOOTCFG_CMDLINE 2048u
#define BOOTCFG_INITRDS 4u
#define BOOTCFG_SAVED 512u

struct bootcfg {
    char kernel[BOOTCFG_PATH];
    char initrd[BOOTCFG_INITRDS][BOOTCFG_PATH]; /* to be loaded one behind the other */
    unsigned initrds;
    char cmdline[BOOTCFG_CMDLINE];
};

/* NULL, or what is wrong (static text). text ends with a NUL. Paths begin with '/': those of extlinux.conf may be
 * relative to its folder, dir ("/boot/extlinux"). saved: what bootcfg_grubenv() found, or "". */
const char *bootcfg_grub(const char *text, const char *saved, struct bootcfg *c);
const char *bootcfg_extlinux(const char *text, const char *dir, struct bootcfg *c);
/* saved: empty if there is none, or it is too long to be a name. */
void bootcfg_grubenv(const char *text, char saved[BOOTCFG_SAVED]);

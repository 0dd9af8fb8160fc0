// SPDX-License-Identifier: MIT
/* Kernel and ramdisk from the guest's own disk. A name is DISK:PATH, or DISK:N:PATH for partition N; DISK is the
 * capability of one of the VM's disks. Without N the file systems (ext2, ext3, ext4) on the whole disk or on its
 * partitions are searched in their order. DISK: or DISK:N:, without a path, stands for what the disk's boot loader
 * would start (bootcfg.h), and without a configuration for /vmlinuz and /initrd.img.
 *
 * Why not a firmware: the disk is read by the VMM with a library, so the guest needs neither BIOS nor EFI, which would
 * be many times as much code to run before the kernel, and a partition that holds a plain file system can be booted.
 * The code runs in this VM's own uvmm, which has nothing that the disk's owner has not. */
#pragma once

#include "bootcfg.h"
#include "disk.h"
#include "linux_boot.h"

/* Whether the name means a file on a disk rather than one of rom/. */
bool diskboot_name(const char *name);
/* The length of the disk's capability in such a name. */
size_t diskboot_name_disk(const char *name);
/* Whether it stands for the disk's boot configuration. */
bool diskboot_name_configured(const char *name);

/* Reads the file. 0, or -1 after one line; what and opt for the message. f->data is malloc()ed, f->name is `name`. */
int diskboot_file(const struct boot_disk *d, const char *name, const char *what, const char *opt, struct boot_file *f);
/* Reads kernel and ramdisks (rd->data NULL: none) by the boot configuration; c: what it says. 0, or -1 after one line.
 */
int diskboot_configured(const struct boot_disk *d, const char *name, struct bootcfg *c, struct boot_file *kernel,
                        struct boot_file *rd);

// SPDX-License-Identifier: MIT
/* Files of an ext2, ext3 or ext4 file system, by libext2fs, read-only. A journal is not replayed: what was written and
 * not yet checkpointed when the machine was cut off is seen as it was before. One file system is open at a time. */
#pragma once

#include "disk.h"

#include <stdbool.h>

struct extfs;

/* Whether a file system begins at that byte, as far as its magic number tells. */
bool extfs_probe(const struct boot_disk *d, uint64_t start, uint64_t size);
/* NULL, or why it cannot be read (static text). *fs: to be closed. The disk stays the caller's. */
const char *extfs_open(const struct boot_disk *d, uint64_t start, uint64_t size, struct extfs **fs);
void extfs_close(struct extfs *fs);

/* Whether there is a file (or anything else) by that name. */
bool extfs_has(struct extfs *fs, const char *path);

enum extfs_result { EXTFS_OK, EXTFS_NONE, EXTFS_TOO_LARGE, EXTFS_NO_MEMORY, EXTFS_ERROR };

/* A whole regular file of at most max bytes, symbolic links followed within the file system. *data: malloc()ed, the
 * caller's, one byte longer than *size, with a NUL there. EXTFS_NONE: no such file. EXTFS_ERROR: *why says more. */
enum extfs_result extfs_read(struct extfs *fs, const char *path, uint64_t max, void **data, size_t *size,
                             const char **why);

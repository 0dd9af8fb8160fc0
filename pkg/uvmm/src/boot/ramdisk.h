// SPDX-License-Identifier: MIT
/* Is an initial ramdisk all there? A guest says of a truncated one only that it has no root file system. What Linux
 * takes is a row of archives: "newc" cpio [cpio(5)], gzip [RFC 1952, RFC 1951], zstd [RFC 8878], lz4, xz, others; zero
 * bytes may stand between them. cpio, zstd and lz4 are walked by their headers, gzip's blocks are decoded (without
 * output), of xz the footer is looked for. Only what ends too early is refused: unknown formats and errors inside are
 * the guest's business. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* NULL, or what is wrong. */
const char *ramdisk_check(const void *data, size_t size);
/* Is it of a format that Linux takes? Its beginning tells. */
bool ramdisk_known(const void *data, size_t size);

// SPDX-License-Identifier: MIT
/* The part of ELF that the root task needs: a static 64-bit x86 executable. Pure: no allocation, no other headers'
 * state. Document: System V ABI (gABI 4.1) chapters 4 and 5, "Object Files" and "Program Loading"; psABI x86-64 1.0. */
#pragma once

#include <kernel/types.h>

#define ELF_SEGMENTS_MAX 8

struct elf_image {
    uint64_t entry;
    unsigned count;
    struct elf_segment {
        uint64_t va, mem_size;      /* as the file says; not page-aligned */
        uint64_t offset, file_size; /* inside the file; file_size <= mem_size */
        uint32_t rights;            /* RIGHT_R and at most one of W, X */
    } segment[ELF_SEGMENTS_MAX];    /* ascending, on distinct pages, inside [PAGE_SIZE, user_end) */
};

/* Checks everything before it says SK_OK; the image may be any bytes. On failure *why says what is wrong. SK_EINVAL. */
must_check int elf_parse(const void *file, uint64_t size, uint64_t user_end, struct elf_image *out, const char **why);

// SPDX-License-Identifier: MIT
/* Static ELF64 programs: what moe loads [System V ABI, chapters 4 and 5; psABI x86-64]. Pure; the file is hostile.
 *
 * Accepted: ET_EXEC for x86-64 without interpreter and dynamic section, 1 to ELF_SEGMENTS_MAX loadable segments in
 * ascending order, below the limit that the caller gives, no two in one page, none both writable and executable, the
 * entry in an executable one. The caller's file must not change while it is used. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS_MAX 16

enum elf_flags { ELF_X = 1, ELF_W = 2, ELF_R = 4 }; /* p_flags */

struct elf_segment {
    uint64_t offset;     /* in the file; equal to vaddr modulo the page size */
    uint64_t vaddr;
    uint64_t file_size;  /* <= mem_size */
    uint64_t mem_size;   /* > 0 */
    uint32_t flags;      /* enum elf_flags */
};

struct elf_image {
    uint64_t entry;
    uint64_t phdr_vaddr; /* where the program headers are in memory; 0 if in no segment */
    uint32_t phdr_count;
    uint32_t phdr_size;  /* of one */
    uint32_t segment_count;
    struct elf_segment segment[ELF_SEGMENTS_MAX];
};

/* Checks the file and fills *image. limit: end of the addresses that segments may use, page-aligned.
 * Return: NULL, or what is wrong, to be read after "rom/x: ". */
__attribute__((warn_unused_result)) const char *elf_image_open(struct elf_image *image, const void *file, size_t size,
                                                               uint64_t limit);

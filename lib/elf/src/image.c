// SPDX-License-Identifier: MIT
// Validation of static ELF64 programs. Headers are copied out of the file before they are looked at.
#include <elf.h>
#include <elf/image.h>
#include <string.h>
#include <util/bits.h>

#define PHDRS_MAX 64u
#define PAGE 4096ull
#define LOWEST_VADDR PAGE /* page 0 stays unmapped */

static const char *check_header(const Elf64_Ehdr *eh, size_t size)
{
    if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0) {
        return "not an ELF file";
    }
    if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
        eh->e_ident[EI_VERSION] != EV_CURRENT) {
        return "not a 64-bit little-endian ELF file";
    }
    if (eh->e_machine != EM_X86_64) {
        return "built for another processor than x86-64";
    }
    if (eh->e_type != ET_EXEC) {
        return "not a static executable (link with -static -no-pie)";
    }
    if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum == 0 || eh->e_phnum > PHDRS_MAX) {
        return "program headers of unexpected size or number";
    }
    if (!range_ok(eh->e_phoff, (uint64_t)eh->e_phnum * sizeof(Elf64_Phdr), size)) {
        return "program headers outside of the file (truncated?)";
    }
    return NULL;
}

static const char *check_range(const Elf64_Phdr *ph, size_t size, uint64_t limit)
{
    if (!range_ok(ph->p_offset, ph->p_filesz, size)) {
        return "segment outside of the file (truncated?)";
    }
    if (ph->p_filesz > ph->p_memsz) {
        return "segment larger in the file than in memory";
    }
    if (ph->p_vaddr < LOWEST_VADDR || !range_ok(ph->p_vaddr, ph->p_memsz, limit)) {
        return "segment outside of the address space for programs";
    }
    if (ph->p_offset % PAGE != ph->p_vaddr % PAGE) {
        return "segment not aligned to pages in the file";
    }
    return NULL;
}

/* End of the last page that the segments so far use. */
static uint64_t used_end(const struct elf_image *im)
{
    if (im->segment_count == 0) {
        return 0;
    }
    const struct elf_segment *last = &im->segment[im->segment_count - 1];
    return align_up(last->vaddr + last->mem_size, PAGE);
}

static const char *check_segment(const struct elf_image *im, const Elf64_Phdr *ph, size_t size, uint64_t limit)
{
    const char *why = check_range(ph, size, limit);

    if (why) {
        return why;
    }
    if ((ph->p_flags & PF_W) && (ph->p_flags & PF_X)) {
        return "segment both writable and executable";
    }
    if (!(ph->p_flags & PF_R)) {
        return "segment not readable";
    }
    if (im->segment_count == ELF_SEGMENTS_MAX) {
        return "too many segments";
    }
    if (align_down(ph->p_vaddr, PAGE) < used_end(im)) {
        return "segments overlap, share a page, or are not in order";
    }
    return NULL;
}

static void add_segment(struct elf_image *im, const Elf64_Phdr *ph)
{
    im->segment[im->segment_count++] = (struct elf_segment){
        .offset = ph->p_offset,
        .vaddr = ph->p_vaddr,
        .file_size = ph->p_filesz,
        .mem_size = ph->p_memsz,
        .flags = ph->p_flags & (PF_R | PF_W | PF_X),
    };
}

static const char *read_segments(struct elf_image *im, const char *file, size_t size, const Elf64_Ehdr *eh,
                                 uint64_t limit)
{
    for (unsigned i = 0; i < eh->e_phnum; i++) {
        Elf64_Phdr ph;
        memcpy(&ph, file + eh->e_phoff + i * sizeof(ph), sizeof(ph));
        if (ph.p_type == PT_INTERP || ph.p_type == PT_DYNAMIC) {
            return "dynamically linked (link with -static -no-pie)";
        }
        if (ph.p_type != PT_LOAD || ph.p_memsz == 0) {
            continue;
        }
        const char *why = check_segment(im, &ph, size, limit);
        if (why) {
            return why;
        }
        add_segment(im, &ph);
    }
    return im->segment_count ? NULL : "no loadable segment";
}

static const char *check_entry(const struct elf_image *im)
{
    for (unsigned i = 0; i < im->segment_count; i++) {
        const struct elf_segment *s = &im->segment[i];
        if ((s->flags & PF_X) && im->entry >= s->vaddr && im->entry - s->vaddr < s->file_size) {
            return NULL;
        }
    }
    return "entry point outside of the code";
}

/* The headers are found by a program (AT_PHDR) only if a segment loads all of them. */
static uint64_t find_phdrs(const struct elf_image *im, const Elf64_Ehdr *eh)
{
    uint64_t len = (uint64_t)eh->e_phnum * sizeof(Elf64_Phdr);

    for (unsigned i = 0; i < im->segment_count; i++) {
        const struct elf_segment *s = &im->segment[i];
        if (eh->e_phoff >= s->offset && range_ok(eh->e_phoff - s->offset, len, s->file_size)) {
            return s->vaddr + (eh->e_phoff - s->offset);
        }
    }
    return 0;
}

const char *elf_image_open(struct elf_image *image, const void *file, size_t size, uint64_t limit)
{
    Elf64_Ehdr eh;

    *image = (struct elf_image){0};
    if (size < sizeof(eh)) {
        return "too short for an ELF file";
    }
    memcpy(&eh, file, sizeof(eh));
    const char *why = check_header(&eh, size);
    if (why) {
        return why;
    }
    image->entry = eh.e_entry;
    image->phdr_count = eh.e_phnum;
    image->phdr_size = eh.e_phentsize;
    why = read_segments(image, file, size, &eh, limit);
    if (why) {
        return why;
    }
    image->phdr_vaddr = find_phdrs(image, &eh);
    return check_entry(image);
}

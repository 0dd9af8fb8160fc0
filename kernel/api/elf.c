// SPDX-License-Identifier: MIT
// Parser of static ELF executables (kernel/elf.h).
#include <kernel/elf.h>

/* ELF header and program header, 64-bit [gABI figures 4-3 and 5-1] */
struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf_header) == 64, "Elf64_Ehdr");
_Static_assert(offsetof(struct elf_header, entry) == 24 && offsetof(struct elf_header, phoff) == 32 &&
                   offsetof(struct elf_header, phentsize) == 54 && offsetof(struct elf_header, phnum) == 56,
               "Elf64_Ehdr");
_Static_assert(sizeof(struct elf_phdr) == 56, "Elf64_Phdr");
_Static_assert(offsetof(struct elf_phdr, offset) == 8 && offsetof(struct elf_phdr, vaddr) == 16 &&
                   offsetof(struct elf_phdr, filesz) == 32 && offsetof(struct elf_phdr, memsz) == 40,
               "Elf64_Phdr");

enum { ELF_ET_EXEC = 2, ELF_EM_X86_64 = 62, ELF_PT_LOAD = 1, ELF_PT_INTERP = 3 };
enum { ELF_PF_X = 1, ELF_PF_W = 2, ELF_PF_R = 4 };

/* The first seven bytes: magic, 64 bit, little endian, version 1 [gABI figure 4-4] */
static const uint8_t elf_ident[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1};

static const char *elf_check_header(const struct elf_header *h)
{
    if (__builtin_memcmp(h->ident, elf_ident, sizeof(elf_ident)) != 0) {
        return "it is no 64-bit little-endian ELF file";
    }
    if (h->machine != ELF_EM_X86_64 || h->type != ELF_ET_EXEC) {
        return "it is no static x86-64 executable (ET_EXEC)";
    }
    return h->phentsize == sizeof(struct elf_phdr) ? NULL : "its program headers have an unknown size";
}

static const char *elf_check_segment(const struct elf_phdr *p, uint64_t size, uint64_t user_end)
{
    if (!range_ok(p->offset, p->filesz, size) || p->filesz > p->memsz) {
        return "a segment lies outside the file";
    }
    if (p->vaddr < PAGE_SIZE || !range_ok(p->vaddr, p->memsz, user_end)) {
        return "a segment lies outside the user address space";
    }
    if ((p->flags & ELF_PF_W) != 0 && (p->flags & ELF_PF_X) != 0) {
        return "a segment is writable and executable";
    }
    return NULL;
}

static const char *elf_add_segment(const struct elf_phdr *p, struct elf_image *out)
{
    if (out->count == ELF_SEGMENTS_MAX) {
        return "it has too many segments";
    }
    if (out->count > 0) {
        const struct elf_segment *last = &out->segment[out->count - 1];

        if (align_down(p->vaddr, PAGE_SIZE) < align_up(last->va + last->mem_size, PAGE_SIZE)) {
            return "its segments are not in ascending order on pages of their own";
        }
    }
    out->segment[out->count++] = (struct elf_segment){
        .va = p->vaddr,
        .mem_size = p->memsz,
        .offset = p->offset,
        .file_size = p->filesz,
        .rights = RIGHT_R | ((p->flags & ELF_PF_W) != 0 ? RIGHT_W : 0) | ((p->flags & ELF_PF_X) != 0 ? RIGHT_X : 0),
    };
    return NULL;
}

static const char *elf_check_entry(const struct elf_image *image)
{
    for (unsigned i = 0; i < image->count; i++) {
        const struct elf_segment *s = &image->segment[i];

        if ((s->rights & RIGHT_X) != 0 && image->entry >= s->va && image->entry - s->va < s->mem_size) {
            return NULL;
        }
    }
    return "its entry point is in no executable segment";
}

static const char *elf_parse_segments(const uint8_t *file, uint64_t size, const struct elf_header *h, uint64_t user_end,
                                      struct elf_image *out)
{
    struct elf_phdr p;

    if (!range_ok(h->phoff, (uint64_t)h->phnum * sizeof(p), size)) {
        return "its program headers lie outside the file";
    }
    for (unsigned i = 0; i < h->phnum; i++) {
        __builtin_memcpy(&p, file + h->phoff + i * sizeof(p), sizeof(p));
        if (p.type == ELF_PT_INTERP) {
            return "it is dynamically linked";
        }
        if (p.type != ELF_PT_LOAD || p.memsz == 0) {
            continue;
        }
        const char *why = elf_check_segment(&p, size, user_end);
        if (why == NULL) {
            why = elf_add_segment(&p, out);
        }
        if (why != NULL) {
            return why;
        }
    }
    return elf_check_entry(out);
}

int elf_parse(const void *file, uint64_t size, uint64_t user_end, struct elf_image *out, const char **why)
{
    struct elf_header h;

    *out = (struct elf_image){0};
    *why = "it is shorter than an ELF header";
    if (size >= sizeof(h)) {
        __builtin_memcpy(&h, file, sizeof(h));
        out->entry = h.entry;
        *why = elf_check_header(&h);
        if (*why == NULL) {
            *why = elf_parse_segments(file, size, &h, user_end, out);
        }
    }
    return *why == NULL ? SK_OK : SK_EINVAL;
}

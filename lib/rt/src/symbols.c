// SPDX-License-Identifier: MIT
/* Looks up .symtab [System V ABI, chapter 4 "Symbol Table"]. Everything is copied out before use, as the file may lie
 * at any alignment, and each range is checked against the file. */
#include "symbols.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <util/bits.h>

struct table {
    const char *file;
    size_t size;
    Elf64_Shdr symbols, strings;
};

static bool take(const struct table *t, uint64_t off, void *out, size_t len)
{
    if (!range_ok(off, len, t->size)) {
        return false;
    }
    memcpy(out, t->file + off, len);
    return true;
}

static bool section(const struct table *t, const Elf64_Ehdr *eh, uint32_t index, Elf64_Shdr *out)
{
    uint64_t off = (uint64_t)index * sizeof(*out);

    if (index >= eh->e_shnum || eh->e_shentsize != sizeof(*out) || eh->e_shoff > t->size) {
        return false;
    }
    return take(t, eh->e_shoff + off, out, sizeof(*out)) &&
           (out->sh_type == SHT_NOBITS || range_ok(out->sh_offset, out->sh_size, t->size));
}

static bool table_open(struct table *t, const void *file, size_t size)
{
    Elf64_Ehdr eh;

    *t = (struct table){.file = file, .size = size};
    if (!take(t, 0, &eh, sizeof(eh)) || memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < eh.e_shnum; i++) {
        if (section(t, &eh, i, &t->symbols) && t->symbols.sh_type == SHT_SYMTAB) {
            return section(t, &eh, t->symbols.sh_link, &t->strings) && t->strings.sh_type == SHT_STRTAB;
        }
    }
    return false;
}

/* The name at offset off of the string table, if it ends inside. */
static const char *name_at(const struct table *t, uint32_t off)
{
    if (off >= t->strings.sh_size) {
        return NULL;
    }
    const char *name = t->file + t->strings.sh_offset + off;
    return memchr(name, '\0', t->strings.sh_size - off) ? name : NULL;
}

const char *symbols_find(const void *file, size_t size, uint64_t addr, uint64_t *offset)
{
    struct table t;

    if (!table_open(&t, file, size)) {
        return NULL;
    }
    for (uint64_t i = 0; i < t.symbols.sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym s;
        memcpy(&s, t.file + t.symbols.sh_offset + i * sizeof(s), sizeof(s));
        if (ELF64_ST_TYPE(s.st_info) == STT_FUNC && addr >= s.st_value && addr - s.st_value < s.st_size) {
            *offset = addr - s.st_value;
            return name_at(&t, s.st_name);
        }
    }
    return NULL;
}

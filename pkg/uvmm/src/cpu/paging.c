// SPDX-License-Identifier: MIT
// Page-table walk in guest RAM. Each entry is read once.
#include "paging.h"
#include "../gmem.h"

#include <stdbool.h>
#include <util/bits.h>

#define CR0_PE BIT(0)
#define CR0_PG BIT(31)
#define CR4_PSE BIT(4)
#define CR4_PAE BIT(5)
#define CR4_LA57 BIT(12)
#define EFER_LMA BIT(10)

#define PTE_P BIT(0)
#define PTE_PS BIT(7)
#define PTE_ADDR FIELD(51, 12)

static int entry_read(uint64_t table, unsigned index, unsigned size, uint64_t *entry)
{
    *entry = 0;
    if (ram_read(table + (uint64_t)index * size, entry, size) != 0 || (*entry & PTE_P) == 0) {
        return SK_ENOENT;
    }
    return 0;
}

/* Two levels of 4-byte entries; with PSE, 4 MiB pages with address bits 39:32 in bits 20:13 [SDM-3 4.3]. */
static int walk_32(const struct paging *p, uint64_t linear, uint64_t *gpa)
{
    uint64_t e;

    if (entry_read(p->cr3 & FIELD(31, 12), linear >> 22 & 0x3ff, 4, &e) != 0) {
        return SK_ENOENT;
    }
    if ((e & PTE_PS) != 0 && (p->cr4 & CR4_PSE) != 0) {
        *gpa = (e & FIELD(31, 22)) | field_get(FIELD(20, 13), e) << 32 | (linear & FIELD(21, 0));
        return 0;
    }
    if (entry_read(e & FIELD(31, 12), linear >> 12 & 0x3ff, 4, &e) != 0) {
        return SK_ENOENT;
    }
    *gpa = (e & FIELD(31, 12)) | (linear & FIELD(11, 0));
    return 0;
}

/* 8-byte entries, `levels` levels of 9 bits; PAE's top level has four entries and no large pages. */
static int walk_64(uint64_t table, unsigned levels, uint64_t linear, uint64_t *gpa)
{
    for (unsigned level = levels; level > 0; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t e;
        if (entry_read(table, linear >> shift & 0x1ff, 8, &e) != 0) {
            return SK_ENOENT;
        }
        bool leaf = level == 1 || ((e & PTE_PS) != 0 && level <= 3);
        if (leaf) {
            uint64_t offset = (1ull << shift) - 1;
            *gpa = (e & PTE_ADDR & ~offset) | (linear & offset);
            return 0;
        }
        table = e & PTE_ADDR;
    }
    return SK_ENOENT;
}

static int walk_pae(const struct paging *p, uint64_t linear, uint64_t *gpa)
{
    uint64_t e;

    if (entry_read(p->cr3 & FIELD(31, 5), linear >> 30 & 3, 8, &e) != 0) {
        return SK_ENOENT;
    }
    return walk_64(e & PTE_ADDR, 2, linear, gpa);
}

int paging_translate(const struct paging *p, uint64_t linear, uint64_t *gpa)
{
    if ((p->cr0 & (CR0_PE | CR0_PG)) != (CR0_PE | CR0_PG)) {
        *gpa = linear & 0xffffffff;
        return 0;
    }
    if ((p->efer & EFER_LMA) != 0) {
        return walk_64(p->cr3 & PTE_ADDR, (p->cr4 & CR4_LA57) != 0 ? 5 : 4, linear, gpa);
    }
    return (p->cr4 & CR4_PAE) != 0 ? walk_pae(p, linear & 0xffffffff, gpa) : walk_32(p, linear & 0xffffffff, gpa);
}

unsigned paging_fetch(const struct paging *p, uint64_t linear, void *buf, unsigned len)
{
    unsigned done = 0;

    while (done < len) {
        uint64_t gpa, at = linear + done;
        unsigned part = (unsigned)min((uint64_t)(len - done), 4096 - (at & 0xfff));
        if (paging_translate(p, at, &gpa) != 0 || ram_read(gpa, (char *)buf + done, part) != 0) {
            break;
        }
        done += part;
    }
    return done;
}

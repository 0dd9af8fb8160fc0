// SPDX-License-Identifier: MIT
/* Four-level page tables in three formats (and the kernel's own).
 *
 * Mapping takes two walks: the first makes all tables, and may run out of memory; the second writes entries and
 * cannot fail. Unmapping frees tables that the range covers as a whole; other tables stay, possibly empty, until a
 * large page takes their place or the space dies. Entries are naturally atomic 64-bit stores, so that a walk by the
 * processor never sees half of one.
 *
 * Documents: [SDM-3] 5.5 (4-level paging), 29.3 (EPT); [APM-2] 5.3, 15.25 (nested paging). */
#include "page_table.h"

#include <kernel/log.h>

/* [SDM-3 tables 5-15 to 5-20]; accessed and dirty are set at once, nobody reads them. */
#define X86_P  (1ull << 0)
#define X86_W  (1ull << 1)
#define X86_U  (1ull << 2)
#define X86_UC (3ull << 3) /* PCD and PWT: entry 3 of the PAT, uncached at reset */
#define X86_AD (3ull << 5)
#define X86_PS (1ull << 7)
#define X86_G  (1ull << 8)
#define X86_NX (1ull << 63)
/* [SDM-3 tables 29-1 to 29-7] */
#define EPT_R   (1ull << 0)
#define EPT_W   (1ull << 1)
#define EPT_X   (1ull << 2)
#define EPT_WB  (6ull << 3)
#define EPT_PS  (1ull << 7)

const struct pt_format pt_task_format = {
    .present = X86_P, .table = X86_P | X86_W | X86_U | X86_AD, .leaf = X86_P | X86_U | X86_AD, .write = X86_W,
    .noexec = X86_NX, .device = X86_UC, .large = X86_PS, .kernel_half = true,
};
const struct pt_format pt_npt_format = {
    .present = X86_P, .table = X86_P | X86_W | X86_U | X86_AD, .leaf = X86_P | X86_U | X86_AD, .write = X86_W,
    .noexec = X86_NX, .device = X86_UC, .large = X86_PS,
};
const struct pt_format pt_ept_format = {
    .present = EPT_R | EPT_W | EPT_X, .table = EPT_R | EPT_W | EPT_X, .leaf = EPT_R, .write = EPT_W, .exec = EPT_X,
    .cached = EPT_WB, .large = EPT_PS,
};
const struct pt_format pt_kernel_format = {
    .present = X86_P, .table = X86_P | X86_W | X86_AD, .leaf = X86_P | X86_AD | X86_G, .write = X86_W,
    .noexec = X86_NX, .device = X86_UC, .large = X86_PS,
};

unsigned pt_max_leaf_level = 2;
uint64_t *pt_kernel_root;

static uint64_t level_size(unsigned level) { return PAGE_SIZE << (9 * (level - 1)); }
static unsigned level_index(uint64_t va, unsigned level) { return (va >> (12 + 9 * (level - 1))) & (PT_ENTRIES - 1); }
static uint64_t *table_at(uint64_t entry) { return phys_to_virt((paddr_t){ entry & PT_ADDRESS_MASK }); }
static bool is_present(const struct page_table *pt, uint64_t e) { return (e & pt->format->present) != 0; }
static bool is_leaf(const struct page_table *pt, uint64_t e, unsigned level)
{
    return level == 1 || (e & pt->format->large) != 0;
}
static void entry_set(uint64_t *slot, uint64_t e) { *(volatile uint64_t *)slot = e; }

int pt_init(struct page_table *pt, const struct pt_format *format)
{
    pt->format = format;
    uint64_t *root = pt->alloc(pt);
    if (!root) {
        pt->root = PADDR_NONE;
        return SK_ENOMEM;
    }
    for (unsigned i = PT_ENTRIES / 2; format->kernel_half && i < PT_ENTRIES; i++) {
        root[i] = pt_kernel_root[i];
    }
    pt->root = virt_to_phys(root);
    return SK_OK;
}

/* Frees the table behind entry of the given level and all below. */
static void table_free(struct page_table *pt, uint64_t entry, unsigned level)
{
    uint64_t *t = table_at(entry);
    for (unsigned i = 0; level > 2 && i < PT_ENTRIES; i++) {
        if (is_present(pt, t[i]) && !is_leaf(pt, t[i], level - 1)) {
            table_free(pt, t[i], level - 1);
        }
    }
    pt->free(pt, t);
}

void pt_destroy(struct page_table *pt)
{
    if (pt->root.v == PADDR_NONE.v) {
        return;
    }
    pt_unload(pt);
    uint64_t *root = phys_to_virt(pt->root);
    for (unsigned i = 0; i < (pt->format->kernel_half ? PT_ENTRIES / 2 : PT_ENTRIES); i++) {
        if (is_present(pt, root[i])) {
            table_free(pt, root[i], 4);
        }
    }
    pt->free(pt, root);
    pt->root = PADDR_NONE;
}

/* Largest level whose page fits at va, pa and into size. */
static unsigned leaf_level(uint64_t va, paddr_t pa, uint64_t size)
{
    unsigned level = pt_max_leaf_level;
    while (level > 1 && (!is_aligned(va | pa.v, level_size(level)) || size < level_size(level))) {
        level--;
    }
    return level;
}

/* Slot for va at level; makes the tables on the way. NULL: out of memory. */
static uint64_t *slot_make(struct page_table *pt, uint64_t va, unsigned level)
{
    uint64_t *t = phys_to_virt(pt->root);
    for (unsigned l = 4; l > level; l--) {
        uint64_t *slot = &t[level_index(va, l)];
        if (!is_present(pt, *slot)) {
            void *page = pt->alloc(pt);
            if (!page) {
                return NULL;
            }
            entry_set(slot, virt_to_phys(page).v | pt->format->table);
        }
        assert(!is_leaf(pt, *slot, l));
        t = table_at(*slot);
    }
    return &t[level_index(va, level)];
}

static uint64_t leaf_bits(const struct pt_format *f, uint32_t attr, unsigned level)
{
    uint64_t e = f->leaf;
    e |= attr & PT_W ? f->write : 0;
    e |= attr & PT_X ? f->exec : f->noexec;
    e |= attr & PT_DEVICE ? f->device : f->cached;
    return e | (level > 1 ? f->large : 0);
}

int pt_map(struct page_table *pt, uint64_t va, paddr_t pa, uint64_t size, uint32_t attr)
{
    assert(is_aligned(va | pa.v | size, PAGE_SIZE));
    for (uint64_t off = 0; off < size;) {
        unsigned level = leaf_level(va + off, (paddr_t){ pa.v + off }, size - off);
        if (!slot_make(pt, va + off, level)) {
            return SK_ENOMEM;
        }
        off += level_size(level);
    }
    bool tables_freed = false;
    for (uint64_t off = 0; off < size;) {
        unsigned level = leaf_level(va + off, (paddr_t){ pa.v + off }, size - off);
        uint64_t *slot = slot_make(pt, va + off, level);
        uint64_t old = *slot;
        entry_set(slot, (pa.v + off) | leaf_bits(pt->format, attr, level));
        if (is_present(pt, old)) { /* a table that an earlier pt_unmap left empty */
            assert(!is_leaf(pt, old, level));
            table_free(pt, old, level);
            tables_freed = true;
        }
        off += level_size(level);
    }
    if (tables_freed) {
        pt->stale++;
        pt_flush(pt, va, 0);
    }
    return SK_OK;
}

/* Clears [va, end) below the table t of the given level. Returns whether a table was freed. */
static bool table_unmap(struct page_table *pt, uint64_t *t, unsigned level, uint64_t va, uint64_t end)
{
    bool freed = false;
    while (va < end) {
        uint64_t *slot = &t[level_index(va, level)];
        uint64_t slot_start = align_down(va, level_size(level));
        uint64_t next = slot_start + level_size(level);
        bool whole = va == slot_start && next <= end;
        if (is_present(pt, *slot)) {
            if (is_leaf(pt, *slot, level)) {
                assert(whole);
                entry_set(slot, 0);
            } else if (whole) {
                uint64_t old = *slot;
                entry_set(slot, 0);
                table_free(pt, old, level);
                freed = true;
            } else {
                freed |= table_unmap(pt, table_at(*slot), level - 1, va, next < end ? next : end);
            }
        }
        va = next;
    }
    return freed;
}

void pt_unmap(struct page_table *pt, uint64_t va, uint64_t size)
{
    assert(is_aligned(va | size, PAGE_SIZE));
    bool freed = table_unmap(pt, phys_to_virt(pt->root), 4, va, va + size);
    pt->stale++;
    pt_flush(pt, va, freed ? 0 : size);
}

paddr_t pt_lookup(const struct page_table *pt, uint64_t va, uint32_t *attr, uint64_t *page_size)
{
    const uint64_t *t = phys_to_virt(pt->root);
    for (unsigned level = 4; level > 0; level--) {
        uint64_t e = t[level_index(va, level)];
        if (!is_present(pt, e)) {
            return PADDR_NONE;
        }
        if (is_leaf(pt, e, level)) {
            const struct pt_format *f = pt->format;
            bool exec = f->exec ? (e & f->exec) != 0 : (e & f->noexec) == 0;
            bool device = f->device ? (e & f->device) == f->device : (e & f->cached) == 0;
            *attr = PT_R | (e & f->write ? PT_W : 0) | (exec ? PT_X : 0) | (device ? PT_DEVICE : 0);
            *page_size = level_size(level);
            uint64_t mask = level_size(level) - 1;
            return (paddr_t){ (e & PT_ADDRESS_MASK & ~mask) | (va & mask) };
        }
        t = table_at(e);
    }
    return PADDR_NONE;
}

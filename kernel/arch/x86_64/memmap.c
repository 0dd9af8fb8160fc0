// SPDX-License-Identifier: MIT
/* Range arithmetic and the boot-time division of RAM. See memmap.h. */
#include "memmap.h"

#include <string.h>

static void memmap_insert(struct memmap *m, uint32_t i, uint64_t base, uint64_t size)
{
    memmove(&m->r[i + 1], &m->r[i], (m->count - i) * sizeof(m->r[0]));
    m->r[i].base = base;
    m->r[i].size = size;
    m->count++;
}

static void memmap_delete(struct memmap *m, uint32_t i, uint32_t n)
{
    memmove(&m->r[i], &m->r[i + n], (m->count - i - n) * sizeof(m->r[0]));
    m->count -= n;
}

bool memmap_add(struct memmap *m, uint64_t base, uint64_t size)
{
    if (size == 0) {
        return true;
    }
    uint64_t end = base + size;
    uint32_t first = 0;
    while (first < m->count && m->r[first].base + m->r[first].size < base) {
        first++;
    }
    uint32_t last = first; /* [first, last) touch the new range */
    while (last < m->count && m->r[last].base <= end) {
        uint64_t e = m->r[last].base + m->r[last].size;
        base = m->r[last].base < base ? m->r[last].base : base;
        end = e > end ? e : end;
        last++;
    }
    if (first == last) {
        if (m->count == MEMMAP_MAX) {
            return false;
        }
        memmap_insert(m, first, base, end - base);
        return true;
    }
    m->r[first].base = base;
    m->r[first].size = end - base;
    memmap_delete(m, first + 1, last - first - 1);
    return true;
}

bool memmap_remove(struct memmap *m, uint64_t base, uint64_t size)
{
    uint64_t end = base + size;
    for (uint32_t i = 0; i < m->count && size;) {
        uint64_t b = m->r[i].base, e = b + m->r[i].size;
        if (e <= base || b >= end) {
            i++;
        } else if (b >= base && e <= end) {
            memmap_delete(m, i, 1);
        } else if (b < base && e > end) {
            if (m->count == MEMMAP_MAX) {
                return false;
            }
            m->r[i].size = base - b;
            memmap_insert(m, i + 1, end, e - end);
            return true;
        } else if (b < base) {
            m->r[i++].size = base - b;
        } else {
            m->r[i].base = end;
            m->r[i++].size = e - end;
        }
    }
    return true;
}

bool memmap_covers(const struct memmap *m, uint64_t base, uint64_t size)
{
    for (uint32_t i = 0; i < m->count; i++) {
        if (base >= m->r[i].base && range_ok(base - m->r[i].base, size, m->r[i].size)) {
            return true;
        }
    }
    return size == 0;
}

bool memmap_overlaps(const struct memmap *m, uint64_t base, uint64_t size)
{
    uint64_t end = base + size;
    for (uint32_t i = 0; i < m->count && size; i++) {
        if (m->r[i].base < end && base < m->r[i].base + m->r[i].size) {
            return true;
        }
    }
    return false;
}

uint64_t memmap_alloc(struct memmap *m, uint64_t size, uint64_t align, uint64_t min, uint64_t max)
{
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t end = m->r[i].base + m->r[i].size;
        uint64_t b = align_up(m->r[i].base > min ? m->r[i].base : min, align);
        end = end < max ? end : max;
        if (b < end && size <= end - b) {
            return memmap_remove(m, b, size) ? b : UINT64_MAX;
        }
    }
    return UINT64_MAX;
}

uint64_t memmap_total(const struct memmap *m)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        sum += m->r[i].size;
    }
    return sum;
}

/* RAM shrinks to whole pages; everything else grows to whole pages and wins where maps overlap. */
static bool plan_memory(const struct loader_info *li, struct boot_plan *plan)
{
    bool ok = true;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < li->region_count; i++) {
            uint64_t base = li->region[i].base, end = base + li->region[i].size;
            uint32_t type = li->region[i].type;
            if (pass == 0 && type == LOADER_RAM) {
                end = align_down(end < BOOT_PLAN_RAM_END ? end : BOOT_PLAN_RAM_END, PAGE_SIZE);
                base = base < end ? align_up(base, PAGE_SIZE) : end;
                ok = ok && (base >= end || memmap_add(&plan->ram, base, end - base));
            } else if (pass == 1 && type != LOADER_RAM) {
                base = align_down(base, PAGE_SIZE);
                end = end > UINT64_MAX - PAGE_SIZE ? align_down(end, PAGE_SIZE) : align_up(end, PAGE_SIZE);
                ok = ok && memmap_remove(&plan->ram, base, end - base);
                if (type == LOADER_ACPI || type == LOADER_NVS) {
                    ok = ok && memmap_add(&plan->firmware, base, end - base);
                }
            }
        }
    }
    return ok;
}

/* Must module i be copied? Yes if it is unaligned, or if the rest of its last page, which programs would see, is not
 * its own. */
static bool module_must_move(const struct loader_info *li, uint32_t i, const struct boot_plan *plan)
{
    uint64_t base = li->module[i].base, size = align_up(li->module[i].size, PAGE_SIZE);
    if (!is_aligned(base, PAGE_SIZE) || !memmap_covers(&plan->ram, base, size) || base < BOOT_PLAN_RAM_MIN) {
        return true;
    }
    for (uint32_t k = 0; k < li->module_count; k++) {
        if (k != i && li->module[k].size && li->module[k].base < base + size &&
            base < li->module[k].base + li->module[k].size) {
            return true;
        }
    }
    return false;
}

/* May a module be at [base, end)? Not where the kernel itself is. */
static bool module_hits_kernel(const struct image_range *image, uint64_t base, uint64_t end)
{
    return (base < image->builtin && end > image->start) || (base < image->end && end > image->builtin_end);
}

static const char *plan_modules(const struct loader_info *li, const struct image_range *image, struct boot_plan *plan)
{
    /* First keep everybody's present place out of the free list, then find new places. */
    for (uint32_t i = 0; i < li->module_count; i++) {
        uint64_t base = align_down(li->module[i].base, PAGE_SIZE);
        uint64_t end = align_up(li->module[i].base + li->module[i].size, PAGE_SIZE);
        if (li->module[i].size > BOOT_PLAN_LOW_MAX || li->module[i].base > BOOT_PLAN_LOW_MAX - li->module[i].size) {
            return "a module lies above 4 GiB";
        }
        if (module_hits_kernel(image, base, end) && li->module[i].size) {
            return "a module overlaps the kernel";
        }
        if (!memmap_remove(&plan->free, base, end - base)) {
            return "the memory map is too fragmented";
        }
    }
    for (uint32_t i = 0; i < li->module_count; i++) {
        uint64_t size = align_up(li->module[i].size, PAGE_SIZE);
        plan->module[i] = li->module[i].base;
        if (size == 0) {
            plan->module[i] = align_down(li->module[i].base, PAGE_SIZE);
        } else if (module_must_move(li, i, plan)) {
            plan->module[i] = memmap_alloc(&plan->free, size, PAGE_SIZE, 0x100000, BOOT_PLAN_LOW_MAX);
            if (plan->module[i] == UINT64_MAX) {
                return "too little memory below 4 GiB to align the modules";
            }
        }
    }
    return NULL;
}

const char *boot_plan_make(const struct loader_info *li, const struct image_range *image, struct boot_plan *plan)
{
    memset(plan, 0, sizeof(*plan));
    if (!plan_memory(li, plan)) {
        return "the memory map is too fragmented";
    }
    plan->free = plan->ram;
    if (!memmap_remove(&plan->free, 0, BOOT_PLAN_RAM_MIN) ||
        !memmap_remove(&plan->free, image->start, image->end - image->start)) {
        return "the memory map is too fragmented";
    }
    const char *why = plan_modules(li, image, plan);
    if (why) {
        return why;
    }
    uint64_t size = align_up(memmap_total(&plan->ram) / 64, PAGE_SIZE);
    plan->pool_size = size < KPOOL_MIN ? KPOOL_MIN : size > KPOOL_MAX ? KPOOL_MAX : size;
    plan->pool = memmap_alloc(&plan->free, plan->pool_size, PAGE_SIZE, 0x100000, BOOT_PLAN_LOW_MAX);
    return plan->pool == UINT64_MAX ? "no 6 MiB of contiguous memory below 4 GiB for the kernel" : NULL;
}

// SPDX-License-Identifier: MIT
// The physical memory allocator.
#include "phys.h"

#include <string.h>
#include <util/bits.h>

#define LARGE (2ull << 20)

static void insert(struct phys *p, unsigned i, struct phys_extent e)
{
    memmove(&p->extent[i + 1], &p->extent[i], (p->count - i) * sizeof(e));
    p->extent[i] = e;
    p->count++;
}

static void erase(struct phys *p, unsigned i)
{
    p->count--;
    memmove(&p->extent[i], &p->extent[i + 1], (p->count - i) * sizeof(p->extent[0]));
}

static bool adjoins(const struct phys_extent *low, const struct phys_extent *high)
{
    return low->region == high->region && low->base + low->size == high->base;
}

void phys_free(struct phys *p, uint64_t base, uint64_t size, uint32_t region)
{
    unsigned i = 0;

    while (i < p->count && p->extent[i].base < base) {
        i++;
    }
    p->free_bytes += size;
    struct phys_extent e = {base, size, region};
    if (i < p->count && adjoins(&e, &p->extent[i])) {
        e.size += p->extent[i].size;
        erase(p, i);
    }
    if (i > 0 && adjoins(&p->extent[i - 1], &e)) {
        p->extent[i - 1].size += e.size;
        return;
    }
    insert(p, i, e);
}

/* Takes [base, base + size) out of extent i. */
static void cut(struct phys *p, unsigned i, uint64_t base, uint64_t size)
{
    struct phys_extent *e = &p->extent[i];
    uint64_t before = base - e->base, after = e->size - before - size;

    p->free_bytes -= size;
    if (before && after) {
        insert(p, i + 1, (struct phys_extent){base + size, after, e->region});
        p->extent[i].size = before;
    } else if (before) {
        e->size = before;
    } else if (after) {
        e->base += size;
        e->size = after;
    } else {
        erase(p, i);
    }
}

static bool fit_low(const struct phys_extent *e, uint64_t size, uint64_t align, uint64_t *base)
{
    uint64_t skip = align_up(e->base, align) - e->base;

    *base = e->base + skip;
    return range_ok(skip, size, e->size);
}

static bool fit_high(const struct phys_extent *e, uint64_t size, uint64_t align, uint64_t *base)
{
    if (size > e->size) {
        return false;
    }
    *base = align_down(e->base + (e->size - size), align);
    return *base >= e->base;
}

bool phys_alloc(struct phys *p, uint64_t size, uint64_t align, uint64_t *base, uint32_t *region)
{
    bool large = size >= LARGE;

    for (unsigned n = 0; n < p->count; n++) {
        unsigned i = large ? p->count - 1 - n : n;
        const struct phys_extent *e = &p->extent[i];
        if (large ? fit_high(e, size, align, base) : fit_low(e, size, align, base)) {
            *region = e->region;
            cut(p, i, *base, size);
            return true;
        }
    }
    return false;
}

// SPDX-License-Identifier: MIT
// Guest RAM: address arithmetic over the regions that ram_setup.c mapped. No kernel calls here.
#include "gmem.h"
#include "gmem_priv.h"

#include <stddef.h>
#include <string.h>
#include <util/bits.h>

static struct ram_region regions[GMEM_REGIONS_MAX];
static unsigned region_count;

int ram_region_add(const struct ram_region *r)
{
    if (region_count == GMEM_REGIONS_MAX) {
        return SK_ENOMEM;
    }
    regions[region_count++] = *r;
    return 0;
}

void ram_regions_forget(void)
{
    region_count = 0;
}

const struct ram_region *ram_regions(unsigned *n)
{
    *n = region_count;
    return regions;
}

void *ram_ptr(uint64_t gpa, uint64_t len)
{
    for (unsigned i = 0; i < region_count; i++) {
        if (gpa >= regions[i].gpa && range_ok(gpa - regions[i].gpa, len, regions[i].size)) {
            return (char *)regions[i].host + (gpa - regions[i].gpa);
        }
    }
    return NULL;
}

/* The regions adjoin the hole or a gap, never each other, so a range inside RAM is inside one region. */
int ram_read(uint64_t gpa, void *buf, uint64_t len)
{
    const void *p = ram_ptr(gpa, len);

    if (p == NULL) {
        return SK_ERANGE;
    }
    memcpy(buf, p, len);
    return 0;
}

int ram_write(uint64_t gpa, const void *buf, uint64_t len)
{
    void *p = ram_ptr(gpa, len);

    if (p == NULL) {
        return SK_ERANGE;
    }
    memcpy(p, buf, len);
    return 0;
}

uint64_t ram_low_size(void)
{
    return region_count > 0 ? regions[0].size : 0;
}

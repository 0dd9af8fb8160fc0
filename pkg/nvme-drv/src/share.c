// SPDX-License-Identifier: MIT
// Clients' memory in DMA spaces: see share.h.
#include "share.h"

#include <sk/sys.h>
#include <stdlib.h>

struct share {
    struct device *dev;
    uint64_t addr, size;
    unsigned users;
    struct share *next;
};

static struct share *shares;

static struct share **share_find(const struct device *dev, uint64_t addr, uint64_t size)
{
    struct share **s = &shares;

    while (*s && ((*s)->dev != dev || (*s)->addr != addr || (*s)->size != size)) {
        s = &(*s)->next;
    }
    return s;
}

/* A driver before us has ended and left the same memory in the DMA space. The controller was reset since: it does not
 * use it any more. */
static struct sys_result map_instead(struct device *dev, cap_t mem, uint64_t off, uint64_t size, struct sys_result old)
{
    if (sys_unmap(dev->dma, old.extra, size) < 0) {
        return old;
    }
    return sys_map(dev->dma, mem, off, size, MAP_ANY, RIGHT_R | RIGHT_W);
}

int64_t share_map(struct device *dev, cap_t mem, uint64_t off, uint64_t size, uint64_t *addr)
{
    struct share *new = malloc(sizeof(*new));

    if (!new) {
        return SK_ENOMEM;
    }
    struct sys_result r = sys_map(dev->dma, mem, off, size, MAP_ANY, RIGHT_R | RIGHT_W);
    struct share *old = r.value == SK_EEXIST ? *share_find(dev, r.extra, size) : NULL;

    if (old) {
        old->users++;
    } else if (r.value == SK_EEXIST) {
        r = map_instead(dev, mem, off, size, r);
    }
    if (r.value < 0) {
        free(new);
    } else {
        *new = (struct share){.dev = dev, .addr = r.extra, .size = size, .users = 1, .next = shares};
        shares = new;
    }
    *addr = r.extra;
    return old ? SK_OK : r.value;
}

int64_t share_unmap(struct device *dev, uint64_t addr, uint64_t size)
{
    struct share **at = share_find(dev, addr, size), *s = *at;

    if (!s || --s->users > 0) {
        return SK_OK;
    }
    *at = s->next;
    free(s);
    return sys_unmap(dev->dma, addr, size);
}

// SPDX-License-Identifier: MIT
/* Anonymous memory for the C library.
 *
 * Small requests come from arenas of 32 pages, so that the usual few pages for malloc cost no call to moe and can be
 * given back in parts; larger ones are mappings of their own. An arena page that was in use is zeroed when it is
 * handed out again. */
#include "rt_priv.h"

#include <errno.h>
#include <sk/vm.h>
#include <string.h>
#include <util/bits.h>

#define ARENA_PAGES 32u
#define ARENA_BYTES (ARENA_PAGES * PAGE_SIZE)
#define ARENAS_MAX 64u
#define SMALL_PAGES 16u

static struct arena {
    char *base;     /* NULL: none */
    uint32_t used;  /* bit per page */
    uint32_t dirty; /* pages that must be zeroed before use */
} arenas[ARENAS_MAX];

static uint32_t page_mask(unsigned first, unsigned count)
{
    return (uint32_t)(((1ull << count) - 1) << first);
}

static void *arena_take(struct arena *a, unsigned pages)
{
    for (unsigned i = 0; i + pages <= ARENA_PAGES; i++) {
        uint32_t mask = page_mask(i, pages);
        if ((a->used & mask) == 0) {
            char *p = a->base + i * PAGE_SIZE;
            if (a->dirty & mask) {
                memset(p, 0, pages * PAGE_SIZE);
            }
            a->used |= mask;
            a->dirty |= mask;
            return p;
        }
    }
    return NULL;
}

static bool arena_make(struct arena *a)
{
    *a = (struct arena){.base = vm_alloc(ARENA_BYTES, NULL, NULL)};
    return a->base != NULL;
}

static void *small_map(unsigned pages)
{
    for (unsigned i = 0; i < ARENAS_MAX; i++) {
        if (!arenas[i].base && !arena_make(&arenas[i])) {
            return NULL;
        }
        void *p = arena_take(&arenas[i], pages);
        if (p) {
            return p;
        }
    }
    return NULL;
}

static struct arena *arena_of(const char *addr)
{
    for (unsigned i = 0; i < ARENAS_MAX; i++) {
        if (arenas[i].base && addr >= arenas[i].base && addr < arenas[i].base + ARENA_BYTES) {
            return &arenas[i];
        }
    }
    return NULL;
}

static int64_t small_unmap(struct arena *a, const char *addr, size_t size)
{
    uint64_t off = (uint64_t)(addr - a->base);

    if (!range_ok(off, size, ARENA_BYTES)) {
        return -EINVAL;
    }
    a->used &= ~page_mask((unsigned)(off / PAGE_SIZE), (unsigned)(size / PAGE_SIZE));
    /* The first stays: a program that frees its last page soon wants one again. */
    if (a->used == 0 && a != arenas) {
        vm_unmap(a->base, ARENA_BYTES);
        a->base = NULL;
    }
    return 0;
}

void *rt_memory_map(size_t size)
{
    struct rt_utcb_save save;
    void *p = NULL;

    if (size == 0 || size > SIZE_MAX - PAGE_SIZE) {
        return NULL;
    }
    rt_utcb_save(&save);
    size = align_up(size, PAGE_SIZE);
    if (size <= SMALL_PAGES * PAGE_SIZE) {
        p = small_map((unsigned)(size / PAGE_SIZE));
    }
    if (!p) {
        p = vm_alloc(size, NULL, NULL);
    }
    rt_utcb_restore(&save);
    return p;
}

int64_t rt_memory_unmap(void *addr, size_t size)
{
    struct arena *a = arena_of(addr);

    if ((uint64_t)addr % PAGE_SIZE || size == 0 || size > SIZE_MAX - PAGE_SIZE) {
        return -EINVAL;
    }
    size = align_up(size, PAGE_SIZE);
    if (a) {
        return small_unmap(a, addr, size);
    }
    vm_unmap(addr, size);
    return 0;
}

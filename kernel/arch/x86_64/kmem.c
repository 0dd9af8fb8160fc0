// SPDX-License-Identifier: MIT
/* The kernel's page pool: a stack of freed pages in front of a part that was never used. BKL. */
#include "kmem.h"

#include <kernel/log.h>

struct free_page { struct free_page *next; };

static struct {
    struct free_page *free;
    uint64_t fresh, start, end; /* virtual */
    uint64_t used_pages;
} pool;

void kmem_init(paddr_t base, uint64_t size)
{
    pool.start = pool.fresh = (uint64_t)phys_to_virt(base);
    pool.end = pool.start + size;
}

static void page_zero(void *page)
{
    uint64_t n = PAGE_SIZE / 8;
    asm volatile("rep stosq" : "+D"(page), "+c"(n) : "a"(0ull) : "memory");
}

void *kpage_alloc(void)
{
    void *page = pool.free;
    if (page) {
        pool.free = pool.free->next;
    } else if (pool.fresh < pool.end) {
        page = (void *)pool.fresh;
        pool.fresh += PAGE_SIZE;
    } else {
        return NULL;
    }
    pool.used_pages++;
    page_zero(page);
    return page;
}

void kpage_free(void *page)
{
    uint64_t va = (uint64_t)page;
    assert(is_aligned(va, PAGE_SIZE) && va >= pool.start && va < pool.fresh);
    struct free_page *f = page;
    f->next = pool.free;
    pool.free = f;
    pool.used_pages--;
}

void kpage_stat(uint64_t *total_bytes, uint64_t *used_bytes)
{
    *total_bytes = pool.end - pool.start;
    *used_bytes = pool.used_pages * PAGE_SIZE;
}

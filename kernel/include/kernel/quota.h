// SPDX-License-Identifier: MIT
/* Quotas: who pays for kernel memory.
 *
 * Every page that the kernel uses for a program is charged to a quota: whole pages (page tables, FPU state, UTCBs) and
 * the pages of the quota's own slabs, from which its objects come. Slabs are never shared between quotas, so
 * that neither fragmentation nor leaks of one program cost another. A child's limit counts as used in its parent, thus
 * the limits of all quotas together never exceed the pool. When a quota dies, all its objects die. An object that must
 * live on (memory that a device may still access) keeps its pages charged; they return to the parent when it goes. BKL
 * guards all fields. */
#pragma once

#include <kernel/object.h>

#define QUOTA_CLASSES 9

struct quota {
    struct object obj;
    uint64_t limit, used;               /* bytes, multiples of PAGE_SIZE; the parent is obj.quota, NULL for the root */
    struct list objects;                /* objects paid by this quota */
    struct list partial[QUOTA_CLASSES]; /* slab pages with free room */
    uint64_t cpus; /* mask of the processors for its threads; they exist */
    uint8_t max_priority;
};

static inline struct quota *quota_of(struct object *o)
{
    return container_of(o, struct quota, obj);
}

/* The one quota without parent, of all the pool. Called once. */
struct quota *quota_create_root(uint64_t bytes, uint8_t max_priority);
/* NULL before it was created. */
struct quota *quota_root(void);
/* A zeroed block of at most PAGE_SIZE bytes, 16-byte aligned (blocks over 1008 bytes may take a whole page). NULL: the
 * quota is used up. */
must_check void *quota_alloc(struct quota *q, size_t size);
void quota_free(struct quota *q, void *block, size_t size); /* size as given to quota_alloc */
/* A zeroed page. */
must_check void *quota_page_alloc(struct quota *q);
void quota_page_free(struct quota *q, void *page);

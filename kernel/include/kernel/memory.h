// SPDX-License-Identifier: MIT
/* Memory objects, spaces and mappings.
 *
 * A memory object is a page-aligned run of physical addresses. Children derived from it form a tree; each object
 * lists its mappings. A mapping belongs to one space and lives until it is unmapped, its memory is revoked or
 * one of the two dies. Memory without capabilities lives on while it is mapped or has children.
 *
 * A space is the common part of task, guest and DMA space: the address-ordered mappings and their page table (none in
 * a DMA space without IOMMU: addresses are physical, and what is mapped there cannot be revoked).
 * Mappings never overlap. BKL guards all fields. */
#pragma once

#include <kernel/arch.h>
#include <kernel/object.h>
#include <kernel/tree.h>

struct memory {
    struct object obj;
    paddr_t base;
    uint64_t size;
    uint32_t flags; /* MEM_DEVICE */
    uint32_t mapping_count;
    struct memory *parent; /* NULL: made at boot */
    struct list sibling;   /* in parent->children */
    struct list children;
    struct list mappings;
};

/* First member of struct task, struct guest and struct dma_space. */
struct space {
    struct object obj;
    struct tree mappings;
    struct page_table *pt;    /* NULL: identity DMA space */
    uint64_t start, end;      /* addresses that may be mapped: [start, end) */
    uint32_t rights_mask;     /* RIGHT_R/W/X that have a meaning here */
    bool wx_exclusive;        /* no W together with X */
    uint64_t *tlb_generation; /* incremented after translations were removed (guests); may be NULL */
};

struct mapping {
    struct tree_node node; /* in space->mappings, key: address; key and size are valid while space != NULL */
    uint64_t size;
    struct space *space;  /* NULL: not mapped */
    struct memory *mem;   /* NULL: a page of the kernel's own (UTCB, vcpu state, kinfo), embedded in its owner */
    struct list mem_node; /* in mem->mappings */
};

/* Mappings, and one more if it has children: 0 means that without capabilities it would be gone. */
static inline uint64_t memory_use_count(const struct memory *m)
{
    return m->mapping_count + !list_empty(&m->children);
}
static inline struct memory *memory_of(struct object *o)
{
    return container_of(o, struct memory, obj);
}
static inline struct space *space_of(struct object *o)
{
    return container_of(o, struct space, obj);
}

/* A memory object without parent, for boot. NULL: no quota left. */
must_check struct memory *memory_create_root(struct quota *q, paddr_t base, uint64_t size, uint32_t flags);

/* SK_EBUSY while the object or a descendant is mapped in an identity DMA space. */
must_check int memory_check_revocable(const struct memory *m);

/* Bookkeeping of space.c; the last mapping may have kept the object alive. */
void memory_mapping_added(struct memory *m, struct mapping *map);
void memory_mapping_removed(struct memory *m, struct mapping *map);

/* cap(TASK|GUEST|DMA:CTRL) of the thread's task. SK_ECAP, SK_ETYPE, SK_ERIGHTS. */
must_check int space_lookup(struct thread *t, uint64_t cap, struct space **out);
/* Maps a page that the kernel owns into a space; m is embedded in the owner and unmapped. rights: RIGHT_R, RIGHT_W.
 * SK_ERANGE, SK_EEXIST, SK_EINVAL (not aligned), SK_ENOMEM. */
must_check int space_map_page(struct space *s, struct mapping *m, uint64_t va, void *page, uint32_t rights);
/* Maps memory as SYS_MAP does; charges the space's quota. SK_ERANGE, SK_EEXIST, SK_ENOMEM. The caller has checked
 * alignment, the memory's range and the rights. */
must_check int space_map_memory(struct space *s, struct memory *mem, uint64_t off, uint64_t size, uint64_t va,
                                uint32_t rights);
/* Undoes either kind; harmless if not mapped. */
void mapping_remove(struct mapping *m);
/* For the destroy operation of tasks, guests, DMA spaces: removes every mapping. */
void space_clear(struct space *s);
/* Is [va, va + size) free and inside the space? SK_ERANGE, SK_EEXIST. */
must_check int space_check_free(const struct space *s, uint64_t va, uint64_t size);

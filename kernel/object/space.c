// SPDX-License-Identifier: MIT
// Address spaces: the ordered set of mappings and its page table (kernel/memory.h).
#include <kernel/log.h>
#include <kernel/memory.h>
#include <kernel/sys.h>

static struct mapping *mapping_of(struct tree_node *n)
{
    return n != NULL ? container_of(n, struct mapping, node) : NULL;
}

/* The first mapping that ends behind va. */
static struct mapping *space_find(const struct space *s, uint64_t va)
{
    struct tree_node *n = tree_floor(&s->mappings, va);

    if (n == NULL) {
        return mapping_of(tree_first(&s->mappings));
    }
    return va - n->key < mapping_of(n)->size ? mapping_of(n) : mapping_of(tree_next(n));
}

int space_check_free(const struct space *s, uint64_t va, uint64_t size)
{
    if (va < s->start || !range_ok(va, size, s->end)) {
        return SK_ERANGE;
    }
    const struct mapping *m = space_find(s, va);
    return m == NULL || m->node.key >= va + size ? SK_OK : SK_EEXIST;
}

static void mapping_insert(struct space *s, struct mapping *m, uint64_t va, uint64_t size, struct memory *mem)
{
    m->space = s;
    m->size = size;
    m->mem = mem;
    list_init(&m->mem_node);
    tree_insert(&s->mappings, &m->node, va);
    if (mem != NULL) {
        memory_mapping_added(mem, m);
    }
}

int space_map_page(struct space *s, struct mapping *m, uint64_t va, void *page, uint32_t rights)
{
    if (!is_aligned(va, PAGE_SIZE)) {
        return SK_EINVAL;
    }
    int err = space_check_free(s, va, PAGE_SIZE);
    if (err == SK_OK) {
        err = pt_map(s->pt, va, virt_to_phys(page), PAGE_SIZE, rights);
    }
    if (err == SK_OK) {
        mapping_insert(s, m, va, PAGE_SIZE, NULL);
    }
    return err;
}

int space_map_memory(struct space *s, struct memory *mem, uint64_t off, uint64_t size, uint64_t va, uint32_t rights)
{
    uint32_t attr = rights | ((mem->flags & MEM_DEVICE) != 0 ? PT_DEVICE : 0);

    int err = space_check_free(s, va, size);
    if (err != SK_OK) {
        return err;
    }
    struct mapping *m = quota_alloc(s->obj.quota, sizeof(*m));
    if (m == NULL) {
        return SK_ENOMEM;
    }
    err = s->pt != NULL ? pt_map(s->pt, va, (paddr_t){mem->base.v + off}, size, attr) : SK_OK;
    if (err != SK_OK) {
        quota_free(s->obj.quota, m, sizeof(*m));
        return err;
    }
    mapping_insert(s, m, va, size, mem);
    return SK_OK;
}

void mapping_remove(struct mapping *m)
{
    struct space *s = m->space;
    struct memory *mem = m->mem;

    if (s == NULL) {
        return;
    }
    if (s->pt != NULL) {
        pt_unmap(s->pt, m->node.key, m->size);
    }
    if (s->tlb_generation != NULL) {
        ++*s->tlb_generation;
    }
    tree_remove(&s->mappings, &m->node);
    m->space = NULL;
    if (mem != NULL) {
        memory_mapping_removed(mem, m);
        quota_free(s->obj.quota, m, sizeof(*m));
    }
}

void space_clear(struct space *s)
{
    struct tree_node *n;

    while ((n = tree_first(&s->mappings)) != NULL) {
        mapping_remove(mapping_of(n));
    }
}

int space_lookup(struct thread *t, uint64_t cap, struct space **out)
{
    struct object *o;
    int err = cap_lookup(t, cap, OBJ_NONE, 0, &o);

    if (err != SK_OK) {
        return err;
    }
    if (o->type != OBJ_TASK && o->type != OBJ_GUEST && o->type != OBJ_DMA) {
        return SK_ETYPE;
    }
    *out = space_of(o);
    return cap_lookup(t, cap, OBJ_NONE, RIGHT_CTRL, &o);
}

/* May [va, va + size) be unmapped: does no mapping stick out of it, and is none the kernel's own? */
static int unmap_check(const struct space *s, uint64_t va, uint64_t size)
{
    const struct mapping *m = space_find(s, va);

    if (m == NULL || m->node.key >= va + size) {
        return SK_ENOENT;
    }
    for (; m != NULL && m->node.key < va + size; m = mapping_of(tree_next(&m->node))) {
        if (m->mem == NULL || m->node.key < va || m->node.key + m->size > va + size) {
            return SK_EINVAL;
        }
    }
    return SK_OK;
}

int64_t sys_unmap(struct thread *t, const struct sys_args *args)
{
    uint64_t va = args->a[1], size = args->a[2];
    struct space *s;
    int err = space_lookup(t, args->a[0], &s);

    if (err != SK_OK) {
        return err;
    }
    if (size == 0 || !is_aligned(va | size, PAGE_SIZE) || va + size < va) {
        return SK_EINVAL;
    }
    err = unmap_check(s, va, size);
    if (err != SK_OK) {
        return err;
    }
    for (struct mapping *m = space_find(s, va); m != NULL && m->node.key < va + size; m = space_find(s, va)) {
        mapping_remove(m);
    }
    return SK_OK;
}

// SPDX-License-Identifier: MIT
/* Memory objects: derivation tree, revocation (kernel/memory.h).
 *
 * An object without capabilities stays as long as something uses it: a mapping or a child. A destroyed one stays in the
 * tree as long as an identity DMA space maps it, so that its ancestors cannot be revoked under the device. */
#include <kernel/log.h>
#include <kernel/memory.h>
#include <kernel/sys.h>

#define MEMORY_RIGHTS (RIGHT_R | RIGHT_W | RIGHT_X)

static void memory_unused(struct object *o)
{
    const struct memory *m = memory_of(o);

    if (o->caps == 0 && list_empty(&m->children) && list_empty(&m->mappings)) {
        object_kill(o);
    }
}

void memory_mapping_added(struct memory *m, struct mapping *map)
{
    list_push_back(&m->mappings, &map->mem_node);
    m->mapping_count++;
    object_get(&m->obj);
}

void memory_mapping_removed(struct memory *m, struct mapping *map)
{
    list_remove(&map->mem_node);
    m->mapping_count--;
    memory_unused(&m->obj);
    object_put(&m->obj);
}

/* Removes the mappings that the kernel can take back. */
static void memory_unmap(struct memory *m)
{
    list_for_each_safe(node, &m->mappings)
    {
        struct mapping *map = list_entry(node, struct mapping, mem_node);

        if (map->space->pt != NULL) {
            mapping_remove(map);
        }
    }
}

static void memory_kill_children(struct memory *m)
{
    list_for_each(node, &m->children)
    {
        object_kill(&list_entry(node, struct memory, sibling)->obj);
    }
}

static void memory_destroy(struct object *o)
{
    memory_kill_children(memory_of(o));
    memory_unmap(memory_of(o));
}

static void memory_release(struct object *o)
{
    struct memory *m = memory_of(o);

    if (m->parent != NULL) {
        list_remove(&m->sibling);
        memory_unused(&m->parent->obj);
        object_put(&m->parent->obj);
    }
    quota_free(o->quota, m, sizeof(*m));
}

static const struct object_ops memory_ops = {
    .name = "memory", .unused = memory_unused, .destroy = memory_destroy, .free = memory_release};

static void memory_setup(struct memory *m, struct quota *q, struct memory *parent, paddr_t base, uint64_t size,
                         uint32_t flags)
{
    object_init(&m->obj, &memory_ops, OBJ_MEMORY, q);
    m->base = base;
    m->size = size;
    m->flags = flags;
    m->parent = parent;
    list_init(&m->sibling);
    list_init(&m->children);
    list_init(&m->mappings);
    if (parent != NULL) {
        list_push_back(&parent->children, &m->sibling);
        object_get(&parent->obj);
    }
}

struct memory *memory_create_root(struct quota *q, paddr_t base, uint64_t size, uint32_t flags)
{
    struct memory *m = quota_alloc(q, sizeof(*m));

    if (m != NULL) {
        memory_setup(m, q, NULL, base, size, flags);
    }
    return m;
}

/* The next object in pre-order of the tree below root; NULL behind the last. */
static const struct memory *memory_tree_next(const struct memory *m, const struct memory *root)
{
    if (!list_empty(&m->children)) {
        return list_first(&m->children, struct memory, sibling);
    }
    for (; m != root; m = m->parent) {
        if (m->sibling.next != &m->parent->children) {
            return list_entry(m->sibling.next, struct memory, sibling);
        }
    }
    return NULL;
}

static bool memory_is_pinned(const struct memory *m)
{
    list_for_each(node, &m->mappings)
    {
        if (list_entry(node, struct mapping, mem_node)->space->pt == NULL) {
            return true;
        }
    }
    return false;
}

int memory_check_revocable(const struct memory *root)
{
    for (const struct memory *m = root; m != NULL; m = memory_tree_next(m, root)) {
        if (memory_is_pinned(m)) {
            return SK_EBUSY;
        }
    }
    return SK_OK;
}

static int memory_check_range(const struct memory *m, uint64_t off, uint64_t size)
{
    if (size == 0 || !is_aligned(off | size, PAGE_SIZE)) {
        return SK_EINVAL;
    }
    if (!range_ok(off, size, m->size)) {
        return SK_ERANGE;
    }
    if ((m->flags & MEM_DEVICE) != 0 && phys_reserved((paddr_t){m->base.v + off}, size)) {
        return SK_EPERM;
    }
    return SK_OK;
}

/* Looks a memory capability up and checks a range of it. */
static int memory_lookup_range(struct thread *t, uint64_t cap, uint64_t off, uint64_t size, struct memory **out,
                               uint32_t *rights)
{
    struct object *o;
    int err = cap_lookup(t, cap, OBJ_MEMORY, 0, &o);

    if (err != SK_OK) {
        return err;
    }
    *out = memory_of(o);
    *rights = captable_slot(t->task->caps, cap)->rights & MEMORY_RIGHTS;
    return memory_check_range(*out, off, size);
}

int64_t sys_mem_derive(struct thread *t, const struct sys_args *args)
{
    uint64_t off = args->a[2], size = args->a[3];
    struct memory *parent;
    uint32_t rights;
    struct create c;

    if (args->a[4] > RIGHT_ALL) {
        return SK_EINVAL;
    }
    int err = memory_lookup_range(t, args->a[1], off, size, &parent, &rights);
    if (err == SK_OK) {
        err = create_begin(&c, t, args->a[0], sizeof(struct memory));
    }
    if (err != SK_OK) {
        return err;
    }
    struct memory *m = c.mem;
    memory_setup(m, c.quota, parent, (paddr_t){parent->base.v + off}, size, parent->flags);
    return create_commit(&c, &m->obj, (rights & (uint32_t)args->a[4]) | RIGHT_CTRL);
}

int64_t sys_mem_revoke(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_MEMORY, RIGHT_CTRL, &o);

    if (err == SK_OK) {
        err = memory_check_revocable(memory_of(o));
    }
    if (err == SK_OK) {
        memory_kill_children(memory_of(o));
        memory_unmap(memory_of(o));
    }
    return err;
}

int64_t sys_mem_info(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_MEMORY, 0, &o);

    if (err != SK_OK) {
        return err;
    }
    t->ctx.regs.rdx = memory_of(o)->flags;
    return (int64_t)memory_of(o)->size;
}

/* Rights of a mapping must be asked for sensibly, and covered by the capability. */
static int map_check_rights(const struct space *s, uint64_t wanted, uint32_t rights)
{
    bool sensible = (wanted & ~(uint64_t)s->rights_mask) == 0 && (wanted & RIGHT_R) != 0 &&
                    !(s->wx_exclusive && (wanted & RIGHT_W) != 0 && (wanted & RIGHT_X) != 0);

    if (!sensible) {
        return SK_EINVAL;
    }
    return (wanted & ~(uint64_t)rights) == 0 ? SK_OK : SK_ERIGHTS;
}

/* Without an IOMMU the address is not the caller's to choose. */
static int map_identity_address(const struct memory *m, uint64_t off, uint64_t *va)
{
    uint64_t pa = m->base.v + off;

    if (*va != MAP_ANY && *va != pa) {
        return SK_ERANGE;
    }
    *va = pa;
    return SK_OK;
}

static int map_check_address(const struct space *s, const struct memory *m, uint64_t off, uint64_t *va)
{
    if (s->pt == NULL) {
        return map_identity_address(m, off, va);
    }
    return is_aligned(*va, PAGE_SIZE) ? SK_OK : SK_EINVAL;
}

int64_t sys_map(struct thread *t, const struct sys_args *args)
{
    uint64_t off = args->a[2], size = args->a[3], va = args->a[4];
    struct memory *mem;
    struct space *s;
    uint32_t rights;

    int err = space_lookup(t, args->a[0], &s);
    if (err == SK_OK) {
        err = memory_lookup_range(t, args->a[1], off, size, &mem, &rights);
    }
    if (err == SK_OK) {
        err = map_check_rights(s, args->a[5], rights);
    }
    if (err == SK_OK) {
        err = map_check_address(s, mem, off, &va);
    }
    if (err == SK_OK) {
        err = space_map_memory(s, mem, off, size, va, (uint32_t)args->a[5]);
    }
    if (err == SK_OK || err == SK_EEXIST) { /* in a DMA space the caller may be asking for what it has already */
        t->ctx.regs.rdx = va;
    }
    return err;
}

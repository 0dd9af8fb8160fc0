// SPDX-License-Identifier: MIT
/* Quotas and their slabs (kernel/quota.h).
 *
 * A slab page: struct slab, then blocks of one size. Free blocks are chained through their first word. A page with free
 * blocks is in quota->partial[class]; an empty page goes back at once, so that `used` is exact. */
#include <kernel/arch.h>
#include <kernel/log.h>
#include <kernel/quota.h>
#include <kernel/sys.h>

struct slab {
    struct list node;
    void *free;
    uint32_t used;
    uint32_t class;
    uint64_t _pad[4];
};
#define SLAB_ROOM (PAGE_SIZE - sizeof(struct slab))
_Static_assert(sizeof(struct slab) == 64, "blocks keep cache-line alignment");

static const uint16_t slab_size[] = {64, 96, 128, 192, 256, 336, 576, 1008, 2016};
_Static_assert(ARRAY_SIZE(slab_size) == QUOTA_CLASSES, "one list per class");

static struct quota quota_top; /* the root */

static unsigned slab_class(size_t size)
{
    unsigned c = 0;

    while (c < QUOTA_CLASSES && slab_size[c] < size) {
        c++;
    }
    return c;
}

static int quota_charge(struct quota *q, uint64_t bytes)
{
    if (q->limit - q->used < bytes) {
        return SK_ENOMEM;
    }
    q->used += bytes;
    return SK_OK;
}

/* What a dead quota gets back belongs to its parent. */
static void quota_uncharge(struct quota *q, uint64_t bytes)
{
    for (; q != NULL; q = q->obj.quota) {
        assert(q->used >= bytes);
        q->used -= bytes;
        if (q->obj.state != OBJECT_DEAD) {
            return;
        }
        q->limit -= bytes;
    }
}

void *quota_page_alloc(struct quota *q)
{
    if (quota_charge(q, PAGE_SIZE) != SK_OK) {
        return NULL;
    }
    void *page = kpage_alloc();
    if (page == NULL) {
        quota_uncharge(q, PAGE_SIZE);
    }
    return page;
}

void quota_page_free(struct quota *q, void *page)
{
    kpage_free(page);
    quota_uncharge(q, PAGE_SIZE);
}

static struct slab *slab_create(struct quota *q, unsigned class)
{
    struct slab *s = quota_page_alloc(q);

    if (s == NULL) {
        return NULL;
    }
    s->class = class;
    for (size_t off = 0; off + slab_size[class] <= SLAB_ROOM; off += slab_size[class]) {
        void **block = (void **)((char *)(s + 1) + off);

        *block = s->free;
        s->free = block;
    }
    list_push_front(&q->partial[class], &s->node);
    return s;
}

void *quota_alloc(struct quota *q, size_t size)
{
    unsigned class = slab_class(size);

    if (class == QUOTA_CLASSES) {
        return size <= PAGE_SIZE ? quota_page_alloc(q) : NULL;
    }
    struct slab *s =
        list_empty(&q->partial[class]) ? slab_create(q, class) : list_first(&q->partial[class], struct slab, node);
    if (s == NULL) {
        return NULL;
    }
    void **block = s->free;
    s->free = *block;
    s->used++;
    if (s->free == NULL) {
        list_remove(&s->node);
    }
    __builtin_memset(block, 0, slab_size[class]);
    return block;
}

void quota_free(struct quota *q, void *block, size_t size)
{
    if (slab_class(size) == QUOTA_CLASSES) {
        quota_page_free(q, block);
        return;
    }
    struct slab *s = (struct slab *)((uintptr_t)block & ~(PAGE_SIZE - 1));

    if (s->free == NULL) {
        list_push_front(&q->partial[s->class], &s->node);
    }
    *(void **)block = s->free;
    s->free = block;
    if (--s->used == 0) {
        list_remove(&s->node);
        quota_page_free(q, s);
    }
}

/* Destroys all that it paid for and returns what is not in use any more. */
static void quota_destroy(struct object *o)
{
    struct quota *q = quota_of(o);

    while (!list_empty(&q->objects)) {
        object_kill(list_first(&q->objects, struct object, quota_node));
    }
    uint64_t rest = q->limit - q->used;

    q->limit = q->used;
    if (o->quota != NULL) {
        quota_uncharge(o->quota, rest);
    }
}

static void quota_release(struct object *o)
{
    if (o->quota != NULL) {
        quota_free(o->quota, quota_of(o), sizeof(struct quota));
    }
}

static const struct object_ops quota_ops = {.name = "quota", .destroy = quota_destroy, .free = quota_release};

static void quota_setup(struct quota *q, struct quota *parent, uint64_t bytes, uint8_t max_priority,
                        uint64_t cpus)
{
    object_init(&q->obj, &quota_ops, OBJ_QUOTA, parent);
    q->limit = bytes;
    q->cpus = cpus;
    q->max_priority = max_priority;
    list_init(&q->objects);
    for (unsigned i = 0; i < QUOTA_CLASSES; i++) {
        list_init(&q->partial[i]);
    }
}

struct quota *quota_create_root(uint64_t bytes, uint8_t max_priority)
{
    __builtin_memset(&quota_top, 0, sizeof(quota_top));
    quota_setup(&quota_top, NULL, align_down(bytes, PAGE_SIZE), max_priority, UINT64_MAX >> (64 - cpu_count()));
    return &quota_top;
}

struct quota *quota_root(void)
{
    return quota_top.obj.ops != NULL ? &quota_top : NULL;
}

int64_t sys_quota_create(struct thread *t, const struct sys_args *args)
{
    uint64_t bytes = args->a[1], priority = args->a[2];
    struct create c;
    int err = create_begin(&c, t, args->a[0], sizeof(struct quota));

    if (err != SK_OK) {
        return err;
    }
    uint64_t cpus = args->a[3] != 0 ? args->a[3] & c.quota->cpus : c.quota->cpus;
    if (bytes == 0 || bytes > UINT64_MAX - PAGE_SIZE || priority > UINT8_MAX) {
        err = SK_EINVAL;
    } else if (priority > c.quota->max_priority || cpus == 0) {
        err = SK_EPERM;
    } else {
        bytes = align_up(bytes, PAGE_SIZE);
        err = quota_charge(c.quota, bytes);
    }
    if (err != SK_OK) {
        create_abort(&c);
        return err;
    }
    struct quota *q = c.mem;
    quota_setup(q, c.quota, bytes, (uint8_t)priority, cpus);
    return create_commit(&c, &q->obj, RIGHT_ALL);
}

int64_t sys_quota_info(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_QUOTA, 0, &o);

    if (err != SK_OK) {
        return err;
    }
    t->utcb->mr[0] = quota_of(o)->cpus;
    t->ctx.regs.rdx = quota_of(o)->used;
    return (int64_t)quota_of(o)->limit;
}

// SPDX-License-Identifier: MIT
// Life and death of objects (kernel/object.h) and the calls that work on capabilities of any type.
#include <kernel/log.h>
#include <kernel/memory.h>
#include <kernel/sys.h>

static struct list object_dying = {&object_dying, &object_dying};
static struct list object_unreferenced = {&object_unreferenced, &object_unreferenced};
static uint64_t object_last_id;

void object_init(struct object *o, const struct object_ops *ops, enum obj_type type, struct quota *quota)
{
    o->ops = ops;
    o->type = (uint8_t)type;
    o->state = OBJECT_ALIVE;
    o->refs = 1;
    o->id = ++object_last_id;
    o->quota = quota;
    list_init(&o->quota_node);
    list_init(&o->slots);
    if (quota != NULL) {
        object_get(&quota->obj);
        list_push_back(&quota->objects, &o->quota_node);
    }
}

void object_discard(struct object *o)
{
    list_remove(&o->quota_node);
    object_put(&o->quota->obj);
}

void object_kill(struct object *o)
{
    if (object_alive(o)) {
        o->state = OBJECT_DYING;
        list_remove(&o->quota_node);
        list_push_back(&object_dying, &o->quota_node);
    }
}

void object_put(struct object *o)
{
    assert(o->refs > 0);
    if (--o->refs == 0) {
        list_push_back(&object_unreferenced, &o->quota_node);
    }
}

static void object_destroy(struct object *o)
{
    while (!list_empty(&o->slots)) {
        cap_slot_void(list_first(&o->slots, struct cap_slot, node));
    }
    o->state = OBJECT_DEAD;
    if (o->ops->destroy != NULL) {
        o->ops->destroy(o);
    }
    object_put(o);
}

static void object_free(struct object *o)
{
    struct quota *quota = o->quota;

    o->ops->free(o);
    if (quota != NULL) {
        object_put(&quota->obj);
    }
}

void object_reap(void)
{
    for (;;) {
        if (!list_empty(&object_dying)) {
            struct object *o = list_first(&object_dying, struct object, quota_node);

            list_remove(&o->quota_node);
            object_destroy(o);
        } else if (!list_empty(&object_unreferenced)) {
            struct object *o = list_first(&object_unreferenced, struct object, quota_node);

            list_remove(&o->quota_node);
            object_free(o);
        } else {
            return;
        }
    }
}

int create_begin(struct create *c, struct thread *t, uint64_t quota_cap, size_t size)
{
    struct object *q;
    int err = cap_lookup(t, quota_cap, OBJ_QUOTA, RIGHT_CTRL, &q);

    if (err != SK_OK) {
        return err;
    }
    *c = (struct create){.thread = t, .quota = quota_of(q), .size = size};
    err = captable_reserve(t->task->caps, 1, &c->slot);
    if (err != SK_OK) {
        return err;
    }
    c->mem = quota_alloc(c->quota, size);
    return c->mem != NULL ? SK_OK : SK_ENOMEM;
}

void create_abort(struct create *c)
{
    quota_free(c->quota, c->mem, c->size);
}

int64_t create_commit(struct create *c, struct object *o, uint32_t rights)
{
    captable_fill(c->thread->task->caps, c->slot, o, rights);
    return c->slot;
}

int64_t sys_cap_drop(struct thread *t, const struct sys_args *args)
{
    return captable_drop(t->task->caps, args->a[0]);
}

int64_t sys_cap_copy(struct thread *t, const struct sys_args *args)
{
    struct cap_slot *s = captable_slot(t->task->caps, args->a[0]);
    cap_t slot;

    if (s == NULL) {
        return SK_ECAP;
    }
    if (args->a[1] > RIGHT_ALL) {
        return SK_EINVAL;
    }
    int err = captable_reserve(t->task->caps, 1, &slot);
    if (err != SK_OK) {
        return err;
    }
    captable_fill(t->task->caps, slot, s->obj, s->rights & (uint32_t)args->a[1]);
    return slot;
}

int64_t sys_cap_info(struct thread *t, const struct sys_args *args)
{
    struct cap_slot *s = captable_slot(t->task->caps, args->a[0]);

    if (s == NULL) {
        return SK_ECAP;
    }
    struct object *o = s->obj;
    t->utcb->mr[0] = o->caps;
    t->utcb->mr[1] = o->type == OBJ_MEMORY ? memory_use_count(memory_of(o)) : o->refs - 1;
    t->ctx.regs.rdx = o->id;
    return o->type | (int64_t)s->rights << 8;
}

int64_t sys_obj_destroy(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_NONE, RIGHT_CTRL, &o);

    if (err == SK_OK && o->permanent) {
        err = SK_EPERM;
    }
    if (err == SK_OK && o->type == OBJ_MEMORY) {
        err = memory_check_revocable(memory_of(o));
    }
    if (err == SK_OK) {
        object_kill(o);
    }
    return err;
}

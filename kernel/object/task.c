// SPDX-License-Identifier: MIT
/* Tasks: an address space and a capability table. A task that dies kills its threads and empties its table; its page
 * table goes when the last thread has let go of it. */
#include <kernel/boot.h>
#include <kernel/log.h>
#include <kernel/sys.h>

static void *task_table_alloc(struct page_table *pt)
{
    return quota_page_alloc(container_of(pt, struct task, pt)->space.obj.quota);
}

static void task_table_free(struct page_table *pt, void *page)
{
    quota_page_free(container_of(pt, struct task, pt)->space.obj.quota, page);
}

static void task_destroy(struct object *o)
{
    struct task *task = task_of(o);

    list_for_each(node, &task->threads)
    {
        object_kill(&list_entry(node, struct thread, task_node)->obj);
    }
    captable_destroy(task->caps);
    task->caps = NULL;
}

static void task_free(struct object *o)
{
    struct task *task = task_of(o);

    space_clear(&task->space);
    pt_destroy(&task->pt);
    quota_free(o->quota, task, sizeof(*task));
}

static const struct object_ops task_ops = {.name = "task", .destroy = task_destroy, .free = task_free};

/* Page table, capability table, kinfo page. */
static int task_setup(struct task *task, struct quota *q)
{
    object_init(&task->space.obj, &task_ops, OBJ_TASK, q);
    task->space.pt = &task->pt;
    task->space.start = PAGE_SIZE;
    task->space.end = USER_END;
    task->space.rights_mask = RIGHT_R | RIGHT_W | RIGHT_X;
    task->space.wx_exclusive = true;
    list_init(&task->threads);
    task->pt.alloc = task_table_alloc;
    task->pt.free = task_table_free;
    int err = pt_init(&task->pt, &pt_task_format);
    if (err != SK_OK) {
        return err;
    }
    err = space_map_page(&task->space, &task->kinfo, KINFO_VA, kinfo_page(), RIGHT_R);
    if (err == SK_OK) {
        task->caps = captable_create(q);
        err = task->caps != NULL ? SK_OK : SK_ENOMEM;
    }
    if (err != SK_OK) {
        space_clear(&task->space);
        pt_destroy(&task->pt);
    }
    return err;
}

struct task *task_create(struct quota *q)
{
    struct task *task = quota_alloc(q, sizeof(*task));

    if (task == NULL) {
        return NULL;
    }
    if (task_setup(task, q) != SK_OK) {
        object_discard(&task->space.obj);
        quota_free(q, task, sizeof(*task));
        return NULL;
    }
    return task;
}

int64_t sys_task_create(struct thread *t, const struct sys_args *args)
{
    struct object *q;
    cap_t slot;
    int err = cap_lookup(t, args->a[0], OBJ_QUOTA, RIGHT_CTRL, &q);

    if (err == SK_OK) {
        err = captable_reserve(t->task->caps, 1, &slot);
    }
    if (err != SK_OK) {
        return err;
    }
    struct task *task = task_create(quota_of(q));
    if (task == NULL) {
        return SK_ENOMEM;
    }
    captable_fill(t->task->caps, slot, &task->space.obj, RIGHT_ALL);
    return slot;
}

/* Slot 0 means: the lowest free one. */
static int grant_reserve(struct captable *table, uint64_t wanted, cap_t *slot)
{
    if (wanted == CAP_NULL) {
        return captable_reserve(table, 1, slot);
    }
    *slot = (cap_t)wanted;
    return captable_reserve_at(table, wanted);
}

int64_t sys_task_grant(struct thread *t, const struct sys_args *args)
{
    struct object *task, *o;
    cap_t slot;
    int err = cap_lookup(t, args->a[0], OBJ_TASK, RIGHT_CTRL, &task);

    if (err == SK_OK) {
        err = cap_lookup(t, args->a[1], OBJ_NONE, 0, &o);
    }
    if (err == SK_OK && args->a[2] > RIGHT_ALL) {
        err = SK_EINVAL;
    }
    if (err == SK_OK) {
        err = grant_reserve(task_of(task)->caps, args->a[3], &slot);
    }
    if (err != SK_OK) {
        return err;
    }
    uint32_t rights = captable_slot(t->task->caps, args->a[1])->rights & (uint32_t)args->a[2];

    captable_fill(task_of(task)->caps, slot, o, rights);
    return slot;
}

// SPDX-License-Identifier: MIT
// Guest spaces: guest-physical memory, port doorbells, and the vcpus that run in them.
#include <kernel/guest.h>
#include <kernel/sys.h>

#define NESTED_PT_LIMIT (1ull << 48) /* four levels */

static struct quota *table_quota(struct page_table *pt)
{
    return container_of(pt, struct guest, arch.pt)->space.obj.quota;
}

static void *guest_table_alloc(struct page_table *pt)
{
    return quota_page_alloc(table_quota(pt));
}

static void guest_table_free(struct page_table *pt, void *page)
{
    quota_page_free(table_quota(pt), page);
}

static void doorbell_drop(struct guest *g, struct doorbell *d)
{
    struct object *signal = d->owner;

    doorbell_remove(&g->arch.doorbells, d);
    object_put(signal);
}

static void guest_destroy(struct object *o)
{
    struct guest *g = guest_of(o);

    list_for_each(node, &g->vcpus) {
        object_kill(&list_entry(node, struct vcpu, guest_node)->obj);
    }
    while (g->arch.doorbells.count) {
        doorbell_drop(g, &g->arch.doorbells.entry[g->arch.doorbells.count - 1]);
    }
}

static void guest_free(struct object *o)
{
    struct guest *g = guest_of(o);

    space_clear(&g->space);
    pt_destroy(&g->arch.pt);
    quota_free(o->quota, g, sizeof(*g));
}

static const struct object_ops guest_ops = { .name = "guest", .destroy = guest_destroy, .free = guest_free };

int64_t sys_guest_create(struct thread *t, const struct sys_args *args)
{
    const struct vm_ops *vm = vm_ops_get(NULL);
    struct create c;
    int err = create_begin(&c, t, args->a[0], sizeof(struct guest));

    if (err != SK_OK) {
        return err;
    }
    struct guest *g = c.mem;
    g->space.obj.quota = c.quota; /* pays for the page table's root */
    g->arch.pt.alloc = guest_table_alloc;
    g->arch.pt.free = guest_table_free;
    err = vm ? pt_init(&g->arch.pt, vm->pt_format) : SK_ENODEV;
    if (err != SK_OK) {
        create_abort(&c);
        return err;
    }
    object_init(&g->space.obj, &guest_ops, OBJ_GUEST, c.quota);
    g->space.pt = &g->arch.pt;
    g->space.end = phys_limit() < NESTED_PT_LIMIT ? phys_limit() : NESTED_PT_LIMIT;
    g->space.rights_mask = RIGHT_R | RIGHT_W | RIGHT_X;
    g->space.tlb_generation = &g->arch.tlb_generation;
    list_init(&g->vcpus);
    return create_commit(&c, &g->space.obj, RIGHT_ALL);
}

/* An entry whose signal is dead is as good as free. */
static int64_t doorbell_bind(struct guest *g, struct doorbell *d, struct signal *s)
{
    struct doorbell *old = doorbell_get(&g->arch.doorbells, d->port, d->value, d->any);

    if (old && !object_alive(old->owner)) {
        doorbell_drop(g, old);
    }
    d->target = &s->doorbell;
    d->owner = &s->obj;
    int err = doorbell_add(&g->arch.doorbells, d);
    if (err == SK_OK) {
        object_get(&s->obj);
    }
    return err;
}

static int64_t doorbell_unbind(struct guest *g, const struct doorbell *d)
{
    struct doorbell *old = doorbell_get(&g->arch.doorbells, d->port, d->value, d->any);

    if (!old) {
        return SK_ENOENT;
    }
    doorbell_drop(g, old);
    return SK_OK;
}

int64_t sys_doorbell_bind(struct thread *t, const struct sys_args *args)
{
    uint64_t port = args->a[1], value = args->a[2];
    struct object *guest, *signal;
    int err = cap_lookup(t, args->a[0], OBJ_GUEST, RIGHT_BIND, &guest);

    if (err != SK_OK) {
        return err;
    }
    if (port > UINT16_MAX || (value > UINT32_MAX && value != DOORBELL_ANY)) {
        return SK_EINVAL;
    }
    struct doorbell d = { .port = (uint16_t)port, .any = value == DOORBELL_ANY, .value = (uint32_t)value };
    if (args->a[3] == CAP_NULL) {
        return doorbell_unbind(guest_of(guest), &d);
    }
    err = cap_lookup(t, args->a[3], OBJ_SIGNAL, RIGHT_CALL, &signal);
    return err == SK_OK ? doorbell_bind(guest_of(guest), &d, signal_of(signal)) : err;
}

// SPDX-License-Identifier: MIT
// Ranges of x86 I/O ports. Ports that the kernel drives itself are refused at each access.
#include <kernel/boot.h>
#include <kernel/sys.h>

struct ioport {
    struct object obj;
    uint32_t first, count;
};

static struct ioport *ioport_of(struct object *o)
{
    return container_of(o, struct ioport, obj);
}

static void ioport_free(struct object *o)
{
    quota_free(o->quota, ioport_of(o), sizeof(struct ioport));
}

static const struct object_ops ioport_ops = {.name = "ioport", .free = ioport_free};

static struct object *ioport_setup(struct ioport *p, struct quota *q, uint32_t first, uint32_t count)
{
    object_init(&p->obj, &ioport_ops, OBJ_IOPORT, q);
    p->first = first;
    p->count = count;
    return &p->obj;
}

struct object *ioport_create_root(struct quota *q)
{
    struct ioport *p = quota_alloc(q, sizeof(*p));

    return p != NULL ? ioport_setup(p, q, 0, 0x10000) : NULL;
}

static int ioport_lookup(struct thread *t, uint64_t cap, uint32_t rights, uint64_t first, uint64_t count,
                         struct ioport **out)
{
    struct object *o;
    int err = cap_lookup(t, cap, OBJ_IOPORT, rights, &o);

    if (err != SK_OK) {
        return err;
    }
    *out = ioport_of(o);
    return first >= (*out)->first && range_ok(first - (*out)->first, count, (*out)->count) ? SK_OK : SK_ERANGE;
}

int64_t sys_port_derive(struct thread *t, const struct sys_args *args)
{
    uint64_t first = args->a[2], count = args->a[3];
    struct ioport *parent;
    struct create c;

    if (count == 0) {
        return SK_EINVAL;
    }
    int err = ioport_lookup(t, args->a[1], 0, first, count, &parent);
    if (err == SK_OK) {
        err = create_begin(&c, t, args->a[0], sizeof(struct ioport));
    }
    if (err != SK_OK) {
        return err;
    }
    uint32_t rights = captable_slot(t->task->caps, args->a[1])->rights & (RIGHT_R | RIGHT_W);

    return create_commit(&c, ioport_setup(c.mem, c.quota, (uint32_t)first, (uint32_t)count), rights | RIGHT_CTRL);
}

static int port_access_check(struct thread *t, const struct sys_args *args, uint32_t right)
{
    uint64_t port = args->a[1], width = args->a[2];
    struct ioport *p;

    if (width != 1 && width != 2 && width != 4) {
        return SK_EINVAL;
    }
    int err = ioport_lookup(t, args->a[0], right, port, width, &p);
    if (err == SK_OK && port_reserved((uint16_t)port, (unsigned)width)) {
        err = SK_EPERM;
    }
    return err;
}

int64_t sys_port_in(struct thread *t, const struct sys_args *args)
{
    int err = port_access_check(t, args, RIGHT_R);

    if (err == SK_OK) {
        t->ctx.regs.rdx = port_in((uint16_t)args->a[1], (unsigned)args->a[2]);
    }
    return err;
}

int64_t sys_port_out(struct thread *t, const struct sys_args *args)
{
    int err = port_access_check(t, args, RIGHT_W);

    if (err == SK_OK) {
        port_out((uint16_t)args->a[1], (unsigned)args->a[2], (uint32_t)args->a[3]);
    }
    return err;
}

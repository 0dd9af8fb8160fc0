// SPDX-License-Identifier: MIT
// The machine as a whole: reset and counters.
#include <kernel/boot.h>
#include <kernel/core.h>
#include <kernel/sys.h>

struct machine_stat core_stat;

static void machine_free(struct object *o)
{
    quota_free(o->quota, o, sizeof(*o));
}

static const struct object_ops machine_ops = {.name = "machine", .free = machine_free};

struct object *machine_create(struct quota *q)
{
    struct object *o = quota_alloc(q, sizeof(*o));

    if (o != NULL) {
        object_init(o, &machine_ops, OBJ_MACHINE, q);
    }
    return o;
}

int64_t sys_machine_reset(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_MACHINE, RIGHT_CTRL, &o);

    if (err != SK_OK) {
        return err;
    }
    machine_reset();
    return SK_EIO;
}

int64_t sys_machine_stat(struct thread *t, const struct sys_args *args)
{
    struct machine_stat *out = (struct machine_stat *)t->utcb->mr;
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_MACHINE, 0, &o);

    _Static_assert(sizeof(*out) <= UTCB_BYTES, "the counters fit the UTCB");
    if (err == SK_OK) {
        *out = core_stat;
        out->idle_ns = sched_idle_ns();
        out->now_ns = clock_now_ns();
        kpage_stat(&out->kmem_total, &out->kmem_used);
    }
    return err;
}

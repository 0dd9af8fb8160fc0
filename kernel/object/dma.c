// SPDX-License-Identifier: MIT
/* DMA spaces: what a device may reach. Without an IOMMU a device reaches everything, so a space only records what was
 * mapped (the address granted is the physical one) and keeps that memory from being revoked under the device. */
#include <kernel/boot.h>
#include <kernel/memory.h>
#include <kernel/sys.h>

struct dma_space {
    struct space space;
    uint32_t sbdf; /* PCI segment << 16 | bus/device/function */
};

static void dma_destroy(struct object *o)
{
    space_clear(space_of(o));
}

static void dma_free(struct object *o)
{
    quota_free(o->quota, o, sizeof(struct dma_space));
}

static const struct object_ops dma_ops = {.name = "dma", .destroy = dma_destroy, .free = dma_free};

int64_t sys_dma_create(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    struct create c;
    int err = cap_lookup(t, args->a[1], OBJ_DMACTL, RIGHT_CTRL, &o);

    if (err != SK_OK) {
        return err;
    }
    if (args->a[2] > UINT32_MAX) {
        return SK_EINVAL;
    }
    err = create_begin(&c, t, args->a[0], sizeof(struct dma_space));
    if (err != SK_OK) {
        return err;
    }
    struct dma_space *d = c.mem;
    object_init(&d->space.obj, &dma_ops, OBJ_DMA, c.quota);
    d->space.end = phys_limit();
    d->space.rights_mask = RIGHT_R | RIGHT_W;
    d->sbdf = (uint32_t)args->a[2];
    return create_commit(&c, &d->space.obj, RIGHT_ALL);
}

int64_t sys_dmactl_info(struct thread *t, const struct sys_args *args)
{
    struct object *o;
    int err = cap_lookup(t, args->a[0], OBJ_DMACTL, 0, &o);

    return err == SK_OK ? DMA_IDENTITY : err;
}

static void dmactl_free(struct object *o)
{
    quota_free(o->quota, o, sizeof(*o));
}

static const struct object_ops dmactl_ops = {.name = "dmactl", .free = dmactl_free};

struct object *dmactl_create(struct quota *q)
{
    struct object *o = quota_alloc(q, sizeof(*o));

    if (o != NULL) {
        object_init(o, &dmactl_ops, OBJ_DMACTL, q);
    }
    return o;
}

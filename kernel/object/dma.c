// SPDX-License-Identifier: MIT
/* DMA spaces: what a device may reach. Without an IOMMU a device reaches everything, so a space only records what was
 * mapped (the address granted is the physical one) and keeps that memory from being revoked under the device.
 *
 * Who destroys such a space, drops its last capability or unmaps from it says thereby that the device has stopped. A
 * space that dies with its quota says nothing: its owner came to its end without stopping the device. It then stays,
 * and what it maps is never given to anybody else until the machine is reset. */
#include <kernel/boot.h>
#include <kernel/log.h>
#include <kernel/memory.h>
#include <kernel/sys.h>

struct dma_space {
    struct space space;
    uint32_t sbdf; /* PCI segment << 16 | bus/device/function */
};

static struct dma_space *dma_space_of(struct object *o)
{
    return container_of(o, struct dma_space, space.obj);
}

static void dma_destroy(struct object *o)
{
    if (space_of(o)->pt == NULL && !object_alive(&o->quota->obj) && tree_first(&space_of(o)->mappings) != NULL) {
        uint32_t a = dma_space_of(o)->sbdf;

        kprintf("kernel: device %02x:%02x.%x may still do DMA, and who could stop it is gone: its memory stays reserved\n",
                a >> 8 & 0xff, a >> 3 & 0x1f, a & 7);
        object_get(o);
        return;
    }
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

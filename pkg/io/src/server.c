// SPDX-License-Identifier: MIT
// Serves virtual buses: see server.h and proto/vbus.h.
#include "server.h"
#include "log.h"

#include <proto/vbus.h>
#include <sk/env.h>
#include <sk/server.h>
#include <sk/sys.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

/* What the client has been given of a device. */
struct grant {
    cap_t dma;
    cap_t memory[PCI_BARS][PCI_PARTS_MAX];
};

/* The signal is kept so that its end can be seen: the client may have died without unbinding. A capability to a
 * destroyed object is void and its index may name another one, hence the object's id. */
struct msi {
    bool used;
    unsigned device, index;
    cap_t signal;
    uint64_t signal_id;
};

/* Kernel memory for the DMA spaces of one bus and for what its client maps there: some 600 mappings. Without a quota of
 * its own a client could use up io's. */
#define DMA_KERNEL_BYTES (64ull << 10)

struct session {
    struct vbus *bus;
    struct vbus_set *set;
    struct hw *hw;
    cap_t icu, iommu;
    cap_t quota; /* of the DMA spaces; CAP_NULL while there are none */
    struct server_source gate;
    struct grant *grant; /* one per device of the bus */
    struct msi *msi;     /* one per MSI of the bus */
};

/* The device that the request names; NULL: there is none. */
static struct pci_dev *get_device(struct session *s, struct msg *request, uint64_t *index)
{
    *index = msg_get(request);
    return *index < s->bus->count ? s->bus->slot[*index].dev : NULL;
}

static int64_t op_info(struct session *s, struct msg *request, struct msg *reply)
{
    int64_t err = msg_end(request);

    if (err < 0) {
        return err;
    }
    struct sys_result lines = sys_irq_info(s->icu);
    msg_begin(reply, SK_OK);
    msg_put(reply, s->bus->num_msis != 0 ? VBUS_FEATURE_MSI : 0);
    msg_put(reply, lines.value > 0 ? (uint64_t)lines.value : 0);
    msg_put(reply, s->bus->num_msis);
    msg_put(reply, s->bus->count);
    return SK_OK;
}

static void describe(const struct vbus_slot *slot, struct vbus_device *d)
{
    const struct pci_dev *dev = slot->dev;

    *d = (struct vbus_device){.segment = dev->addr.segment,
                              .bus = dev->addr.bus,
                              .devfn = dev->addr.devfn,
                              .vendor = dev->vendor,
                              .device = dev->device,
                              .subsystem_vendor = dev->subsystem_vendor,
                              .subsystem = dev->subsystem,
                              .class_code = dev->class_code,
                              .revision = dev->revision,
                              .msix_count = dev->msix.count,
                              .msi_count = (uint16_t)pci_msi_count(dev),
                              .intx_pin = dev->intx_pin};
    memcpy(d->name, slot->name, sizeof d->name);
    for (unsigned i = 0; i < PCI_BARS; i++) {
        d->bar_size[i] = dev->bar[i].size;
        d->bar_is_io[i] = dev->bar[i].is_io;
        d->bar_is_64[i] = dev->bar[i].is_64;
    }
}

static int64_t op_device(struct session *s, struct msg *request, struct msg *reply)
{
    uint64_t index;
    const struct pci_dev *dev = get_device(s, request, &index);
    int64_t err = msg_end(request);
    struct vbus_device d;

    if (err < 0 || dev == NULL) {
        return err < 0 ? err : SK_ENOENT;
    }
    describe(&s->bus->slot[index], &d);
    msg_begin(reply, SK_OK);
    msg_put_bytes(reply, &d, sizeof d);
    return SK_OK;
}

static int64_t op_cfg_read(struct session *s, struct msg *request, struct msg *reply)
{
    uint64_t index;
    struct pci_dev *dev = get_device(s, request, &index);
    uint64_t reg = msg_get(request), width = msg_get(request);
    int64_t err = msg_end(request);
    uint32_t value = 0;

    if (err < 0 || dev == NULL) {
        return err < 0 ? err : SK_ENOENT;
    }
    err = pci_client_read(s->set->pci, dev, reg, width, &value);
    if (err == SK_OK) {
        msg_begin(reply, SK_OK);
        msg_put(reply, value);
    }
    return err;
}

static int64_t op_cfg_write(struct session *s, struct msg *request)
{
    uint64_t index;
    struct pci_dev *dev = get_device(s, request, &index);
    uint64_t reg = msg_get(request), width = msg_get(request), value = msg_get(request);
    int64_t err = msg_end(request);

    if (err < 0 || dev == NULL) {
        return err < 0 ? err : SK_ENOENT;
    }
    return pci_client_write(s->set->pci, dev, reg, width, (uint32_t)value);
}

/* Memory objects for the parts of a BAR, made at the first request and kept for the client's life. */
static int64_t grant_bar(struct session *s, struct pci_dev *dev, struct grant *g, unsigned bar,
                         struct pci_part parts[PCI_PARTS_MAX])
{
    int64_t n = pci_bar_parts(s->set->pci, dev, bar, parts);

    for (int64_t i = 0; i < n; i++) {
        if (g->memory[bar][i] != CAP_NULL) {
            continue;
        }
        int64_t cap = sys_mem_derive(CAP_QUOTA, s->hw->sigma0, dev->bar[bar].base + parts[i].off, parts[i].size,
                                     RIGHT_R | RIGHT_W | RIGHT_CTRL);
        if (cap < 0) {
            return cap;
        }
        g->memory[bar][i] = (cap_t)cap;
    }
    return n;
}

static int64_t op_bar(struct session *s, struct msg *request, struct msg *reply)
{
    uint64_t index;
    struct pci_dev *dev = get_device(s, request, &index);
    uint64_t bar = msg_get(request);
    int64_t err = msg_end(request);
    struct pci_part parts[PCI_PARTS_MAX];
    char name[PCI_NAME_LEN];

    if (err < 0 || dev == NULL || bar >= PCI_BARS) {
        return err < 0 ? err : SK_ENOENT;
    }
    int64_t n = grant_bar(s, dev, &s->grant[index], (unsigned)bar, parts);
    if (n < 0) {
        if (n != SK_ENOENT) {
            io_log(IO_WARN, "vbus '%s': %s: cannot hand out BAR %u: %s", s->bus->name, pci_addr_name(dev->addr, name),
                   (unsigned)bar, sk_strerror(n));
        }
        return n;
    }
    msg_begin(reply, SK_OK);
    msg_put(reply, dev->bar[bar].size);
    msg_put(reply, (uint64_t)n);
    for (int64_t i = 0; i < n; i++) {
        msg_put(reply, parts[i].off);
        msg_put(reply, parts[i].size);
        msg_put_cap(reply, s->grant[index].memory[bar][i], RIGHT_R | RIGHT_W);
    }
    return SK_OK;
}

static int64_t dma_space_make(struct session *s, const struct pci_dev *dev)
{
    if (s->quota == CAP_NULL) {
        int64_t quota = sys_quota_create(CAP_QUOTA, DMA_KERNEL_BYTES, 0);
        if (quota < 0) {
            return quota;
        }
        s->quota = (cap_t)quota;
    }
    return sys_dma_create(s->quota, s->iommu, pci_sbdf(dev->addr));
}

static int64_t op_dma_space(struct session *s, struct msg *request, struct msg *reply)
{
    uint64_t index;
    const struct pci_dev *dev = get_device(s, request, &index);
    int64_t err = msg_end(request);

    if (err < 0 || dev == NULL) {
        return err < 0 ? err : SK_ENOENT;
    }
    struct grant *g = &s->grant[index];
    if (g->dma == CAP_NULL) {
        int64_t cap = dma_space_make(s, dev);
        if (cap < 0) {
            return cap;
        }
        g->dma = (cap_t)cap;
    }
    int64_t kind = sys_dmactl_info(s->iommu);
    msg_begin(reply, SK_OK);
    msg_put(reply, kind < 0 ? DMA_IDENTITY : (uint64_t)kind);
    msg_put_cap(reply, g->dma, RIGHT_CTRL);
    return SK_OK;
}

_Static_assert(VBUS_MSI_PLAIN == PCI_MSI_PLAIN, "an index is passed on as it is");

static bool signal_lives(const struct msi *m)
{
    struct sys_result info = sys_cap_info(m->signal);

    return info.value >= 0 && info.extra == m->signal_id;
}

/* The device's message, if it is still set, is not touched. */
static void msi_forget(struct msi *m)
{
    if (m->used && signal_lives(m)) {
        sys_cap_drop(m->signal);
    }
    *m = (struct msi){0};
}

/* What dead clients left of their interrupts: the kernel has taken the vectors back. */
static void forget_dead(struct session *s)
{
    for (unsigned i = 0; i < s->bus->num_msis; i++) {
        struct msi *m = &s->msi[i];

        if (m->used && !signal_lives(m)) {
            pci_msi_clear(s->set->pci, s->bus->slot[m->device].dev, m->index);
            msi_forget(m);
        }
    }
}

/* The message itself, or one of the other kind: MSI and MSI-X must not be on together [PCI-3.0 6.8]. */
static bool message_in_use(const struct session *s, unsigned device, unsigned index)
{
    for (unsigned i = 0; i < s->bus->num_msis; i++) {
        const struct msi *m = &s->msi[i];

        if (m->used && m->device == device && (m->index == index || ((m->index ^ index) & VBUS_MSI_PLAIN))) {
            return true;
        }
    }
    return false;
}

static int64_t bind_msi(struct session *s, unsigned device, uint64_t number, uint64_t index, cap_t signal,
                        struct sys_result *message)
{
    struct pci_dev *dev = s->bus->slot[device].dev;
    bool msix = dev->msix.count != 0 && (index & VBUS_MSI_PLAIN) == 0;
    unsigned count = msix ? dev->msix.count : pci_msi_count(dev);

    if (count == 0) {
        return SK_ENODEV;
    }
    if (number >= s->bus->num_msis || (index & ~(uint64_t)VBUS_MSI_PLAIN) >= count) {
        return SK_ERANGE;
    }
    forget_dead(s);
    if (s->msi[number].used || message_in_use(s, device, (unsigned)index)) {
        return SK_EBUSY;
    }
    *message = sys_msi_bind(s->icu, signal, pci_sbdf(dev->addr));
    if (message->value < 0) {
        return message->value;
    }
    int64_t err = pci_msi_set(s->set->pci, dev, (unsigned)index, message->extra, (uint32_t)message->value);
    if (err == SK_OK) {
        s->msi[number] = (struct msi){true, device, (unsigned)index, signal, sys_cap_info(signal).extra};
    }
    return err;
}

static int64_t op_msi_bind(struct session *s, struct msg *request, struct msg *reply)
{
    uint64_t device, number, index;
    const struct pci_dev *dev = get_device(s, request, &device);
    struct sys_result message = {0};

    number = msg_get(request);
    index = msg_get(request);
    cap_t signal = msg_get_cap(request);
    int64_t err = msg_end(request);
    if (err == SK_OK) {
        err = dev == NULL ? SK_ENOENT : bind_msi(s, (unsigned)device, number, index, signal, &message);
    }
    if (err < 0) {
        if (signal != CAP_NULL) {
            sys_cap_drop(signal);
        }
        return err;
    }
    msg_begin(reply, SK_OK);
    msg_put(reply, message.extra);
    msg_put(reply, (uint64_t)message.value);
    msg_put(reply, dev->msix.count != 0 && (index & VBUS_MSI_PLAIN) == 0);
    return SK_OK;
}

static int64_t op_msi_unbind(struct session *s, struct msg *request)
{
    uint64_t device, number;
    struct pci_dev *dev = get_device(s, request, &device);

    number = msg_get(request);
    int64_t err = msg_end(request);
    if (err < 0) {
        return err;
    }
    if (dev == NULL || number >= s->bus->num_msis || !s->msi[number].used || s->msi[number].device != device) {
        return SK_ENOENT;
    }
    pci_msi_clear(s->set->pci, dev, s->msi[number].index);
    msi_forget(&s->msi[number]);
    return SK_OK;
}

static int64_t bind_intx(struct session *s, struct pci_dev *dev, cap_t signal, struct pci_intx *route)
{
    struct sys_result lines = sys_irq_info(s->icu);
    int64_t err = pci_intx_route(dev, &s->hw->acpi, lines.value > 0 ? (unsigned)lines.value : 0, route);

    if (err < 0) {
        return err;
    }
    uint32_t flags = IRQ_FIRMWARE | (route->level ? IRQ_LEVEL : 0) | (route->active_low ? IRQ_ACTIVE_LOW : 0);
    err = sys_irq_bind(s->icu, route->gsi, flags, signal);
    if (err == SK_OK) {
        pci_intx_enable(s->set->pci, dev, true);
    }
    return err;
}

static int64_t op_intx_bind(struct session *s, struct msg *request, struct msg *reply)
{
    uint64_t device;
    struct pci_dev *dev = get_device(s, request, &device);
    cap_t signal = msg_get_cap(request);
    int64_t err = msg_end(request);
    struct pci_intx route = {0};
    char name[PCI_NAME_LEN];

    if (err == SK_OK) {
        err = dev == NULL ? SK_ENOENT : bind_intx(s, dev, signal, &route);
    }
    if (signal != CAP_NULL) {
        sys_cap_drop(signal);
    }
    if (err < 0) {
        if (dev != NULL) {
            io_log(IO_WARN, "vbus '%s': %s: cannot bind interrupt line %u: %s", s->bus->name,
                   pci_addr_name(dev->addr, name), dev->intx_line, sk_strerror(err));
        }
        return err;
    }
    msg_begin(reply, SK_OK);
    msg_put(reply, route.gsi);
    msg_put(reply, route.level);
    msg_put(reply, route.active_low);
    return SK_OK;
}

/* A reset also forgets the device's messages. */
static int64_t op_reset(struct session *s, struct msg *request)
{
    uint64_t device;
    struct pci_dev *dev = get_device(s, request, &device);
    int64_t err = msg_end(request);

    if (err < 0 || dev == NULL) {
        return err < 0 ? err : SK_ENOENT;
    }
    err = pci_reset(s->set->pci, dev);
    for (unsigned i = 0; i < s->bus->num_msis && err == SK_OK; i++) {
        if (s->msi[i].device == device) {
            msi_forget(&s->msi[i]);
        }
    }
    return err;
}

static int64_t session_call(void *ctx, struct msg *request, struct msg *reply)
{
    struct session *s = ctx;

    switch (request->op) {
    case PROTO_ID:
        msg_begin(reply, SK_OK);
        msg_put(reply, PROTO_VBUS);
        return SK_OK;
    case VBUS_INFO:
        return op_info(s, request, reply);
    case VBUS_DEVICE:
        return op_device(s, request, reply);
    case VBUS_CFG_READ:
        return op_cfg_read(s, request, reply);
    case VBUS_CFG_WRITE:
        return op_cfg_write(s, request);
    case VBUS_BAR:
        return op_bar(s, request, reply);
    case VBUS_DMA_SPACE:
        return op_dma_space(s, request, reply);
    case VBUS_MSI_BIND:
        return op_msi_bind(s, request, reply);
    case VBUS_MSI_UNBIND:
        return op_msi_unbind(s, request);
    case VBUS_INTX_BIND:
        return op_intx_bind(s, request, reply);
    case VBUS_RESET:
        return op_reset(s, request);
    default:
        return SK_ENOSYS;
    }
}

static void destroy(cap_t *cap)
{
    if (*cap != CAP_NULL) {
        sys_obj_destroy(*cap);
        sys_cap_drop(*cap);
        *cap = CAP_NULL;
    }
}

/* A device that is in the middle of a transfer may finish it after bus mastering was switched off; a reset, where there
 * is one, ends that too. Only then may the memory of its DMA space be used again. */
static void device_stop(struct pci *pci, struct pci_dev *dev)
{
    pci_quiesce(pci, dev);
    if (dev->has_flr) {
        (void)!pci_reset(pci, dev);
    }
}

/* The last client is gone. Devices stop first: then nothing uses the DMA spaces any more. */
static void session_unused(void *ctx)
{
    struct session *s = ctx;

    for (unsigned i = 0; i < s->bus->count; i++) {
        device_stop(s->set->pci, s->bus->slot[i].dev);
        for (unsigned k = 0; k < PCI_BARS * PCI_PARTS_MAX; k++) {
            destroy(&s->grant[i].memory[k / PCI_PARTS_MAX][k % PCI_PARTS_MAX]);
        }
        destroy(&s->grant[i].dma);
    }
    destroy(&s->quota);
    for (unsigned i = 0; i < s->bus->num_msis; i++) {
        msi_forget(&s->msi[i]);
    }
    io_log(IO_INFO, "vbus '%s': its client is gone; devices are quiet", s->bus->name);
}

static struct session *session_new(struct vbus_set *set, struct vbus *bus, struct hw *hw)
{
    struct session *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return NULL;
    }
    *s = (struct session){.bus = bus, .set = set, .hw = hw};
    s->icu = sk_env_get("icu");
    s->iommu = sk_env_get("iommu");
    s->grant = calloc(bus->count + 1, sizeof *s->grant);
    s->msi = calloc(bus->num_msis + 1, sizeof *s->msi);
    if (s->grant == NULL || s->msi == NULL) {
        free(s->grant);
        free(s->msi);
        free(s);
        return NULL;
    }
    return s;
}

static bool serve(struct vbus_set *set, struct vbus *bus, struct hw *hw)
{
    cap_t gate = sk_env_get(bus->name);

    if (gate == CAP_NULL) {
        io_log(IO_WARN,
               "vbus '%s': io has no capability of this name, so nobody can use the bus; pass caps = { %s = "
               "channel:svr() }",
               bus->name, bus->name);
        return false;
    }
    struct session *s = session_new(set, bus, hw);
    int64_t err = s == NULL ? SK_ENOMEM : server_gate(&s->gate, gate, session_call, session_unused, s, 1);
    if (err < 0) {
        io_log(IO_ERROR, "vbus '%s': cannot serve its capability: %s", bus->name,
               err == SK_ECAP ? "who made it has ended (ned after an error in its script?)" : sk_strerror(err));
        return false;
    }
    io_log(IO_INFO, "vbus '%s': %u device(s), %u MSI(s)", bus->name, bus->count, bus->num_msis);
    return true;
}

static bool is_server_gate(const struct sk_env_entry *e)
{
    struct sys_result info = sys_cap_info(e->cap);

    return info.value > 0 && (info.value & 0xff) == OBJ_GATE && ((info.value >> 8) & RIGHT_BIND) != 0;
}

/* A client whose bus has no definition (an error in the file) finds an empty bus instead of waiting for ever. */
static void add_undefined(struct vbus_set *set)
{
    const struct sk_env_entry *e;
    char err[256];

    for (unsigned i = 0; (e = sk_env_at(i)) != NULL; i++) {
        if (is_server_gate(e) && vbus_find(set, e->name) == NULL) {
            io_log(IO_WARN, "vbus '%s': no configuration file defines it; it is served without devices", e->name);
            if (vbus_add(set, e->name, "", 0, err, sizeof err) == NULL) {
                io_log(IO_ERROR, "%s", err);
            }
        }
    }
}

unsigned vbus_serve(struct vbus_set *set, struct hw *hw)
{
    unsigned served = 0;

    add_undefined(set);
    for (unsigned i = 0; i < set->count; i++) {
        served += serve(set, &set->bus[i], hw);
    }
    return served;
}

// SPDX-License-Identifier: MIT
// Controllers on the virtual bus: see device.h.
#include "device.h"

#include "blkdev.h"
#include <sk/env.h>
#include <sk/sys.h>
#include <sk/vm.h>
#include <stdio.h>
#include <stdlib.h>

#define CLASS_NVME 0x010802u /* [PCI-CC 1.2]: NVM Express I/O controller */
#define COMMAND_MEMORY 0x0002u
#define COMMAND_MASTER 0x0004u
#define COMMAND_INTX_OFF 0x0400u
#define WORKER_STACK (32u << 10)

/* Messages of this bus, for all controllers together. */
static unsigned msi_next, msi_count;
static struct device *line_devices; /* they share lines, as it happens */
static struct device **devices;     /* the caller's of device_scan() */
static unsigned device_count;

static struct device *of(struct nvme_hw *hw)
{
    return container_of(hw, struct device, hw);
}
struct device *device_at(unsigned i)
{
    return i < device_count ? devices[i] : NULL;
}
struct device *device_of(struct nvme_ctrl *c)
{
    return of(c->hw);
}

/* --- registers, memory, time --- */

static uint32_t device_read32(struct nvme_hw *hw, uint32_t off)
{
    return *(volatile uint32_t *)(of(hw)->regs + off);
}

static void device_write32(struct nvme_hw *hw, uint32_t off, uint32_t value)
{
    *(volatile uint32_t *)(of(hw)->regs + off) = value;
}

static uint64_t device_now(struct nvme_hw *hw)
{
    (void)hw;
    return sys_now_ns();
}

static int64_t device_dma_alloc(struct nvme_hw *hw, size_t size, struct nvme_dma *out)
{
    int64_t err = SK_ENOMEM;
    cap_t mem;

    size = align_up(size, PAGE_SIZE);
    out->mem = vm_alloc(size, &mem, &err);
    if (!out->mem) {
        return err;
    }
    struct sys_result r = sys_map(of(hw)->dma, mem, 0, size, MAP_ANY, RIGHT_R | RIGHT_W);

    sys_cap_drop(mem);
    if (r.value < 0) {
        vm_unmap(out->mem, size);
        out->mem = NULL;
        return r.value;
    }
    out->size = size;
    out->dev = r.extra;
    return SK_OK;
}

static void device_dma_free(struct nvme_hw *hw, struct nvme_dma *dma)
{
    if (sys_unmap(of(hw)->dma, dma->dev, dma->size) == SK_OK) { /* else the device may still write to it: keep it */
        vm_unmap(dma->mem, dma->size);
    }
}

static void device_isolate(struct nvme_hw *hw)
{
    struct device *dev = of(hw);
    int64_t err = vbus_command(dev->bus, dev->index, 0, COMMAND_MASTER);

    if (err < 0) {
        log_error("NVMe[%s]: Ending the controller's DMA: %s", hw->name, sk_strerror(err));
    }
}

/* --- worker --- */

static void worker_resume(struct device *dev)
{
    if (dev->started && dev->waiting) {
        dev->waiting = false;
        fiber_resume(&dev->fiber);
    }
}

static void device_wait(struct nvme_hw *hw, uint64_t deadline)
{
    struct device *dev = of(hw);

    if (!dev->ctrl.wake) {
        sys_signal_timer(dev->worker_timer.cap, deadline);
        dev->waiting = true;
        fiber_yield(&dev->fiber);
    }
    dev->ctrl.wake = false;
}

static void worker(void *ctx)
{
    struct device *dev = ctx;
    int64_t err = nvme_ctrl_start(&dev->ctrl);

    (void)err; /* logged, and in the controller's state */
    dev->changed(dev);
    for (;;) {
        while (!nvme_ctrl_has_work(&dev->ctrl)) {
            device_wait(&dev->hw, nvme_ctrl_work_at(&dev->ctrl));
        }
        nvme_ctrl_work(&dev->ctrl);
        blkdev_flush();
        dev->changed(dev);
    }
}

static void worker_timer_event(void *ctx)
{
    struct device *dev = ctx;

    worker_resume(dev);
}

static void check_timer_event(void *ctx)
{
    struct device *dev = ctx;

    nvme_ctrl_check(&dev->ctrl);
    blkdev_flush();
    if (dev->ctrl.wake) {
        worker_resume(dev);
    }
}

static void device_arm(struct nvme_hw *hw, uint64_t deadline)
{
    sys_signal_timer(of(hw)->check_timer.cap, deadline);
}

/* --- interrupts --- */

static void vector_event(void *ctx)
{
    struct device_vector *v = ctx;
    struct device *dev = v->device;

    nvme_ctrl_interrupt(&dev->ctrl, v->index);
    blkdev_flush();
    if (dev->ctrl.wake) {
        worker_resume(dev);
    }
}

/* A level-triggered line says that one of its devices wants something, not which. */
static void line_event(void *ctx)
{
    struct device_vector *v = ctx;

    for (struct device *d = line_devices; d; d = d->next_line) {
        if (d->started) {
            nvme_ctrl_interrupt(&d->ctrl, 0);
        }
    }
    blkdev_flush();
    sys_signal_ack(v->signal.cap);
    for (struct device *d = line_devices; d; d = d->next_line) {
        if (d->ctrl.wake) {
            worker_resume(d);
        }
    }
}

/* Binds the controller's next own message to the bus's next one. SK_ERANGE: no more of either. */
static int64_t msi_add(struct device *dev)
{
    struct device_vector *v = &dev->vector[dev->vectors];
    uint64_t addr;
    uint32_t data;

    if (dev->vectors == min(dev->own_vectors, DEVICE_VECTORS_MAX) || msi_next == msi_count) {
        return SK_ERANGE;
    }
    *v = (struct device_vector){.device = dev, .index = (uint16_t)dev->vectors};
    int64_t err = server_signal(&v->signal, CAP_NULL, vector_event, v);

    if (err < 0) {
        return err;
    }
    err = vbus_msi_bind(dev->bus, dev->index, msi_next, dev->msi_kind | v->index, v->signal.cap, &addr, &data);
    if (err < 0) {
        server_remove(&v->signal);
        return err;
    }
    log_info("NVMe[]: MSI info: vector=0x%x addr=%llx, data=%x", 0x80000000u | msi_next, (unsigned long long)addr,
             data);
    msi_next++;
    dev->vectors++;
    return SK_OK;
}

static int64_t device_vector(struct nvme_hw *hw, uint16_t *vector)
{
    struct device *dev = of(hw);

    *vector = 0;
    if (dev->own_vectors == 0) {
        return SK_OK; /* INTx: all share it */
    }
    int64_t err = msi_add(dev);

    if (err == SK_OK) {
        *vector = (uint16_t)(dev->vectors - 1);
    } else if (dev->vectors == dev->own_vectors) {
        log_info("NVMe[%s]: The controller has %u interrupt messages only: an I/O queue shares the first", hw->name,
                 dev->own_vectors);
    } else {
        log_warn("NVMe[%s]: No MSI is left for an I/O queue (%s): it shares the admin queue's; set Property.num_msis "
                 "of the virtual bus to more than %u",
                 hw->name, err == SK_ERANGE ? "the bus offers too few" : sk_strerror(err), msi_count);
    }
    return SK_OK;
}

static void line_add(struct device *dev)
{
    dev->own_vectors = 0;
    dev->vectors = 1;
    dev->next_line = line_devices;
    line_devices = dev;
}

/* Has another of our controllers the line? Then its events serve both. */
static bool line_share(struct device *dev)
{
    for (struct device *d = line_devices; d; d = d->next_line) {
        if (vbus_same_line(dev->bus, dev->index, d->index) &&
            vbus_command(dev->bus, dev->index, 0, COMMAND_INTX_OFF) == SK_OK) {
            log_info("NVMe[%s]: Interrupts by the line (INTx) of %s, which both share", dev->name, d->name);
            line_add(dev);
            return true;
        }
    }
    return false;
}

static int64_t intx_bind(struct device *dev)
{
    struct device_vector *v = &dev->vector[0];
    uint32_t line, level, low;

    *v = (struct device_vector){.device = dev};
    int64_t err = server_signal(&v->signal, CAP_NULL, line_event, v);

    if (err < 0) {
        return err;
    }
    err = vbus_intx_bind(dev->bus, dev->index, v->signal.cap, &line, &level, &low);
    if (err < 0) {
        server_remove(&v->signal);
        return err == SK_EBUSY && line_share(dev) ? SK_OK : err;
    }
    line_add(dev);
    log_info("NVMe[]: Device: interrupt : %x trigger: %u, polarity: %u", line, level, low);
    log_info("NVMe[%s]: Interrupts by line %u (INTx), which all queues share", dev->name, line);
    return SK_OK;
}

/* The admin queue's interrupt: a message if there is one, else the legacy line. */
static int64_t interrupt_bind(struct device *dev, const struct vbus_device *d, const struct options *o)
{
    unsigned msix = o->no_msix ? 0 : d->msix_count, msi = o->no_msi ? 0 : d->msi_count;

    dev->own_vectors = msix ? msix : msi;
    dev->msi_kind = msix == 0 && d->msix_count ? VBUS_MSI_PLAIN : 0;
    unsigned first = msi_next;
    int64_t err = dev->own_vectors ? msi_add(dev) : SK_ERANGE;

    if (err == SK_OK) {
        log_info("NVMe[]: Device: interrupt : %x trigger: 1, polarity: 0", 0x80000000u | first);
        log_info("NVMe[%s]: Interrupts by %s, up to %u messages", dev->name, msix ? "MSI-X" : "MSI", dev->own_vectors);
        return SK_OK;
    }
    if (dev->own_vectors) {
        log_warn("NVMe[%s]: No MSI for the admin queue (%s): using the legacy interrupt", dev->name,
                 err == SK_ERANGE ? "the bus has no more; set a higher Property.num_msis" : sk_strerror(err));
    }
    return intx_bind(dev);
}

static const struct nvme_hw_ops device_ops = {
    .read32 = device_read32,
    .write32 = device_write32,
    .now_ns = device_now,
    .dma_alloc = device_dma_alloc,
    .dma_free = device_dma_free,
    .wait = device_wait,
    .vector = device_vector,
    .arm = device_arm,
    .isolate = device_isolate,
};

/* --- discovery --- */

static int64_t device_open(struct device *dev, const struct vbus_device *d, const struct options *o, const char **doing)
{
    uint64_t size = 0;
    volatile void *regs;
    int64_t err;

    *doing = "Mapping its registers";
    if ((err = vbus_map_bar(dev->bus, dev->index, 0, &regs, &size)) < 0) {
        return err;
    }
    dev->regs = regs;
    dev->hw.bar_size = (uint32_t)min(size, (uint64_t)UINT32_MAX);
    if (size < NVME_DOORBELLS) {
        return SK_ERANGE;
    }
    *doing = "Getting its DMA space";
    if ((err = vbus_dma_space(dev->bus, dev->index, &dev->dma)) < 0) {
        return err;
    }
    *doing = "Making timers";
    if ((err = server_signal(&dev->worker_timer, CAP_NULL, worker_timer_event, dev)) < 0 ||
        (err = server_signal(&dev->check_timer, CAP_NULL, check_timer_event, dev)) < 0) {
        return err;
    }
    *doing = "Switching it on";
    if ((err = vbus_command(dev->bus, dev->index, COMMAND_MEMORY | COMMAND_MASTER, 0)) < 0) {
        return err;
    }
    *doing = "Getting an interrupt";
    return interrupt_bind(dev, d, o);
}

static struct device *device_new(cap_t bus, uint32_t index, const struct vbus_device *d, const struct options *o)
{
    struct device *dev = calloc(1, sizeof(*dev));
    const char *doing = "Memory";

    if (!dev) {
        log_error("NVMe[%02x:%02x.%x]: Memory for the controller: none left", d->bus, d->devfn >> 3, d->devfn & 7);
        return NULL;
    }
    (void)snprintf(dev->name, sizeof(dev->name), "%04x:%02x:%02x.%x", d->segment, d->bus, d->devfn >> 3, d->devfn & 7);
    dev->hw = (struct nvme_hw){.ops = &device_ops, .name = dev->name};
    dev->ctrl.hw = &dev->hw;
    dev->ctrl.no_sgl = o->no_sgl;
    dev->ctrl.io_timeout_ns = o->io_timeout_ms * 1000000ull;
    dev->bus = bus;
    dev->index = index;
    int64_t err = device_open(dev, d, o, &doing);

    if (err < 0) {
        log_error("NVMe[%s]: %s failed: %s; the controller is not used", dev->name, doing, sk_strerror(err));
        return NULL; /* what it holds stays: nothing of it runs, and there are few controllers */
    }
    return dev;
}

unsigned device_scan(cap_t bus, const struct options *options, struct device **list, unsigned max)
{
    struct vbus_info info;
    struct vbus_device d;
    unsigned count = 0;
    int64_t err = vbus_info(bus, &info);

    if (err < 0) {
        log_error("NVMe[]: Asking the virtual bus 'vbus' for its devices: %s; is it a bus of io?", sk_strerror(err));
        return 0;
    }
    log_info("NVMe[]: ICU info: features=%x #Irqs=%u, #MSIs=%u", info.features, info.irqs, info.msis);
    msi_count = (info.features & VBUS_FEATURE_MSI) ? info.msis : 0;
    for (uint32_t i = 0; i < info.devices; i++) {
        err = vbus_device(bus, i, &d);
        if (err < 0) {
            log_error("NVMe[]: Asking the virtual bus for device %u: %s", i, sk_strerror(err));
            continue;
        }
        if (d.class_code != CLASS_NVME) {
            log_debug("NVMe[]: Device %s (%04x:%04x, class %06x) is no NVMe controller", d.name, d.vendor, d.device,
                      d.class_code);
            continue;
        }
        if (count == max) {
            log_error("NVMe[]: Device %s is not used: no more than %u controllers are possible", d.name, max);
            continue;
        }
        list[count] = device_new(bus, i, &d, options);
        count += list[count] != NULL;
    }
    devices = list;
    device_count = count;
    return count;
}

void device_start(struct device *dev, void (*changed)(struct device *dev))
{
    int64_t err = SK_ENOMEM;
    void *stack = vm_alloc(WORKER_STACK, NULL, &err);

    dev->changed = changed;
    if (!stack) {
        log_error("NVMe[%s]: Memory for the controller's worker: %s; it is not used", dev->name, sk_strerror(err));
        dev->ctrl.state = CTRL_DEAD;
        changed(dev);
        return;
    }
    fiber_init(&dev->fiber, worker, dev, stack, WORKER_STACK);
    dev->started = true;
    fiber_resume(&dev->fiber);
}

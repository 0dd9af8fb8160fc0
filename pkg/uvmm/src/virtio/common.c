// SPDX-License-Identifier: MIT
/* The state of a virtio device as its driver sees it: the common configuration structure [virtio-1.2 4.1.4.3], device
 * status [2.1, 3.1], feature negotiation [2.2], interrupts [4.1.5.3, 4.1.5.4].
 *
 * The driver may write anything at any time. What counts:
 * - features only before FEATURES_OK; queue registers only while the queue is disabled;
 * - a queue is enabled only with FEATURES_OK, and reset by itself only with RING_RESET and DRIVER_OK; one with
 * registers that cannot work breaks the device (DEVICE_NEEDS_RESET);
 * - status bits are never cleared but by a reset, and while a reset goes on nothing counts. */

#include "../gmem.h"
#include "../guest.h"
#include "../log.h"
#include "regs.h"
#include "virtio.h"
#include <sk/env.h>
#include <sk/sys.h>
#include <string.h>
#include <util/bits.h>

#define STATUS_DRIVER_BITS                                                                                             \
    (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FEATURES_OK |          \
     VIRTIO_STATUS_FAILED)

static void line_update(struct virtio_dev *d)
{
    if (d->mmio) {
        virtio_mmio_line_update(d);
    } else {
        pci_intx_set(&d->pci, d->isr != 0);
    }
}

static void interrupt(struct virtio_dev *d, uint8_t isr_bit, unsigned vector)
{
    if (pci_msix_enabled(&d->pci)) {
        pci_msix_fire(&d->pci, vector);
        return;
    }
    d->isr |= isr_bit;
    line_update(d);
}

uint8_t virtio_isr_read(struct virtio_dev *d)
{
    uint8_t isr = d->isr;

    d->isr = 0;
    line_update(d);
    return isr;
}

void virtio_queue_interrupt(struct virtio_dev *d, unsigned q)
{
    if (virtio_running(d) && d->queue[q].started) {
        interrupt(d, VIRTIO_ISR_QUEUE, d->queue[q].vector);
    }
}

static void config_interrupt(struct virtio_dev *d)
{
    if (virtio_running(d)) {
        interrupt(d, VIRTIO_ISR_CONFIG, d->config_vector);
    }
}

void virtio_config_update(struct virtio_dev *d, const void *config)
{
    if (memcmp(d->config, config, d->config_size) == 0) {
        return;
    }
    memcpy(d->config, config, d->config_size);
    d->generation++;
    config_interrupt(d);
}

void virtio_broken(struct virtio_dev *d)
{
    if (!(d->status & VIRTIO_STATUS_NEEDS_RESET)) {
        d->status |= VIRTIO_STATUS_NEEDS_RESET;
        config_interrupt(d);
    }
}

/* --- all devices --- */

static struct virtio_dev *devices;

void virtio_dev_list(struct virtio_dev *d)
{
    struct virtio_dev **end = &devices;

    while (*end) {
        end = &(*end)->next;
    }
    *end = d;
}

void virtio_devs_forget(void)
{
    devices = NULL;
}

const struct virtio_dev *virtio_dev_next(const struct virtio_dev *d)
{
    return d ? d->next : devices;
}

int virtio_memory_table(struct gmem *mem)
{
    unsigned n;
    const struct ram_region *r = ram_regions(&n);

    gmem_init(mem);
    for (unsigned i = 0; i < n; i++) {
        int64_t err = gmem_add(mem, &(struct gmem_region){.gpa = r[i].gpa, .size = r[i].size, .host = r[i].host});

        if (err < 0) {
            return (int)err;
        }
    }
    return SK_OK;
}

/* --- doorbells --- */

static void doorbell_remove(struct virtio_dev *d, struct virtio_queue *vq)
{
    if (!vq->doorbell_port) {
        return;
    }
    int64_t err = sys_doorbell_bind(guest_cap(), vq->doorbell_port, DOORBELL_ANY, CAP_NULL);
    if (err < 0) {
        log_warn(LOG_VIRTIO, "%s: removing the doorbell at port 0x%x: %s", d->pci.name, vq->doorbell_port,
                 sk_strerror(err));
    }
    vq->doorbell_port = 0;
}

/* Without a doorbell, virtio_notify() raises the signal: slower, but the same. */
static void doorbell_place(struct virtio_dev *d, unsigned q)
{
    struct virtio_queue *vq = &d->queue[q];
    uint16_t port = (uint16_t)(d->notify_port + 4 * q);

    doorbell_remove(d, vq);
    if (!vq->doorbell || !d->notify_port) {
        return;
    }
    int64_t err = sys_doorbell_bind(guest_cap(), port, DOORBELL_ANY, vq->doorbell);
    if (err < 0) {
        log_info(LOG_VIRTIO, "%s: no doorbell at port 0x%x (%s): notifications exit", d->pci.name, port,
                 sk_strerror(err));
        return;
    }
    vq->doorbell_port = port;
}

void virtio_doorbell_set(struct virtio_dev *d, unsigned q, cap_t signal)
{
    d->queue[q].doorbell = signal;
    doorbell_place(d, q);
}

void virtio_doorbells_move(struct virtio_dev *d, uint16_t port)
{
    d->notify_port = port;
    for (unsigned q = 0; q < d->queue_count; q++) {
        doorbell_place(d, q);
    }
}

void virtio_notify(struct virtio_dev *d, unsigned q)
{
    if (q >= d->queue_count || !d->queue[q].started || (d->status & VIRTIO_STATUS_NEEDS_RESET)) {
        return;
    }
    if (d->queue[q].doorbell) {
        sys_signal_raise(d->queue[q].doorbell);
    } else {
        d->ops->notify(d, q);
    }
}

/* --- status --- */

static unsigned resetting; /* devices */

bool virtio_resetting(void)
{
    return resetting > 0;
}

static void resetting_set(struct virtio_dev *d, bool on)
{
    resetting += (unsigned)on - (unsigned)d->resetting;
    d->resetting = on;
}

void virtio_queue_reset_done(struct virtio_dev *d, unsigned q)
{
    uint16_t size = d->queue[q].size_max;

    d->queue[q] = (struct virtio_queue){.size_max = size, .size = size, .vector = VIRTIO_NO_VECTOR};
}

/* The driver reads queue_reset as 1 until the device has let go of the queue [virtio-1.2 4.1.4.3.1]. */
static void queue_reset(struct virtio_dev *d, unsigned q)
{
    struct virtio_queue *vq = &d->queue[q];

    if (!(d->accepted & VIRTIO_F_RING_RESET) || !(d->status & VIRTIO_STATUS_DRIVER_OK) || vq->resetting) {
        return;
    }
    bool started = vq->started;

    virtio_doorbell_set(d, q, CAP_NULL);
    vq->started = false;
    vq->resetting = started && d->ops->queue_reset(d, q) == SK_EAGAIN;
    if (!vq->resetting) {
        virtio_queue_reset_done(d, q);
    }
}

void virtio_reset_done(struct virtio_dev *d)
{
    for (unsigned q = 0; q < d->queue_count; q++) {
        virtio_queue_reset_done(d, q);
    }
    d->accepted = 0;
    d->offered_select = d->accepted_select = 0;
    d->queue_select = 0;
    d->config_vector = VIRTIO_NO_VECTOR;
    d->status = 0;
    resetting_set(d, false);
    (void)virtio_isr_read(d);
}

/* The driver may use its memory for other things as soon as it reads status 0 [virtio-1.2 2.4.1]: not before the device
 * has let go of it. */
void virtio_reset(struct virtio_dev *d)
{
    for (unsigned q = 0; q < d->queue_count; q++) {
        virtio_doorbell_set(d, q, CAP_NULL);
        d->queue[q].started = false;
    }
    if (d->ops->reset(d) == SK_EAGAIN) {
        resetting_set(d, true);
    } else {
        virtio_reset_done(d);
    }
}

/* Areas of a packed ring are descriptors and two 4-byte event structures, and its size may be any [virtio-1.2 2.8.10].
 */
static bool queue_valid(const struct virtio_dev *d, const struct virtio_queue *vq)
{
    bool packed = (d->accepted & VIRTIO_F_RING_PACKED) != 0;
    uint64_t driver_bytes = packed ? 4 : VIRTQ_AVAIL_BYTES(vq->size);
    uint64_t device_bytes = packed ? 4 : VIRTQ_USED_BYTES(vq->size);
    uint64_t driver_align = packed ? 4 : VIRTQ_AVAIL_ALIGN;

    if (vq->size == 0 || vq->size > vq->size_max || !(packed || is_pow2(vq->size))) {
        return false;
    }
    if (vq->desc % VIRTQ_DESC_ALIGN || vq->driver % driver_align || vq->device % VIRTQ_USED_ALIGN) {
        return false;
    }
    return ram_ptr(vq->desc, VIRTQ_DESC_BYTES(vq->size)) && ram_ptr(vq->driver, driver_bytes) &&
           ram_ptr(vq->device, device_bytes);
}

static void queue_start(struct virtio_dev *d, unsigned q)
{
    struct virtio_queue *vq = &d->queue[q];

    if (vq->started || (d->status & VIRTIO_STATUS_NEEDS_RESET)) {
        return;
    }
    if (!queue_valid(d, vq)) {
        log_info(LOG_VIRTIO,
                 "%s: the guest enabled queue %u with a bad size or address (%u, 0x%llx, 0x%llx, 0x%llx): the device "
                 "needs a reset by its driver",
                 d->pci.name, q, vq->size, (unsigned long long)vq->desc, (unsigned long long)vq->driver,
                 (unsigned long long)vq->device);
        virtio_broken(d);
        return;
    }
    vq->started = true;
    if (d->ops->queue_start(d, q) < 0) { // the device model has said why
        vq->started = false;
        virtio_broken(d);
    }
}

static void features_ok(struct virtio_dev *d)
{
    if ((d->accepted & ~d->offered) || !(d->accepted & VIRTIO_F_VERSION_1)) {
        return;
    }
    if (!d->ops->features_ok || d->ops->features_ok(d, d->accepted) >= 0) {
        d->status |= VIRTIO_STATUS_FEATURES_OK;
    }
}

static void driver_ok(struct virtio_dev *d)
{
    d->status |= VIRTIO_STATUS_DRIVER_OK;
    for (unsigned q = 0; q < d->queue_count; q++) {
        if (d->queue[q].enabled) {
            queue_start(d, q);
        }
    }
}

static void status_write(struct virtio_dev *d, uint8_t value)
{
    uint8_t rising = value & STATUS_DRIVER_BITS & (uint8_t)~d->status;

    if (value == 0) {
        virtio_reset(d);
        return;
    }
    d->status |= rising & (uint8_t) ~(VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
    if (rising & VIRTIO_STATUS_FEATURES_OK) {
        features_ok(d);
    }
    if ((rising & VIRTIO_STATUS_DRIVER_OK) && (d->status & VIRTIO_STATUS_FEATURES_OK)) {
        driver_ok(d);
    }
}

/* --- common configuration --- */

static struct virtio_queue *selected(struct virtio_dev *d)
{
    return d->queue_select < d->queue_count ? &d->queue[d->queue_select] : NULL;
}

static uint32_t half(uint64_t v, uint32_t select)
{
    return select < 2 ? (uint32_t)(v >> (32 * select)) : 0;
}

uint64_t virtio_common_read(struct virtio_dev *d, unsigned off, unsigned width)
{
    const struct virtio_queue *vq = selected(d);
    uint64_t v = 0;
    struct virtio_pci_common_cfg c = {
        .device_feature_select = d->offered_select,
        .device_feature = half(d->offered, d->offered_select),
        .driver_feature_select = d->accepted_select,
        .driver_feature = half(d->accepted, d->accepted_select),
        .config_msix_vector = d->config_vector,
        .num_queues = d->queue_count,
        .device_status = d->resetting ? d->status | VIRTIO_STATUS_NEEDS_RESET : d->status,
        .config_generation = d->generation,
        .queue_select = d->queue_select,
        .queue_msix_vector = VIRTIO_NO_VECTOR,
    };

    if (vq) {
        c.queue_size = vq->size;
        c.queue_msix_vector = vq->vector;
        c.queue_enable = vq->enabled;
        c.queue_notify_off = d->queue_select;
        c.queue_desc = vq->desc;
        c.queue_driver = vq->driver;
        c.queue_device = vq->device;
        c.queue_reset = vq->resetting;
    }
    if (width <= sizeof(v) && range_ok(off, width, sizeof(c))) {
        memcpy(&v, (const uint8_t *)&c + off, width);
    }
    return v;
}

static uint16_t vector_checked(const struct virtio_dev *d, uint64_t v)
{
    return v < d->pci.msix.vectors ? (uint16_t)v : VIRTIO_NO_VECTOR;
}

static void accepted_write(struct virtio_dev *d, uint32_t v)
{
    unsigned shift = 32 * (d->accepted_select & 1);

    if (d->accepted_select < 2 && !(d->status & VIRTIO_STATUS_FEATURES_OK)) {
        d->accepted = (d->accepted & ~(0xffffffffull << shift)) | (uint64_t)v << shift;
    }
}

static void queue_enable(struct virtio_dev *d, struct virtio_queue *vq, uint64_t value)
{
    if (value != 1 || !(d->status & VIRTIO_STATUS_FEATURES_OK) || vq->resetting) {
        return;
    }
    vq->enabled = true;
    if (virtio_running(d)) {
        queue_start(d, d->queue_select);
    }
}

/* A 64-bit field takes 8 bytes at once, or 4 in each half. */
static void address_write(uint64_t *field, unsigned off, unsigned width, uint64_t value)
{
    if ((width == 8 && off == 0) || (width == 4 && off % 4 == 0)) {
        memcpy((uint8_t *)field + off, &value, width);
    }
}

static void queue_write(struct virtio_dev *d, unsigned off, unsigned width, uint64_t value)
{
    struct virtio_queue *vq = selected(d);

    if (!vq) {
        return;
    }
    if (off == COMMON_CFG(queue_msix_vector) && width == 2) {
        vq->vector = vector_checked(d, value);
    } else if (off == COMMON_CFG(queue_enable) && width == 2) {
        queue_enable(d, vq, value);
    } else if (off == COMMON_CFG(queue_reset)) {
        if (width == 2 && value == 1) {
            queue_reset(d, d->queue_select);
        }
    } else if (vq->enabled || off > COMMON_CFG(queue_reset)) {
        return;
    } else if (off == COMMON_CFG(queue_size) && width == 2) {
        vq->size = (uint16_t)value;
    } else if (off >= COMMON_CFG(queue_notify_data)) {
        return;
    } else if (off >= COMMON_CFG(queue_device)) {
        address_write(&vq->device, off - COMMON_CFG(queue_device), width, value);
    } else if (off >= COMMON_CFG(queue_driver)) {
        address_write(&vq->driver, off - COMMON_CFG(queue_driver), width, value);
    } else if (off >= COMMON_CFG(queue_desc)) {
        address_write(&vq->desc, off - COMMON_CFG(queue_desc), width, value);
    }
}

void virtio_common_write(struct virtio_dev *d, unsigned off, unsigned width, uint64_t value)
{
    if (d->resetting || width > 8 || !range_ok(off, width, sizeof(struct virtio_pci_common_cfg))) {
        return;
    }
    if (off == COMMON_CFG(device_feature_select) && width == 4) {
        d->offered_select = (uint32_t)value;
    } else if (off == COMMON_CFG(driver_feature_select) && width == 4) {
        d->accepted_select = (uint32_t)value;
    } else if (off == COMMON_CFG(driver_feature) && width == 4) {
        accepted_write(d, (uint32_t)value);
    } else if (off == COMMON_CFG(config_msix_vector) && width == 2) {
        d->config_vector = vector_checked(d, value);
    } else if (off == COMMON_CFG(device_status) && width == 1) {
        status_write(d, (uint8_t)value);
    } else if (off == COMMON_CFG(queue_select) && width == 2) {
        d->queue_select = (uint16_t)value;
    } else if (off > COMMON_CFG(queue_select)) {
        queue_write(d, off, width, value);
    }
}

// SPDX-License-Identifier: MIT
/* A virtio device of the guest: the device-independent half (status, features, queue registers, interrupts) and its
 * transport, virtio over PCI in its modern form [virtio-1.2 4.1]. A device model fills in struct virtio_ops.
 *
 * Life: reset -> ACKNOWLEDGE, DRIVER -> features negotiated (FEATURES_OK: ops->features_ok) -> queues enabled ->
 * DRIVER_OK: ops->queue_start for each enabled queue -> running. Writing 0 to the status, or a reset of the VM:
 * ops->reset, in every state. virtio_broken() sets DEVICE_NEEDS_RESET and tells the driver.
 *
 * BARs:
 *   BAR0 (memory, 16 KiB)  0x0000 common configuration, 0x1000 ISR, 0x2000 device configuration,
 *                          0x3000 MSI-X table, 0x3800 PBA
 *   BAR1 (I/O ports)       one 4-byte register per queue to notify it. A queue with a doorbell signal
 * (virtio_doorbell_set) has it raised by the kernel, without an exit; the others exit and ops->notify is called.
 *
 * One thread; everything the guest writes may be garbage. */
#pragma once

#include "../pci/pci.h"
#include <abi/types.h>
#include <virtio/defs.h>
#include <virtio/gmem.h>

#define VIRTIO_QUEUES_MAX 16u
#define VIRTIO_CONFIG_MAX 128u
#define VIRTIO_NO_VECTOR 0xffffu

struct virtio_dev;

struct virtio_ops {
    /* The driver has accepted these features (a subset of what is offered, with VERSION_1). An error refuses them.
     * NULL: fine. */
    int (*features_ok)(struct virtio_dev *d, uint64_t features);
    /* The queue's registers are valid: size fits, areas aligned and in RAM. An error breaks the device. */
    int (*queue_start)(struct virtio_dev *d, unsigned q);
    /* The driver notified a started queue that has no doorbell. */
    void (*notify)(struct virtio_dev *d, unsigned q);
    /* Forget all queues and features. SK_EAGAIN: requests are still in flight; virtio_reset_done() follows. */
    int (*reset)(struct virtio_dev *d);
    /* Let go of one started queue [virtio-1.2 2.6.1]. SK_EAGAIN: requests are still in flight;
     * virtio_queue_reset_done() follows. Needed by devices that offer RING_RESET. */
    int (*queue_reset)(struct virtio_dev *d, unsigned q);
    /* A write to the device configuration, inside its size. NULL: read-only. */
    void (*config_write)(struct virtio_dev *d, unsigned off, unsigned width, uint32_t value);
};

struct virtio_queue {
    uint16_t size_max, size, vector;
    bool enabled, started;
    bool resetting;                /* the device is still at the queue's reset */
    uint64_t desc, driver, device; /* guest-physical */
    cap_t doorbell;                /* signal, or CAP_NULL */
    uint16_t doorbell_port;        /* where the kernel has it; 0: nowhere */
};

struct virtio_dev {
    struct pci_dev pci;
    const struct virtio_ops *ops;
    uint64_t offered, accepted;
    uint32_t offered_select, accepted_select;
    uint8_t status, generation, isr;
    bool resetting; /* the device is still at its reset: its status is not 0 yet, it takes no other writes */
    uint16_t config_vector, queue_select, queue_count;
    uint16_t notify_port; /* BAR1, 0 while not decoded */
    unsigned cfg_cap;     /* offset of the PCI configuration access capability */
    unsigned config_size;
    uint8_t config[VIRTIO_CONFIG_MAX];
    struct virtio_queue queue[VIRTIO_QUEUES_MAX];
    struct virtio_dev *next; /* of all */
    uint16_t id;             /* device type [virtio-1.2 5] */
    bool mmio;               /* transport: MMIO; `pci` has only the name then */
    unsigned mmio_slot;
};

struct virtio_info {
    const char *name;
    uint16_t id;          /* device type [virtio-1.2 5] */
    uint32_t class_code;  /* PCI */
    uint64_t features;    /* VERSION_1 is added */
    unsigned queue_count; /* at most VIRTIO_QUEUES_MAX */
    uint16_t queue_size;  /* largest */
    const void *config;
    unsigned config_size;
    const struct virtio_ops *ops;
    bool mmio; /* not on the PCI bus, but at an address of its own */
};

/* Is there a bus for virtio devices? SK_ENOENT after one line that names the node. */
int virtio_bus_check(const char *name);
/* Does the node want the MMIO transport? Its compatible ends in "-mmio" then. */
bool virtio_node_mmio(const void *fdt, int node);
/* Makes the device and puts it on its bus. Errors as pci_dev_add(). */
int virtio_dev_add(struct virtio_dev *d, const struct virtio_info *info);

/* The device side used a buffer of queue q and the driver wants to know. */
void virtio_queue_interrupt(struct virtio_dev *d, unsigned q);
/* The configuration is now this (same size): if it differs, the driver is told. */
void virtio_config_update(struct virtio_dev *d, const void *config);
/* All devices, one after the other; the first one after NULL. */
const struct virtio_dev *virtio_dev_next(const struct virtio_dev *d);
void virtio_devs_forget(void); /* for tests */
/* Is any device still at its reset? */
bool virtio_resetting(void);
/* The reset that answered SK_EAGAIN is complete: the driver sees status 0. */
void virtio_reset_done(struct virtio_dev *d);
/* The same of a queue. */
void virtio_queue_reset_done(struct virtio_dev *d, unsigned q);
/* The guest's RAM for rings that this program works on. */
int virtio_memory_table(struct gmem *mem);
/* DEVICE_NEEDS_RESET. */
void virtio_broken(struct virtio_dev *d);
/* From now on the kernel raises this signal when the guest notifies the queue (CAP_NULL: no more). Follows the BAR. */
void virtio_doorbell_set(struct virtio_dev *d, unsigned q, cap_t signal);

static inline bool virtio_running(const struct virtio_dev *d)
{
    return (d->status & VIRTIO_STATUS_DRIVER_OK) != 0;
}

/* --- mmio.c --- */
#define VIRTIO_MMIO_BASE 0xfed10000ull /* slots of 512 bytes, as in dsdt.asl */
#define VIRTIO_MMIO_SLOTS 8u
int virtio_mmio_add(struct virtio_dev *d); /* SK_ESLOTS: all are taken */
void virtio_mmio_line_update(const struct virtio_dev *d);
void virtio_mmio_reset(void);
void virtio_mmio_forget(void); /* for tests */

/* --- rng.c --- */
typedef bool (*rng_word_fn)(uint64_t *v);
/* The processor's source of entropy, NULL if it has none. */
rng_word_fn rng_source(void);
void virtio_rng_forget(void); /* for tests */

/* --- between common.c (state) and transport.c (BARs) --- */
void virtio_dev_list(struct virtio_dev *d); /* of all devices: this one is new */
uint64_t virtio_common_read(struct virtio_dev *d, unsigned off, unsigned width);
void virtio_common_write(struct virtio_dev *d, unsigned off, unsigned width, uint64_t value);
void virtio_reset(struct virtio_dev *d);
void virtio_notify(struct virtio_dev *d, unsigned q);
uint8_t virtio_isr_read(struct virtio_dev *d);
void virtio_doorbells_move(struct virtio_dev *d, uint16_t port);

/* Nodes "skerry,virtio-console" and "skerry,virtio-blk" (property skerry,cap: the block server's gate). */
struct device_type;
uint64_t virtio_config_read(const struct virtio_dev *d, unsigned off, unsigned width);
void virtio_config_write(struct virtio_dev *d, unsigned off, unsigned width, uint64_t value);
extern const struct device_type virtio_console_type, virtio_console_mmio_type, virtio_blk_mmio_type;
extern const struct device_type virtio_rng_type, virtio_rng_mmio_type;
extern const struct device_type virtio_blk_type;

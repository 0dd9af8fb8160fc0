// SPDX-License-Identifier: MIT
/* NVMe controllers on the virtual bus: the driver's hardware interface (hw.h) on top of io's and the kernel's objects.
 * Interrupts are signals; each vector in use has one. */
#pragma once

#include "ctrl.h"
#include "fiber.h"
#include "options.h"
#include "vbus.h"
#include <sk/server.h>

#define DEVICE_VECTORS_MAX 64u

struct device;

struct device_vector {
    struct server_source signal;
    struct device *device;
    uint16_t index; /* the controller's */
};

struct device {
    struct nvme_hw hw;
    struct nvme_ctrl ctrl;
    cap_t bus;
    uint32_t index; /* on the bus */
    cap_t dma;
    volatile uint8_t *regs;
    unsigned own_vectors; /* messages the controller can send; 0: INTx */
    uint32_t msi_kind;    /* VBUS_MSI_PLAIN: MSI although there is MSI-X */
    unsigned vectors;     /* in use */
    struct device_vector vector[DEVICE_VECTORS_MAX];
    struct server_source worker_timer, check_timer;
    struct fiber fiber;
    bool started, waiting; /* the worker: runs, is in device_wait() */
    bool known;            /* to main.c */
    void (*changed)(struct device *dev);
    struct device *next_line; /* of those that interrupt by line */
    char name[40];
};

/* Finds the NVMe controllers of the bus and binds their first interrupts. Logs what it finds and what fails. Returns
 * their number; list has room for max. */
unsigned device_scan(cap_t bus, const struct options *options, struct device **list, unsigned max);
/* Starts the controller's worker, which calls changed() after nvme_ctrl_start(), whatever came of it, and after all
 * further work. */
void device_start(struct device *dev, void (*changed)(struct device *dev));
/* Controllers for listing, also those that do not work; NULL behind the last. */
struct device *device_at(unsigned i);
/* The device of a controller. */
struct device *device_of(struct nvme_ctrl *c);

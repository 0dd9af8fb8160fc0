// SPDX-License-Identifier: MIT
/* What the driver needs from the world below it, for one controller. The program implements it on a virtual bus
 * (platform.c), the tests on a model of a controller (test/model.c).
 *
 * wait() is only called from the controller's worker (see ctrl.h): it returns when an interrupt of the controller was
 * handled that woke the worker (nvme_ctrl.wake), or at the deadline. */
#pragma once

#include "nvme.h"

struct nvme_hw;

struct nvme_dma {
    void *mem;    /* zeroed, page-aligned, contiguous for the device */
    uint64_t dev; /* device address */
    size_t size;
};

struct nvme_hw_ops {
    uint32_t (*read32)(struct nvme_hw *hw, uint32_t off);
    void (*write32)(struct nvme_hw *hw, uint32_t off, uint32_t value);
    uint64_t (*now_ns)(struct nvme_hw *hw);
    int64_t (*dma_alloc)(struct nvme_hw *hw, size_t size, struct nvme_dma *out);
    void (*dma_free)(struct nvme_hw *hw, struct nvme_dma *dma);
    void (*wait)(struct nvme_hw *hw, uint64_t deadline_ns);
    /* Gives an interrupt vector for one more queue; sharing it with others when there are not enough. The interrupt's
     * handler calls nvme_ctrl_interrupt(). */
    int64_t (*vector)(struct nvme_hw *hw, uint16_t *vector);
    /* Makes sure that the I/O time-out check (nvme_ctrl_check) runs at the deadline or earlier. */
    void (*arm)(struct nvme_hw *hw, uint64_t deadline_ns);
    /* Ends all DMA of a controller that is beyond control (Bus Master off). */
    void (*isolate)(struct nvme_hw *hw);
};

struct nvme_hw {
    const struct nvme_hw_ops *ops;
    const char *name;  /* for messages: the device's place */
    uint32_t bar_size; /* readable part of BAR 0 */
};

static inline uint32_t hw_r32(struct nvme_hw *hw, reg32_t r)
{
    return hw->ops->read32(hw, r.off);
}
static inline void hw_w32(struct nvme_hw *hw, reg32_t r, uint32_t v)
{
    hw->ops->write32(hw, r.off, v);
}
/* 64-bit registers may be read and written as two halves, low half first [NVMe-1.4 3.1]. */
static inline uint64_t hw_r64(struct nvme_hw *hw, reg64_t r)
{
    uint64_t lo = hw->ops->read32(hw, r.off);

    return lo | (uint64_t)hw->ops->read32(hw, r.off + 4u) << 32;
}
static inline void hw_w64(struct nvme_hw *hw, reg64_t r, uint64_t v)
{
    hw->ops->write32(hw, r.off, (uint32_t)v);
    hw->ops->write32(hw, r.off + 4u, (uint32_t)(v >> 32));
}

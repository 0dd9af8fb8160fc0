// SPDX-License-Identifier: MIT
/* Virtio over MMIO [virtio-1.2 4.2], version 2: another set of registers in front of the same state (common.c). Each
 * device has a slot of 512 bytes at VIRTIO_MMIO_BASE, which the DSDT describes (LNRO0005) when the register
 * POWER_PRESENT says that it exists, and shares one of four interrupt lines, level-triggered. There are no doorbells: a
 * notification exits. Registers take 32-bit accesses only; the configuration behind them takes any. */

#include "../bus.h"
#include "../dev/isa.h"
#include "../dev/power.h"
#include "../log.h"
#include "regs.h"
#include "virtio.h"
#include <string.h>
#include <util/bits.h>

#define SLOT_SIZE 0x200u
#define CONFIG_AT 0x100u
#define LINES 4u

/* Register layout [4.2.2] */
#define REG_MAGIC 0x000u
#define REG_VERSION 0x004u
#define REG_DEVICE_ID 0x008u
#define REG_VENDOR_ID 0x00cu
#define REG_QUEUE_SIZE_MAX 0x034u
#define REG_QUEUE_NOTIFY 0x050u
#define REG_INTERRUPT_STATUS 0x060u
#define REG_INTERRUPT_ACK 0x064u
#define REG_SHM_FIRST 0x0b0u /* length and base of shared memory: there is none */
#define REG_SHM_LAST 0x0bcu

#define MAGIC 0x74726976u /* "virt" */
#define VERSION 2u
#define VENDOR 0x554d4551u /* what drivers know; it has no meaning */

/* The registers that are fields of the common configuration. */
static const struct {
    uint16_t reg, field;
    uint8_t width;
} fields[] = {
    {0x010, COMMON_CFG(device_feature), 4},    {0x014, COMMON_CFG(device_feature_select), 4},
    {0x020, COMMON_CFG(driver_feature), 4},    {0x024, COMMON_CFG(driver_feature_select), 4},
    {0x030, COMMON_CFG(queue_select), 2},      {0x038, COMMON_CFG(queue_size), 2},
    {0x044, COMMON_CFG(queue_enable), 2},      {0x070, COMMON_CFG(device_status), 1},
    {0x080, COMMON_CFG(queue_desc), 4},        {0x084, COMMON_CFG(queue_desc) + 4, 4},
    {0x090, COMMON_CFG(queue_driver), 4},      {0x094, COMMON_CFG(queue_driver) + 4, 4},
    {0x0a0, COMMON_CFG(queue_device), 4},      {0x0a4, COMMON_CFG(queue_device) + 4, 4},
    {0x0fc, COMMON_CFG(config_generation), 1},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static struct virtio_dev *slots[VIRTIO_MMIO_SLOTS];
static unsigned used;

static unsigned line_of(unsigned slot)
{
    static const uint8_t irq[LINES] = {5, 10, 11, 12};

    return irq[slot % LINES];
}

/* A line is asserted while any device on it has an interrupt status. */
void virtio_mmio_line_update(const struct virtio_dev *d)
{
    bool level = false;

    for (unsigned i = 0; i < used; i++) {
        level |= line_of(i) == line_of(d->mmio_slot) && slots[i]->isr != 0;
    }
    isa_irq_set(line_of(d->mmio_slot), level);
}

static uint32_t reg_read(struct virtio_dev *d, unsigned reg)
{
    switch (reg) {
    case REG_MAGIC:
        return MAGIC;
    case REG_VERSION:
        return VERSION;
    case REG_DEVICE_ID:
        return d->id;
    case REG_VENDOR_ID:
        return VENDOR;
    case REG_QUEUE_SIZE_MAX:
        return d->queue_select < d->queue_count ? d->queue[d->queue_select].size_max : 0;
    case REG_INTERRUPT_STATUS:
        return d->isr;
    default:
        break;
    }
    for (unsigned i = 0; i < FIELDS; i++) {
        if (fields[i].reg == reg) {
            return (uint32_t)virtio_common_read(d, fields[i].field, fields[i].width);
        }
    }
    return reg >= REG_SHM_FIRST && reg <= REG_SHM_LAST ? UINT32_MAX : 0;
}

static void reg_write(struct virtio_dev *d, unsigned reg, uint32_t value)
{
    if (reg == REG_QUEUE_NOTIFY) {
        virtio_notify(d, value);
        return;
    }
    if (reg == REG_INTERRUPT_ACK) {
        d->isr &= (uint8_t)~value;
        virtio_mmio_line_update(d);
        return;
    }
    for (unsigned i = 0; i < FIELDS; i++) {
        /* A value that does not fit the field is not the field's. */
        if (fields[i].reg == reg && value <= ~0u >> (32 - 8 * fields[i].width)) {
            virtio_common_write(d, fields[i].field, fields[i].width, value);
        }
    }
}

static uint64_t slot_read(void *ctx, uint64_t off, unsigned width)
{
    if (off >= CONFIG_AT) {
        return virtio_config_read(ctx, (unsigned)off - CONFIG_AT, width);
    }
    return width == 4 && off % 4 == 0 ? reg_read(ctx, (unsigned)off) : 0;
}

static void slot_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    if (off >= CONFIG_AT) {
        virtio_config_write(ctx, (unsigned)off - CONFIG_AT, width, value);
    } else if (width == 4 && off % 4 == 0) {
        reg_write(ctx, (unsigned)off, (uint32_t)value);
    }
}

static const struct bus_ops slot_ops = {slot_read, slot_write};

int virtio_mmio_add(struct virtio_dev *d)
{
    if (used == VIRTIO_MMIO_SLOTS) {
        return SK_ESLOTS;
    }
    int err = bus_mmio_add(VIRTIO_MMIO_BASE + used * SLOT_SIZE, SLOT_SIZE, &slot_ops, d, d->pci.name);
    if (err) {
        return err;
    }
    d->mmio_slot = used;
    power_present_set((uint16_t)(POWER_HAS_MMIO << used));
    slots[used++] = d;
    return SK_OK;
}

void virtio_mmio_reset(void)
{
    for (unsigned i = 0; i < used; i++) {
        virtio_reset(slots[i]);
    }
}

void virtio_mmio_forget(void)
{
    used = 0;
}

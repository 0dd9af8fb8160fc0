// SPDX-License-Identifier: MIT
// The virtual bus as C functions: one per operation of proto/vbus.h, which has the contracts.
#pragma once

#include <abi/types.h>
#include <proto/vbus.h>
#include <stdbool.h>
#include <stddef.h>

struct vbus_info {
    uint32_t features, irqs, msis, devices;
};

__attribute__((warn_unused_result)) int64_t vbus_info(cap_t bus, struct vbus_info *info);
__attribute__((warn_unused_result)) int64_t vbus_device(cap_t bus, uint32_t index, struct vbus_device *dev);
/* Sets bits in the Command register. */
__attribute__((warn_unused_result)) int64_t vbus_command(cap_t bus, uint32_t index, uint16_t set, uint16_t clear);
/* Maps the part of a memory BAR that begins at its offset 0. */
__attribute__((warn_unused_result)) int64_t vbus_map_bar(cap_t bus, uint32_t index, unsigned bar, volatile void **regs,
                                                         uint64_t *size);
__attribute__((warn_unused_result)) int64_t vbus_dma_space(cap_t bus, uint32_t index, cap_t *space);
__attribute__((warn_unused_result)) int64_t vbus_msi_bind(cap_t bus, uint32_t index, uint32_t msi, uint32_t own,
                                                          cap_t signal, uint64_t *addr, uint32_t *data);
/* Have the two devices the same interrupt line? */
bool vbus_same_line(cap_t bus, uint32_t a, uint32_t b);
__attribute__((warn_unused_result)) int64_t vbus_intx_bind(cap_t bus, uint32_t index, cap_t signal, uint32_t *line,
                                                           uint32_t *level, uint32_t *low);

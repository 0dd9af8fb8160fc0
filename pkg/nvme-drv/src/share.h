// SPDX-License-Identifier: MIT
/* Clients' memory in the controllers' DMA spaces. Two clients of one controller may share the same memory (a VM with
 * two disks), but a DMA space holds it only once: the mapping is counted here and ends with the last of them. */
#pragma once

#include "device.h"

/* *addr: where the controller finds it. SK_EEXIST: a part of it is mapped already, but not the same. */
__attribute__((warn_unused_result)) int64_t share_map(struct device *dev, cap_t mem, uint64_t off, uint64_t size,
                                                      uint64_t *addr);
int64_t share_unmap(struct device *dev, uint64_t addr, uint64_t size);

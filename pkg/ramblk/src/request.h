// SPDX-License-Identifier: MIT
/* Requests of a virtio block device [virtio-1.2 5.2.6], executed at once on a disk in memory. Everything in them comes
 * from a driver that may be hostile. */
#pragma once

#include "disk.h"
#include <virtio/vring.h>

#define REQUEST_SEG_MAX 126u /* data segments */
#define REQUEST_SIZE_MAX (1u << 20)
#define REQUEST_RANGES_MAX 64u
#define REQUEST_RANGE_SECTORS (1u << 16)

/* Features that disks have beside the rings' own, and the configuration. */
uint64_t request_features(const struct disk *d);
void request_config(const struct disk *d, struct virtio_blk_config *config);

/* Executes the request in a chain: the number of bytes written to it, or -1: it has no room for its status. */
int64_t request_execute(const struct disk *d, const struct gmem *mem, struct vring_seg *seg,
                        const struct vring_chain *chain);

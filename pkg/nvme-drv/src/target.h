// SPDX-License-Identifier: MIT
/* From a --device argument to a disk: SERIAL:nNSID for a whole namespace; SERIAL:nNSID:PART, partuuid:UUID (a GPT
 * partition's GUID, or an MBR's signature and number), partlabel:LABEL, or the bare GUID or label for a partition.
 * Upper and lower case count in serial numbers only; of labels that differ in that alone, the exact one is meant. */
#pragma once

#include "blkdev.h"

/* Looks in all controllers that are ready. SK_OK; SK_ENOENT; SK_EEXIST: the name fits several partitions. */
__attribute__((warn_unused_result)) int64_t target_find(struct nvme_ctrl *const *ctrl, unsigned count,
                                                        const char *device, struct blk_target *out);
/* Do the two share a block? */
bool target_overlap(const struct blk_target *a, const struct blk_target *b);
/* All disks there are, in words for a message; always terminated. */
void target_list(struct nvme_ctrl *const *ctrl, unsigned count, char *text, size_t size);

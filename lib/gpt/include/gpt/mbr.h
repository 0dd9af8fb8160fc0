// SPDX-License-Identifier: MIT
/* Legacy master boot records [UEFI-2.9 5.2]: four primary partitions, and logical ones in a chain of extended boot
 * records inside an extended partition. The disk's content is not trusted: every position is checked, the chain is
 * ends where it would come back to a record, and a partition outside its container or overlapping another, the extended
 * partition or one of its boot records is refused on its own.
 *
 * A record with an entry of type EEh ("GPT protective") says that a GUID partition table is in force: `protective`.
 * With other entries beside it, it is a hybrid record, which the specification does not allow: `hybrid`; the caller
 * then goes by the GUID partition table, or uses no partition at all. */
#pragma once

#include <gpt/gpt.h>

#define MBR_PARTS_MAX 64u
#define MBR_UUID_TEXT 12 /* bytes of "xxxxxxxx-nn" with its end */

struct mbr_part {
    uint32_t number; /* primary: 1 to 4, logical: from 5 */
    uint8_t type;
    uint64_t first, last;
    const char *refused; /* why it cannot be used; NULL: it can */
};

struct mbr_table {
    uint32_t signature; /* of the disk */
    bool protective, hybrid;
    const char *damage; /* of the chain of logical partitions, which ends there; NULL: nothing */
    unsigned count;
    struct mbr_part part[MBR_PARTS_MAX];
    unsigned records; /* boot records of logical partitions, and where they are */
    uint64_t record[MBR_PARTS_MAX];
};

/* buf: one block of scratch memory. Return: SK_OK; SK_ENOENT: there is none, or no entry is used; the error of read();
 * SK_EINVAL: impossible block size. */
__attribute__((warn_unused_result)) int64_t mbr_read(const struct gpt_disk *disk, void *buf, size_t size,
                                                     struct mbr_table *t);
/* The name of a partition as Linux has it (PARTUUID): signature and number. */
void mbr_uuid_format(uint32_t signature, uint32_t number, char text[MBR_UUID_TEXT]);

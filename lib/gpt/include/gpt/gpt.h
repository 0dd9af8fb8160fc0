// SPDX-License-Identifier: MIT
/* GUID partition tables [UEFI-2.9 5.3]: reads and checks the primary header and its entries, or the backup at the end
 * of the disk when the primary is damaged. The disk's content is not trusted: both CRCs, all positions and the sizes
 * are checked, and an entry that lies outside the usable range or overlaps another one inside it is refused on its own.
 */
#pragma once

#include <abi/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GPT_ENTRIES_MAX 1024u /* more than that is refused */
#define GPT_GUID_TEXT 37      /* bytes of "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX" with its end */
#define GPT_LABEL_BYTES 109   /* 36 UTF-16 units as UTF-8, with the end */

struct gpt_disk {
    /* Reads whole blocks into buf: SK_OK or an error, which gpt_read() returns if the other copy does not serve. */
    int64_t (*read)(void *ctx, uint64_t lba, uint32_t blocks, void *buf);
    void *ctx;
    uint64_t blocks;
    uint32_t block_size; /* a power of two, 512 to 65536 */
};

struct gpt_guid {
    uint8_t b[16]; /* as on the disk */
};

struct gpt_table {
    const uint8_t *entries; /* in the caller's buffer */
    uint32_t count;         /* entries, used or not */
    uint32_t entry_size;
    uint64_t first_usable, last_usable;
    struct gpt_guid disk_guid;
    uint64_t alternate_lba; /* where the other copy's header is */
    uint32_t entries_crc;
    bool backup;               /* the primary was damaged: */
    const char *damage;        /* what was wrong with it (NULL: nothing) */
    const char *backup_damage; /* the same of the backup: of a good primary's it is the header that was looked at */
};

struct gpt_part {
    uint32_t number; /* 1-based position in the table */
    struct gpt_guid type, guid;
    uint64_t first, last; /* blocks, inclusive */
    uint64_t attributes;
    char label[GPT_LABEL_BYTES];
};

/* Bytes of buffer with which every acceptable table of that block size can be read. */
static inline size_t gpt_buffer_size(uint32_t block_size)
{
    return GPT_ENTRIES_MAX * 128 + 2 * (size_t)block_size;
}

/* Return: SK_OK; SK_ENOENT: neither header has the signature (no GPT); SK_EINVAL: there is a GPT but both copies are
 * damaged (t->damage says how the primary is); or the error of read(). */
__attribute__((warn_unused_result)) int64_t gpt_read(const struct gpt_disk *disk, void *buf, size_t size,
                                                     struct gpt_table *t);
/* Entry i (0-based, below t->count). SK_OK; SK_ENOENT: not used; SK_ERANGE: outside the usable blocks or empty;
 * SK_EEXIST: overlaps another usable entry. p is filled in in all cases but SK_ENOENT. */
__attribute__((warn_unused_result)) int64_t gpt_entry(const struct gpt_table *t, uint32_t i, struct gpt_part *p);

void gpt_guid_format(const struct gpt_guid *g, char text[GPT_GUID_TEXT]);
/* Either case of letters. False: no GUID. */
bool gpt_guid_parse(const char *text, struct gpt_guid *g);
/* The CRC-32 of the specification (IEEE 802.3), for writers and tests. */
uint32_t gpt_crc32(const void *data, size_t len);

// SPDX-License-Identifier: MIT
// Legacy master boot records: see gpt/mbr.h. Positions are those of [UEFI-2.9 5.2.1, table 5-1 and 5-2].
#include <gpt/mbr.h>
#include <string.h>
#include <util/bits.h>

#define MBR_SIGNATURE 440u /* of the disk */
#define MBR_ENTRIES 446u
#define MBR_MAGIC 510u
#define TYPE_PROTECTIVE 0xee

struct mbr_entry { /* on the disk */
    uint8_t boot;  /* 00h or 80h */
    uint8_t first_chs[3];
    uint8_t type; /* 0: not used */
    uint8_t last_chs[3];
    uint32_t start;
    uint32_t blocks;
};
_Static_assert(sizeof(struct mbr_entry) == 16, "mbr_entry layout");
_Static_assert(offsetof(struct mbr_entry, type) == 4, "mbr_entry layout");
_Static_assert(offsetof(struct mbr_entry, start) == 8, "mbr_entry layout");
_Static_assert(offsetof(struct mbr_entry, blocks) == 12, "mbr_entry layout");

struct extent {
    uint64_t first, blocks;
};

static const char overlap[] = "overlaps another one";

static bool is_extended(uint8_t type)
{
    return type == 0x05 || type == 0x0f || type == 0x85;
}

/* One boot record. SK_ENOENT: the block is none: a file system's boot sector has the magic, too, but code where the
 * flags are. */
static int64_t record_read(const struct gpt_disk *disk, uint64_t lba, uint8_t *buf, struct mbr_entry e[4])
{
    int64_t err = disk->read(disk->ctx, lba, 1, buf);

    if (err) {
        return err;
    }
    memcpy(e, buf + MBR_ENTRIES, 4 * sizeof(*e));
    bool flags = !((e[0].boot | e[1].boot | e[2].boot | e[3].boot) & 0x7f);

    return buf[MBR_MAGIC] == 0x55 && buf[MBR_MAGIC + 1] == 0xaa && flags ? SK_OK : SK_ENOENT;
}

static const char *part_add(struct mbr_table *t, uint32_t number, const struct mbr_entry *e, uint64_t base,
                            const struct extent *in)
{
    struct mbr_part *p = &t->part[t->count];
    uint64_t first = base + e->start;

    if (t->count == MBR_PARTS_MAX) {
        return "too many partitions";
    }
    t->count++;
    *p = (struct mbr_part){.number = number, .type = e->type, .first = first, .last = first + e->blocks - 1};
    if (e->blocks == 0) {
        p->refused = "is empty";
        p->last = first;
    } else if (e->start == 0 || first < in->first || !range_ok(first - in->first, e->blocks, in->blocks)) {
        p->refused = "lies outside the disk or its extended partition";
    }
    return NULL;
}

static bool record_seen(const struct mbr_table *t, uint64_t lba)
{
    for (unsigned i = 0; i < t->records; i++) {
        if (t->record[i] == lba) {
            return true;
        }
    }
    return false;
}

/* Walks the chain of an extended partition: entry 1 of each record is a logical partition, relative to the record;
 * entry 2 is the next record, relative to the extended partition. Return: what is wrong, or NULL. */
static const char *chain_read(const struct gpt_disk *disk, uint8_t *buf, struct mbr_table *t, const struct extent *ext,
                              uint32_t *number)
{
    uint64_t at = ext->first;
    struct mbr_entry e[4];

    while (t->records < MBR_PARTS_MAX) {
        if (record_seen(t, at)) {
            return "their chain is a loop";
        }
        t->record[t->records++] = at;
        if (record_read(disk, at, buf, e)) {
            return "a boot record of the chain is none, or cannot be read";
        }
        struct extent inside = {at, ext->first + ext->blocks - at};

        if (e[0].type && !is_extended(e[0].type)) {
            const char *why = part_add(t, (*number)++, &e[0], at, &inside);

            if (why) {
                return why;
            }
        }
        if (!is_extended(e[1].type)) {
            return NULL;
        }
        if (e[1].start == 0 || e[1].start >= ext->blocks) {
            return "a link lies outside the extended partition";
        }
        at = ext->first + e[1].start;
    }
    return "there are too many";
}

/* Why a partition that lies where it may cannot be used, or NULL. One that is refused for its place counts for nothing.
 */
static const char *part_overlaps(const struct mbr_table *t, const struct mbr_part *a)
{
    for (unsigned k = 0; k < t->count; k++) {
        const struct mbr_part *b = &t->part[k];

        if (a != b && (!b->refused || b->refused == overlap) && a->first <= b->last && b->first <= a->last) {
            return overlap;
        }
    }
    for (unsigned k = 0; k < t->records; k++) {
        if (a->first <= t->record[k] && t->record[k] <= a->last) {
            return "overlaps a boot record of logical partitions";
        }
    }
    return NULL;
}

static void overlaps_refuse(struct mbr_table *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        if (!t->part[i].refused) {
            t->part[i].refused = part_overlaps(t, &t->part[i]);
        }
    }
}

/* Primary partitions come first in the table; none may reach into the extended one. */
static void primaries_refuse(struct mbr_table *t, const struct extent *ext)
{
    for (unsigned i = 0; i < t->count && t->part[i].number <= 4; i++) {
        struct mbr_part *p = &t->part[i];

        if (!p->refused && p->first < ext->first + ext->blocks && ext->first <= p->last) {
            p->refused = "overlaps the extended partition";
        }
    }
}

static void extended_read(const struct gpt_disk *disk, uint8_t *buf, struct mbr_table *t, const struct mbr_entry *e,
                          uint32_t *number)
{
    struct extent ext = {e->start, e->blocks};

    if (e->start == 0 || !range_ok(ext.first, ext.blocks, disk->blocks) || ext.blocks == 0) {
        t->damage = "the extended partition lies outside the disk";
        return;
    }
    primaries_refuse(t, &ext);
    const char *why = chain_read(disk, buf, t, &ext, number);

    t->damage = why ? why : t->damage;
}

int64_t mbr_read(const struct gpt_disk *disk, void *buf, size_t size, struct mbr_table *t)
{
    const struct extent all = {0, disk->blocks};
    struct mbr_entry e[4];
    uint32_t number = 5;
    unsigned used = 0;

    *t = (struct mbr_table){0};
    if (!is_pow2(disk->block_size) || disk->block_size < 512 || size < disk->block_size || disk->blocks == 0) {
        return SK_EINVAL;
    }
    int64_t err = record_read(disk, 0, buf, e);

    if (err) {
        return err;
    }
    memcpy(&t->signature, (uint8_t *)buf + MBR_SIGNATURE, sizeof(t->signature));
    for (unsigned i = 0; i < 4; i++) {
        used += e[i].type != 0;
        t->protective |= e[i].type == TYPE_PROTECTIVE;
    }
    t->hybrid = t->protective && used > 1;
    for (uint32_t i = 0; i < 4 && !t->protective; i++) {
        if (e[i].type && !is_extended(e[i].type)) {
            (void)part_add(t, i + 1, &e[i], 0, &all); /* there is room for four */
        }
    }
    for (unsigned i = 0; i < 4 && !t->protective; i++) {
        if (is_extended(e[i].type)) {
            extended_read(disk, buf, t, &e[i], &number);
        }
    }
    overlaps_refuse(t);
    return used ? SK_OK : SK_ENOENT;
}

void mbr_uuid_format(uint32_t signature, uint32_t number, char text[MBR_UUID_TEXT])
{
    static const char digit[] = "0123456789abcdef";

    for (int shift = 28; shift >= 0; shift -= 4) {
        *text++ = digit[signature >> shift & 15];
    }
    *text++ = '-';
    *text++ = digit[number >> 4 & 15];
    *text++ = digit[number & 15];
    *text = 0;
}

// SPDX-License-Identifier: MIT
// GUID partition tables: see gpt/gpt.h. All positions are those of [UEFI-2.9 5.3.2, table 5-5 and 5-6].
#include <gpt/gpt.h>
#include <string.h>
#include <util/bits.h>

struct gpt_header {    /* on the disk */
    char signature[8]; /* "EFI PART" */
    uint32_t revision; /* 0x00010000 */
    uint32_t header_size;
    uint32_t header_crc;
    uint32_t _rsvd;
    uint64_t my_lba;
    uint64_t alternate_lba;
    uint64_t first_usable;
    uint64_t last_usable;
    struct gpt_guid disk_guid;
    uint64_t entries_lba;
    uint32_t entry_count;
    uint32_t entry_size;
    uint32_t entries_crc;
    uint32_t _pad; /* not part of the 92 bytes */
};
_Static_assert(offsetof(struct gpt_header, header_size) == 12, "gpt_header layout");
_Static_assert(offsetof(struct gpt_header, header_crc) == 16, "gpt_header layout");
_Static_assert(offsetof(struct gpt_header, my_lba) == 24, "gpt_header layout");
_Static_assert(offsetof(struct gpt_header, first_usable) == 40, "gpt_header layout");
_Static_assert(offsetof(struct gpt_header, disk_guid) == 56, "gpt_header layout");
_Static_assert(offsetof(struct gpt_header, entries_lba) == 72, "gpt_header layout");
_Static_assert(offsetof(struct gpt_header, entry_count) == 80, "gpt_header layout");
_Static_assert(offsetof(struct gpt_header, entries_crc) == 88, "gpt_header layout");
#define GPT_HEADER_BYTES 92u

struct gpt_raw_entry {
    struct gpt_guid type;
    struct gpt_guid guid;
    uint64_t first;
    uint64_t last;
    uint64_t attributes;
    uint16_t name[36];
};
_Static_assert(sizeof(struct gpt_raw_entry) == 128, "gpt_raw_entry layout");
_Static_assert(offsetof(struct gpt_raw_entry, first) == 32, "gpt_raw_entry layout");
_Static_assert(offsetof(struct gpt_raw_entry, attributes) == 48, "gpt_raw_entry layout");
_Static_assert(offsetof(struct gpt_raw_entry, name) == 56, "gpt_raw_entry layout");
_Static_assert(GPT_ENTRIES_MAX == 1024, "a message below says so");

uint32_t gpt_crc32(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t crc = ~0u;

    while (len-- > 0) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++) {
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
        }
    }
    return ~crc;
}

static uint32_t entries_blocks(const struct gpt_disk *disk, const struct gpt_header *h)
{
    return (h->entry_count * h->entry_size + disk->block_size - 1) / disk->block_size;
}

/* Whether partitions could lie over the header or its entries. */
static bool usable_covers_table(const struct gpt_header *h, uint32_t blocks)
{
    return (h->first_usable <= h->my_lba && h->my_lba <= h->last_usable) ||
           (h->first_usable < h->entries_lba + blocks && h->entries_lba <= h->last_usable);
}

/* What is wrong with the header in block `lba`, or NULL. Its block is a private copy. */
static const char *header_check(const struct gpt_disk *disk, uint8_t *block, const struct gpt_header *h, uint64_t lba)
{
    static const uint32_t zero;

    if (h->header_size < GPT_HEADER_BYTES || h->header_size > disk->block_size) {
        return "header size";
    }
    memcpy(block + offsetof(struct gpt_header, header_crc), &zero, sizeof(zero));
    if (gpt_crc32(block, h->header_size) != h->header_crc) {
        return "header CRC";
    }
    if (h->revision >> 16 != 1) {
        return "revision";
    }
    if (h->my_lba != lba) {
        return "header position";
    }
    if (h->entry_size < 128 || h->entry_size > 4096 || !is_pow2(h->entry_size) || h->entry_count == 0) {
        return "number or size of entries";
    }
    if (h->entry_count > GPT_ENTRIES_MAX || h->entry_size * h->entry_count > GPT_ENTRIES_MAX * 128) {
        return "more entries than the 1024 of 128 bytes that can be used";
    }
    if (h->first_usable > h->last_usable || h->last_usable >= disk->blocks) {
        return "usable range";
    }
    if (h->entries_lba < 2 || !range_ok(h->entries_lba, entries_blocks(disk, h), disk->blocks)) {
        return "position of the entries";
    }
    return usable_covers_table(h, entries_blocks(disk, h)) ? "usable range" : NULL;
}

/* The header in block lba, checked. SK_ENOENT: no signature; SK_EINVAL: *damage is set; or the error of read(). */
static int64_t header_read(const struct gpt_disk *disk, uint64_t lba, uint8_t *buf, struct gpt_header *h,
                           const char **damage)
{
    int64_t err = disk->read(disk->ctx, lba, 1, buf);

    if (err) {
        *damage = "it cannot be read";
        return err;
    }
    memcpy(h, buf, GPT_HEADER_BYTES);
    if (memcmp(h->signature, "EFI PART", 8) != 0) {
        *damage = "signature";
        return SK_ENOENT;
    }
    *damage = header_check(disk, buf, h, lba);
    return *damage ? SK_EINVAL : SK_OK;
}

/* One copy of the table: as header_read(). */
static int64_t copy_read(const struct gpt_disk *disk, uint64_t lba, uint8_t *buf, struct gpt_table *t,
                         const char **damage)
{
    struct gpt_header h;
    int64_t err = header_read(disk, lba, buf, &h, damage);

    if (err == SK_OK || err == SK_EINVAL) {
        t->alternate_lba = h.alternate_lba;
    }
    if (err) {
        return err;
    }
    err = disk->read(disk->ctx, h.entries_lba, entries_blocks(disk, &h), buf);
    if (err) {
        *damage = "the entries cannot be read";
        return err;
    }
    if (gpt_crc32(buf, h.entry_count * h.entry_size) != h.entries_crc) {
        *damage = "CRC of the entries";
        return SK_EINVAL;
    }
    t->entries = buf;
    t->count = h.entry_count;
    t->entry_size = h.entry_size;
    t->first_usable = h.first_usable;
    t->last_usable = h.last_usable;
    t->disk_guid = h.disk_guid;
    t->entries_crc = h.entries_crc;
    return SK_OK;
}

/* What is wrong with the backup of a good primary table, or NULL. `block` is scratch memory. */
static const char *backup_check(const struct gpt_disk *disk, const struct gpt_table *t, uint8_t *block)
{
    struct gpt_header h;
    const char *damage;

    if (t->alternate_lba <= t->last_usable || t->alternate_lba >= disk->blocks) {
        return "its position";
    }
    if (header_read(disk, t->alternate_lba, block, &h, &damage)) {
        return damage;
    }
    return h.entries_crc != t->entries_crc ? "it has other entries" : NULL;
}

int64_t gpt_read(const struct gpt_disk *disk, void *buf, size_t size, struct gpt_table *t)
{
    memset(t, 0, sizeof(*t));
    if (!is_pow2(disk->block_size) || disk->block_size < 512 || disk->block_size > 65536 ||
        size < gpt_buffer_size(disk->block_size)) {
        return SK_EINVAL;
    }
    if (disk->blocks < 3) {
        return SK_ENOENT;
    }
    int64_t err = copy_read(disk, 1, buf, t, &t->damage);

    if (err == SK_OK) {
        t->backup_damage = backup_check(disk, t, (uint8_t *)buf + size - disk->block_size);
        return SK_OK;
    }
    uint64_t place = t->alternate_lba;
    int64_t backup = copy_read(disk, disk->blocks - 1, buf, t, &t->backup_damage);

    if (backup != SK_OK && place > 1 && place < disk->blocks - 1) {
        /* a disk that has grown since; a damaged header can say that, as what is found there is checked like any */
        int64_t other = copy_read(disk, place, buf, t, &t->backup_damage);

        backup = other == SK_OK || backup == SK_ENOENT ? other : backup;
    }
    if (backup == SK_OK) {
        t->backup = true;
        return SK_OK;
    }
    if (err == SK_EINVAL || backup == SK_EINVAL) {
        return SK_EINVAL;
    }
    return err == SK_ENOENT ? backup : err;
}

static struct gpt_raw_entry entry_raw(const struct gpt_table *t, uint32_t i)
{
    struct gpt_raw_entry e;

    memcpy(&e, t->entries + (size_t)i * t->entry_size, sizeof(e));
    return e;
}

static bool entry_used(const struct gpt_raw_entry *e)
{
    static const struct gpt_guid unused;

    return memcmp(&e->type, &unused, sizeof(unused)) != 0;
}

/* UTF-16 to UTF-8; what is no character becomes U+FFFD, control characters become question marks. */
static void label_convert(const uint16_t *in, char *out)
{
    for (int i = 0; i < 36 && in[i]; i++) {
        uint32_t c = in[i];

        if (c >= 0xd800 && c < 0xdc00 && i < 35 && in[i + 1] >= 0xdc00 && in[i + 1] < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (in[++i] - 0xdc00u);
        } else if (c >= 0xd800 && c < 0xe000) {
            c = 0xfffd;
        }
        if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            c = '?'; /* no commands for a terminal, no lines of its own in a log */
        }
        if (c < 0x80) {
            *out++ = (char)c;
        } else if (c < 0x800) {
            *out++ = (char)(0xc0 | c >> 6);
            *out++ = (char)(0x80 | (c & 0x3f));
        } else {
            if (c < 0x10000) {
                *out++ = (char)(0xe0 | c >> 12);
            } else {
                *out++ = (char)(0xf0 | c >> 18);
                *out++ = (char)(0x80 | (c >> 12 & 0x3f));
            }
            *out++ = (char)(0x80 | (c >> 6 & 0x3f));
            *out++ = (char)(0x80 | (c & 0x3f));
        }
    }
    *out = 0;
}

static bool entry_in_range(const struct gpt_table *t, const struct gpt_raw_entry *e)
{
    return e->first <= e->last && e->first >= t->first_usable && e->last <= t->last_usable;
}

int64_t gpt_entry(const struct gpt_table *t, uint32_t i, struct gpt_part *p)
{
    struct gpt_raw_entry e = entry_raw(t, i);

    if (!entry_used(&e)) {
        return SK_ENOENT;
    }
    *p = (struct gpt_part){
        .number = i + 1, .type = e.type, .guid = e.guid, .first = e.first, .last = e.last, .attributes = e.attributes};
    label_convert(e.name, p->label);
    if (!entry_in_range(t, &e)) {
        return SK_ERANGE;
    }
    for (uint32_t k = 0; k < t->count; k++) {
        struct gpt_raw_entry o = entry_raw(t, k);

        if (k != i && entry_used(&o) && entry_in_range(t, &o) && o.first <= e.last && e.first <= o.last) {
            return SK_EEXIST;
        }
    }
    return SK_OK;
}

/* Text order of the bytes: the first three groups are little-endian numbers [UEFI-2.9 appendix A]. */
static const uint8_t guid_order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

void gpt_guid_format(const struct gpt_guid *g, char text[GPT_GUID_TEXT])
{
    static const char digit[] = "0123456789ABCDEF";

    for (int i = 0; i < 16; i++) {
        uint8_t b = g->b[guid_order[i]];

        *text++ = digit[b >> 4];
        *text++ = digit[b & 15];
        if (i == 3 || i == 5 || i == 7 || i == 9) {
            *text++ = '-';
        }
    }
    *text = 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool gpt_guid_parse(const char *text, struct gpt_guid *g)
{
    for (int i = 0; i < 16; i++) {
        int hi = hex_digit(text[0]);
        int lo = hi < 0 ? -1 : hex_digit(text[1]);

        if (lo < 0) {
            return false;
        }
        g->b[guid_order[i]] = (uint8_t)(hi << 4 | lo);
        text += 2;
        if (i == 3 || i == 5 || i == 7 || i == 9) {
            if (*text++ != '-') {
                return false;
            }
        }
    }
    return *text == 0;
}

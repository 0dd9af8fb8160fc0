// SPDX-License-Identifier: MIT
#include "ramdisk.h"
#include "deflate.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

#define CPIO_HEADER 110u /* 6 of magic, 13 fields of 8 hexadecimal digits */
#define CPIO_FILESIZE 54u
#define CPIO_NAMESIZE 94u
#define GZIP_HEADER 10u
#define GZIP_TRAILER 8u
#define ZSTD_MAGIC 0xfd2fb528u
#define LZ4_MAGIC 0x184c2102u /* lz4 -l, the form that Linux takes [LZ4 Frame Format, "Legacy frame"] */
#define LZ4_DATA_MAX (8u << 20)
#define LZ4_BLOCK_MAX (LZ4_DATA_MAX + LZ4_DATA_MAX / 255 + 16) /* data that do not shrink */

enum walk { WALK_NEXT, WALK_TRUNCATED, WALK_UNKNOWN };

struct cursor {
    const uint8_t *p;
    size_t size, at;
};

/* False: the data end before that. */
static bool advance(struct cursor *c, uint64_t n)
{
    if (n > c->size - c->at) {
        return false;
    }
    c->at += n;
    return true;
}

static uint64_t little(const struct cursor *c, size_t at, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes && at + i < c->size; i++) {
        v |= (uint64_t)c->p[at + i] << (8 * i);
    }
    return v;
}

static uint64_t hex8(const uint8_t *p)
{
    char text[9] = {0};

    memcpy(text, p, 8);
    return strtoul(text, NULL, 16);
}

/* One archive, up to and with its TRAILER!!!. */
static enum walk cpio_walk(struct cursor *c)
{
    bool last = false;

    while (!last) {
        const uint8_t *h = c->p + c->at;
        size_t start = c->at;
        if (!advance(c, CPIO_HEADER)) {
            return WALK_TRUNCATED;
        }
        if (memcmp(h, "07070", 5) != 0) {
            return WALK_UNKNOWN;
        }
        uint64_t name = hex8(h + CPIO_NAMESIZE), file = hex8(h + CPIO_FILESIZE);
        const char *text = (const char *)c->p + c->at;
        if (!advance(c, name)) {
            return WALK_TRUNCATED;
        }
        last = name == 11 && memcmp(text, "TRAILER!!!", 10) == 0;
        /* Name and data are padded to 4 bytes; behind the trailer the padding may be missing. */
        if (!last && (!advance(c, align_up(c->at - start, 4) - (c->at - start)) || !advance(c, align_up(file, 4)))) {
            return WALK_TRUNCATED;
        }
    }
    return WALK_NEXT;
}

/* Optional parts of the header [RFC 1952 2.3]. */
static bool gzip_header(struct cursor *c)
{
    unsigned flags = c->size - c->at > 3 ? c->p[c->at + 3] : 0;

    if (!advance(c, GZIP_HEADER)) {
        return false;
    }
    if ((flags & 4) != 0 && !(advance(c, 2) && advance(c, little(c, c->at - 2, 2)))) {
        return false;
    }
    for (unsigned bit = 8; bit <= 16; bit *= 2) { /* name, comment: up to a zero */
        const uint8_t *end = c->at < c->size ? memchr(c->p + c->at, 0, c->size - c->at) : NULL;
        if ((flags & bit) != 0 && (end == NULL || !advance(c, (uint64_t)(end - c->p) + 1 - c->at))) {
            return false;
        }
    }
    return (flags & 2) == 0 || advance(c, 2);
}

static enum walk gzip_walk(struct cursor *c)
{
    size_t used = 0;

    if (!gzip_header(c)) {
        return WALK_TRUNCATED;
    }
    enum deflate_end end = deflate_skip(c->p + c->at, c->size - c->at, &used);
    if (end == DEFLATE_BAD) {
        return WALK_UNKNOWN;
    }
    return end == DEFLATE_DONE && advance(c, used) && advance(c, GZIP_TRAILER) ? WALK_NEXT : WALK_TRUNCATED;
}

/* Bytes of a frame's header behind the magic number [RFC 8878 3.1.1.1]. */
static unsigned zstd_header(uint8_t descriptor)
{
    static const uint8_t dictionary[] = {0, 1, 2, 4}, content[] = {0, 2, 4, 8};
    bool single = (descriptor & 0x20) != 0;
    unsigned size = content[descriptor >> 6];

    return 1 + !single + dictionary[descriptor & 3] + (size == 0 && single ? 1 : size);
}

static enum walk zstd_walk(struct cursor *c)
{
    uint8_t descriptor = (uint8_t)little(c, c->at + 4, 1);
    uint64_t block;

    if (!advance(c, 4) || !advance(c, zstd_header(descriptor))) {
        return WALK_TRUNCATED;
    }
    do {
        block = little(c, c->at, 3);
        unsigned type = block >> 1 & 3;
        if (type == 3) {
            return WALK_UNKNOWN;
        }
        if (!advance(c, 3) || !advance(c, type == 1 ? 1 : block >> 3)) {
            return WALK_TRUNCATED;
        }
    } while ((block & 1) == 0);
    return (descriptor & 4) == 0 || advance(c, 4) ? WALK_NEXT : WALK_TRUNCATED;
}

static enum walk xz_walk(struct cursor *c)
{
    size_t end = c->size;

    while (end > c->at && c->p[end - 1] == 0) {
        end--;
    }
    c->at = c->size;
    return end >= 2 && memcmp(c->p + end - 2, "YZ", 2) == 0 ? WALK_NEXT : WALK_TRUNCATED;
}

/* Blocks behind a length each, up to the end or something else: a length that is no block's begins the next archive. */
static enum walk lz4_walk(struct cursor *c)
{
    if (!advance(c, 4)) {
        return WALK_TRUNCATED;
    }
    while (c->at < c->size) {
        uint64_t block = little(c, c->at, 4);
        if (block == 0 || block > LZ4_BLOCK_MAX) {
            return WALK_NEXT;
        }
        if (!advance(c, 4) || !advance(c, block)) {
            return WALK_TRUNCATED;
        }
    }
    return WALK_NEXT;
}

static enum walk archive_walk(struct cursor *c)
{
    static const uint8_t xz[6] = {0xfd, '7', 'z', 'X', 'Z', 0};
    size_t left = c->size - c->at;

    if (left >= 6 && memcmp(c->p + c->at, "07070", 5) == 0) {
        return cpio_walk(c);
    }
    if (left >= 2 && c->p[c->at] == 0x1f && c->p[c->at + 1] == 0x8b) {
        return gzip_walk(c);
    }
    if (left >= 4 && little(c, c->at, 4) == ZSTD_MAGIC) {
        return zstd_walk(c);
    }
    if (left >= 4 && little(c, c->at, 4) == LZ4_MAGIC) {
        return lz4_walk(c);
    }
    return left >= 6 && memcmp(c->p + c->at, xz, 6) == 0 ? xz_walk(c) : WALK_UNKNOWN;
}

/* What Linux knows besides: bzip2, lzma, lzo, and images of file systems for root=/dev/ram0 (ext2, romfs, cramfs). */
bool ramdisk_known(const void *data, size_t size)
{
    struct cursor c = {data, size, 0};
    const uint8_t *p = data;

    while (c.at < size && p[c.at] == 0) {
        c.at++;
    }
    return c.at == size || archive_walk(&c) != WALK_UNKNOWN || (size > 3 && memcmp(p, "BZh", 3) == 0) ||
           (size > 3 && memcmp(p, "\x5d\0\0", 3) == 0) || (size > 4 && memcmp(p, "\x89LZO", 4) == 0) ||
           (size > 0x43a && p[0x438] == 0x53 && p[0x439] == 0xef) || (size > 8 && memcmp(p, "-rom1fs-", 8) == 0) ||
           (size > 4 && memcmp(p, "\x45\x3d\xcd\x28", 4) == 0);
}

const char *ramdisk_check(const void *data, size_t size)
{
    struct cursor c = {data, size, 0};
    enum walk w = WALK_NEXT;

    while (w == WALK_NEXT) {
        while (c.at < size && c.p[c.at] == 0) {
            c.at++;
        }
        if (c.at == size) {
            return NULL;
        }
        w = archive_walk(&c);
    }
    return w == WALK_TRUNCATED ? "it is truncated: its archive ends too early" : NULL;
}

// SPDX-License-Identifier: MIT
// See request.h.
#include "request.h"

#include <string.h>
#include <util/bits.h>

/* A position in the segments of one direction. */
struct cursor {
    const struct gmem *mem;
    struct vring_seg *seg;
    unsigned count;
};

static uint64_t cursor_left(const struct cursor *c)
{
    uint64_t left = 0;

    for (unsigned i = 0; i < c->count; i++) {
        left += c->seg[i].len;
    }
    return left;
}

/* Copies len bytes between buf and the segments, in their direction. False: there is less, or no memory. */
static bool cursor_copy(struct cursor *c, void *buf, uint64_t len)
{
    uint8_t *at = buf;

    while (len > 0) {
        if (c->count == 0) {
            return false;
        }
        struct vring_seg *s = c->seg;
        uint32_t n = (uint32_t)min(len, (uint64_t)s->len);

        if (s->write ? !gmem_write(c->mem, s->gpa, at, n) : !gmem_read(c->mem, s->gpa, at, n)) {
            return false;
        }
        at += n;
        len -= n;
        s->gpa += n;
        s->len -= n;
        if (s->len == 0) {
            c->seg++;
            c->count--;
        }
    }
    return true;
}

uint64_t request_features(const struct disk *d)
{
    return VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH |
           (d->readonly ? VIRTIO_BLK_F_RO : VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES);
}

void request_config(const struct disk *d, struct virtio_blk_config *config)
{
    *config = (struct virtio_blk_config){
        .capacity = d->size / VIRTIO_BLK_SECTOR,
        .size_max = REQUEST_SIZE_MAX,
        .seg_max = REQUEST_SEG_MAX,
        .blk_size = VIRTIO_BLK_SECTOR,
    };
    if (!d->readonly) {
        config->max_discard_sectors = config->max_write_zeroes_sectors = REQUEST_RANGE_SECTORS;
        config->max_discard_seg = config->max_write_zeroes_seg = REQUEST_RANGES_MAX;
        config->discard_sector_alignment = 1;
    }
}

static bool sectors_ok(const struct disk *d, uint64_t sector, uint64_t count)
{
    return range_ok(sector, count, d->size / VIRTIO_BLK_SECTOR);
}

static uint8_t transfer(const struct disk *d, uint64_t sector, struct cursor *data)
{
    uint64_t left = cursor_left(data), len;

    if (left == 0 || left % VIRTIO_BLK_SECTOR || !sectors_ok(d, sector, left / VIRTIO_BLK_SECTOR)) {
        return VIRTIO_BLK_S_IOERR;
    }
    for (uint64_t off = sector * VIRTIO_BLK_SECTOR; left > 0; off += len, left -= len) {
        uint8_t *at = disk_at(d, off, &len);

        len = min(len, left);
        if (!cursor_copy(data, at, len)) {
            return VIRTIO_BLK_S_IOERR;
        }
    }
    return VIRTIO_BLK_S_OK;
}

static void clear(const struct disk *d, uint64_t off, uint64_t left)
{
    for (uint64_t len; left > 0; off += len, left -= len) {
        uint8_t *at = disk_at(d, off, &len);

        len = min(len, left);
        memset(at, 0, len);
    }
}

static uint8_t range_status(const struct disk *d, const struct virtio_blk_range *r, bool discard)
{
    if (r->flags & ~(discard ? 0 : VIRTIO_BLK_RANGE_F_UNMAP)) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    return r->num_sectors <= REQUEST_RANGE_SECTORS && sectors_ok(d, r->sector, r->num_sectors) ? VIRTIO_BLK_S_OK
                                                                                               : VIRTIO_BLK_S_IOERR;
}

/* Discarded sectors read as zeros, as those of write zeroes do. All ranges are checked before any is cleared. */
static uint8_t clear_ranges(const struct disk *d, struct cursor *data, bool discard)
{
    struct virtio_blk_range range[REQUEST_RANGES_MAX];
    uint64_t bytes = cursor_left(data), count = bytes / sizeof(range[0]);

    if (d->readonly || bytes == 0 || bytes % sizeof(range[0]) || count > REQUEST_RANGES_MAX ||
        !cursor_copy(data, range, bytes)) {
        return VIRTIO_BLK_S_IOERR;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint8_t status = range_status(d, &range[i], discard);

        if (status != VIRTIO_BLK_S_OK) {
            return status;
        }
    }
    for (uint64_t i = 0; i < count; i++) {
        clear(d, range[i].sector * VIRTIO_BLK_SECTOR, (uint64_t)range[i].num_sectors * VIRTIO_BLK_SECTOR);
    }
    return VIRTIO_BLK_S_OK;
}

static uint8_t get_id(const struct disk *d, struct cursor *data)
{
    char id[VIRTIO_BLK_ID_BYTES];
    uint64_t len = min(cursor_left(data), sizeof(id));

    memcpy(id, d->id, sizeof(id));
    return len > 0 && cursor_copy(data, id, len) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

/* in: what the driver sends behind the header; out: its room for the answer. */
static uint8_t execute(const struct disk *d, const struct virtio_blk_req *h, struct cursor *in, struct cursor *out)
{
    switch (h->type) {
    case VIRTIO_BLK_T_IN:
        return transfer(d, h->sector, out);
    case VIRTIO_BLK_T_OUT:
        return d->readonly ? VIRTIO_BLK_S_IOERR : transfer(d, h->sector, in);
    case VIRTIO_BLK_T_FLUSH:
        return VIRTIO_BLK_S_OK; /* memory has no cache to be written back */
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        return clear_ranges(d, in, h->type == VIRTIO_BLK_T_DISCARD);
    case VIRTIO_BLK_T_GET_ID:
        return get_id(d, out);
    default:
        return VIRTIO_BLK_S_UNSUPP;
    }
}

int64_t request_execute(const struct disk *d, const struct gmem *mem, struct vring_seg *seg,
                        const struct vring_chain *chain)
{
    struct cursor in = {mem, seg, chain->readable}, out = {mem, seg + chain->readable, chain->writable};
    struct virtio_blk_req h;
    uint8_t *status = NULL;

    if (chain->writable > 0) {
        struct vring_seg *last = &out.seg[chain->writable - 1];

        last->len--; /* the status is the last byte */
        status = gmem_ptr(mem, last->gpa + last->len, 1);
        out.count -= last->len == 0;
    }
    if (!status) {
        return -1;
    }
    uint64_t room = cursor_left(&out);

    *status = cursor_copy(&in, &h, sizeof(h)) ? execute(d, &h, &in, &out) : VIRTIO_BLK_S_IOERR;
    return (int64_t)(room - cursor_left(&out)) + 1;
}

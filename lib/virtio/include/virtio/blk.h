// SPDX-License-Identifier: MIT
// The virtio block device [virtio-1.2 5.2]: feature bits (as masks), configuration, requests.
#pragma once

#include <stddef.h>
#include <stdint.h>

/* [virtio-1.2 5.2.3] */
#define VIRTIO_BLK_F_SIZE_MAX (1ull << 1)
#define VIRTIO_BLK_F_SEG_MAX (1ull << 2)
#define VIRTIO_BLK_F_GEOMETRY (1ull << 4)
#define VIRTIO_BLK_F_RO (1ull << 5)
#define VIRTIO_BLK_F_BLK_SIZE (1ull << 6)
#define VIRTIO_BLK_F_FLUSH (1ull << 9)
#define VIRTIO_BLK_F_TOPOLOGY (1ull << 10)
#define VIRTIO_BLK_F_CONFIG_WCE (1ull << 11)
#define VIRTIO_BLK_F_MQ (1ull << 12)
#define VIRTIO_BLK_F_DISCARD (1ull << 13)
#define VIRTIO_BLK_F_WRITE_ZEROES (1ull << 14)
#define VIRTIO_BLK_F_LIFETIME (1ull << 15)
#define VIRTIO_BLK_F_SECURE_ERASE (1ull << 16)

/* [virtio-1.2 5.2.4] */
struct virtio_blk_config {
    uint64_t capacity; /* in 512-byte sectors */
    uint32_t size_max;
    uint32_t seg_max;
    struct {
        uint16_t cylinders;
        uint8_t heads;
        uint8_t sectors;
    } geometry;
    uint32_t blk_size;
    struct {
        uint8_t physical_block_exp;
        uint8_t alignment_offset;
        uint16_t min_io_size;
        uint32_t opt_io_size;
    } topology;
    uint8_t writeback;
    uint8_t unused0;
    uint16_t num_queues;
    uint32_t max_discard_sectors;
    uint32_t max_discard_seg;
    uint32_t discard_sector_alignment;
    uint32_t max_write_zeroes_sectors;
    uint32_t max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap;
    uint8_t unused1[3];
    uint32_t max_secure_erase_sectors;
    uint32_t max_secure_erase_seg;
    uint32_t secure_erase_sector_alignment;
};
_Static_assert(offsetof(struct virtio_blk_config, size_max) == 8, "virtio_blk_config layout");
_Static_assert(offsetof(struct virtio_blk_config, seg_max) == 12, "virtio_blk_config layout");
_Static_assert(offsetof(struct virtio_blk_config, geometry) == 16, "virtio_blk_config layout");
_Static_assert(offsetof(struct virtio_blk_config, blk_size) == 20, "virtio_blk_config layout");
_Static_assert(offsetof(struct virtio_blk_config, topology) == 24, "virtio_blk_config layout");
_Static_assert(offsetof(struct virtio_blk_config, writeback) == 32, "virtio_blk_config layout");
_Static_assert(offsetof(struct virtio_blk_config, num_queues) == 34, "virtio_blk_config layout");
_Static_assert(offsetof(struct virtio_blk_config, max_discard_sectors) == 36, "virtio_blk_config layout");
_Static_assert(offsetof(struct virtio_blk_config, max_write_zeroes_sectors) == 48, "virtio_blk_config layout");
_Static_assert(offsetof(struct virtio_blk_config, write_zeroes_may_unmap) == 56, "virtio_blk_config layout");
_Static_assert(offsetof(struct virtio_blk_config, max_secure_erase_sectors) == 60, "virtio_blk_config layout");
_Static_assert(sizeof(struct virtio_blk_config) == 72, "virtio_blk_config layout");

/* Request: this header (device-readable), data, one status byte (device-writable) [virtio-1.2 5.2.6]. */
struct virtio_blk_req {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector; /* 512-byte units */
};
_Static_assert(sizeof(struct virtio_blk_req) == 16, "virtio_blk_req layout");
_Static_assert(offsetof(struct virtio_blk_req, sector) == 8, "virtio_blk_req layout");

/* Data of DISCARD, WRITE_ZEROES and SECURE_ERASE: one or more of these (device-readable) [virtio-1.2 5.2.6]. */
struct virtio_blk_range {
    uint64_t sector;
    uint32_t num_sectors;
    uint32_t flags;
};
#define VIRTIO_BLK_RANGE_F_UNMAP 1u /* WRITE_ZEROES only: may deallocate */
_Static_assert(sizeof(struct virtio_blk_range) == 16, "virtio_blk_range layout");
_Static_assert(offsetof(struct virtio_blk_range, num_sectors) == 8, "virtio_blk_range layout");
_Static_assert(offsetof(struct virtio_blk_range, flags) == 12, "virtio_blk_range layout");

enum virtio_blk_type {
    VIRTIO_BLK_T_IN = 0,
    VIRTIO_BLK_T_OUT = 1,
    VIRTIO_BLK_T_FLUSH = 4,
    VIRTIO_BLK_T_GET_ID = 8,
    VIRTIO_BLK_T_GET_LIFETIME = 10,
    VIRTIO_BLK_T_DISCARD = 11,
    VIRTIO_BLK_T_WRITE_ZEROES = 13,
    VIRTIO_BLK_T_SECURE_ERASE = 14,
};

enum virtio_blk_status { VIRTIO_BLK_S_OK = 0, VIRTIO_BLK_S_IOERR = 1, VIRTIO_BLK_S_UNSUPP = 2 };

#define VIRTIO_BLK_ID_BYTES 20 /* [virtio-1.2 5.2.6] GET_ID: not terminated when all are used */
#define VIRTIO_BLK_SECTOR 512u

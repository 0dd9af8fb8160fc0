// SPDX-License-Identifier: MIT
/* Constants and ring structures of virtio, version 1.2 [virtio-1.2]: device status, feature bits, device types, the
 * split and the packed virtqueue. All fields are little endian, as is the only machine we run on. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Device types [virtio-1.2 5] */
#define VIRTIO_ID_NET 1
#define VIRTIO_ID_BLOCK 2
#define VIRTIO_ID_CONSOLE 3

/* Device status [virtio-1.2 2.1] */
#define VIRTIO_STATUS_ACKNOWLEDGE 0x01
#define VIRTIO_STATUS_DRIVER 0x02
#define VIRTIO_STATUS_DRIVER_OK 0x04
#define VIRTIO_STATUS_FEATURES_OK 0x08
#define VIRTIO_STATUS_NEEDS_RESET 0x40
#define VIRTIO_STATUS_FAILED 0x80

/* Feature bits of every device type, as masks [virtio-1.2 6] */
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ull << 33)
#define VIRTIO_F_RING_PACKED (1ull << 34)
#define VIRTIO_F_IN_ORDER (1ull << 35)
#define VIRTIO_F_ORDER_PLATFORM (1ull << 36)
#define VIRTIO_F_SR_IOV (1ull << 37)
#define VIRTIO_F_NOTIFICATION_DATA (1ull << 38)
#define VIRTIO_F_NOTIF_CONFIG_DATA (1ull << 39)
#define VIRTIO_F_RING_RESET (1ull << 40)

#define VIRTQ_MAX_SIZE 32768u /* [virtio-1.2 2.7] */

/* Descriptor table entry [virtio-1.2 2.7.5] */
#define VIRTQ_DESC_F_NEXT 1
#define VIRTQ_DESC_F_WRITE 2
#define VIRTQ_DESC_F_INDIRECT 4
struct virtq_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};
_Static_assert(sizeof(struct virtq_desc) == 16, "virtq_desc layout");
_Static_assert(offsetof(struct virtq_desc, len) == 8, "virtq_desc layout");
_Static_assert(offsetof(struct virtq_desc, flags) == 12, "virtq_desc layout");
_Static_assert(offsetof(struct virtq_desc, next) == 14, "virtq_desc layout");

/* Available ring ("driver area") [virtio-1.2 2.7.6]; behind ring[num] follows used_event with EVENT_IDX. */
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1
struct virtq_avail {
    uint16_t flags;
    uint16_t idx;
    uint16_t ring[];
};
_Static_assert(offsetof(struct virtq_avail, idx) == 2, "virtq_avail layout");
_Static_assert(offsetof(struct virtq_avail, ring) == 4, "virtq_avail layout");

/* Used ring ("device area") [virtio-1.2 2.7.8]; behind ring[num] follows avail_event with EVENT_IDX. */
#define VIRTQ_USED_F_NO_NOTIFY 1
struct virtq_used_elem {
    uint32_t id;
    uint32_t len;
};
struct virtq_used {
    uint16_t flags;
    uint16_t idx;
    struct virtq_used_elem ring[];
};
_Static_assert(sizeof(struct virtq_used_elem) == 8, "virtq_used_elem layout");
_Static_assert(offsetof(struct virtq_used_elem, len) == 4, "virtq_used_elem layout");
_Static_assert(offsetof(struct virtq_used, idx) == 2, "virtq_used layout");
_Static_assert(offsetof(struct virtq_used, ring) == 4, "virtq_used layout");

/* Bytes of each area, with the event field [virtio-1.2 2.7], and their alignment. */
#define VIRTQ_DESC_BYTES(num) (16ull * (num))
#define VIRTQ_AVAIL_BYTES(num) (6 + 2ull * (num))
#define VIRTQ_USED_BYTES(num) (6 + 8ull * (num))
#define VIRTQ_DESC_ALIGN 16
#define VIRTQ_AVAIL_ALIGN 2
#define VIRTQ_USED_ALIGN 4

/* Packed virtqueue: element of the descriptor ring [virtio-1.2 2.8.6] */
#define VIRTQ_PDESC_F_AVAIL (1 << 7)
#define VIRTQ_PDESC_F_USED (1 << 15)
struct virtq_pdesc {
    uint64_t addr;
    uint32_t len;
    uint16_t id;
    uint16_t flags; /* VIRTQ_DESC_F_*, VIRTQ_PDESC_F_* */
};
_Static_assert(sizeof(struct virtq_pdesc) == 16, "virtq_pdesc layout");
_Static_assert(offsetof(struct virtq_pdesc, len) == 8, "virtq_pdesc layout");
_Static_assert(offsetof(struct virtq_pdesc, id) == 12, "virtq_pdesc layout");
_Static_assert(offsetof(struct virtq_pdesc, flags) == 14, "virtq_pdesc layout");

/* Event suppression: the driver's and the device's area [virtio-1.2 2.8.14] */
#define VIRTQ_PEVENT_ENABLE 0
#define VIRTQ_PEVENT_DISABLE 1
#define VIRTQ_PEVENT_DESC 2 /* only with EVENT_IDX */
struct virtq_pevent {
    uint16_t desc;  /* 14:0 position in the ring, 15 wrap counter */
    uint16_t flags; /* 1:0 VIRTQ_PEVENT_* */
};
#define VIRTQ_PEVENT_BYTES 4ull
#define VIRTQ_PEVENT_ALIGN 4
_Static_assert(sizeof(struct virtq_pevent) == VIRTQ_PEVENT_BYTES, "virtq_pevent layout");
_Static_assert(offsetof(struct virtq_pevent, flags) == 2, "virtq_pevent layout");

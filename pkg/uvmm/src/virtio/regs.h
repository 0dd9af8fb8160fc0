// SPDX-License-Identifier: MIT
/* Virtio over PCI: vendor capabilities [virtio-1.2 4.1.4] and the common configuration structure [4.1.4.3]. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define VIRTIO_PCI_VENDOR 0x1af4u
#define VIRTIO_PCI_DEVICE_BASE 0x1040u /* + device type [4.1.2] */
#define VIRTIO_PCI_REVISION 1u

/* struct virtio_pci_cap [4.1.4] */
struct virtio_pci_cap {
    uint8_t cap_vndr, cap_next, cap_len, cfg_type;
    uint8_t bar, id, padding[2];
    uint32_t offset, length;
};
#define CAP_OFF(field) ((unsigned)offsetof(struct virtio_pci_cap, field))
_Static_assert(CAP_OFF(cap_vndr) == 0, "virtio_pci_cap layout");
_Static_assert(CAP_OFF(cap_next) == 1, "virtio_pci_cap layout");
_Static_assert(CAP_OFF(cap_len) == 2, "virtio_pci_cap layout");
_Static_assert(CAP_OFF(cfg_type) == 3, "virtio_pci_cap layout");
_Static_assert(CAP_OFF(bar) == 4, "virtio_pci_cap layout");
_Static_assert(CAP_OFF(id) == 5, "virtio_pci_cap layout");
_Static_assert(CAP_OFF(offset) == 8, "virtio_pci_cap layout");
_Static_assert(CAP_OFF(length) == 12, "virtio_pci_cap layout");
_Static_assert(sizeof(struct virtio_pci_cap) == 16, "virtio_pci_cap layout");

enum virtio_pci_cfg_type {
    VIRTIO_PCI_CAP_COMMON_CFG = 1,
    VIRTIO_PCI_CAP_NOTIFY_CFG = 2, /* followed by notify_off_multiplier [4.1.4.4] */
    VIRTIO_PCI_CAP_ISR_CFG = 3,
    VIRTIO_PCI_CAP_DEVICE_CFG = 4,
    VIRTIO_PCI_CAP_PCI_CFG = 5, /* followed by pci_cfg_data [4.1.4.9] */
};

/* [4.1.4.3]; what follows queue_reset belongs to a feature that we do not offer */
struct virtio_pci_common_cfg {
    uint32_t device_feature_select, device_feature;
    uint32_t driver_feature_select, driver_feature;
    uint16_t config_msix_vector, num_queues;
    uint8_t device_status, config_generation;
    uint16_t queue_select, queue_size, queue_msix_vector, queue_enable, queue_notify_off;
    uint64_t queue_desc, queue_driver, queue_device;
    uint16_t queue_notify_data; /* NOTIF_CONFIG_DATA, which is not offered */
    uint16_t queue_reset;       /* RING_RESET */
    uint32_t _rsvd[64 / 4 - 60 / 4];
};
#define COMMON_CFG(field) ((unsigned)offsetof(struct virtio_pci_common_cfg, field))
_Static_assert(COMMON_CFG(device_feature_select) == 0, "common cfg layout");
_Static_assert(COMMON_CFG(device_feature) == 4, "common cfg layout");
_Static_assert(COMMON_CFG(driver_feature_select) == 8, "common cfg layout");
_Static_assert(COMMON_CFG(driver_feature) == 12, "common cfg layout");
_Static_assert(COMMON_CFG(config_msix_vector) == 16, "common cfg layout");
_Static_assert(COMMON_CFG(num_queues) == 18, "common cfg layout");
_Static_assert(COMMON_CFG(device_status) == 20, "common cfg layout");
_Static_assert(COMMON_CFG(config_generation) == 21, "common cfg layout");
_Static_assert(COMMON_CFG(queue_select) == 22, "common cfg layout");
_Static_assert(COMMON_CFG(queue_size) == 24, "common cfg layout");
_Static_assert(COMMON_CFG(queue_msix_vector) == 26, "common cfg layout");
_Static_assert(COMMON_CFG(queue_enable) == 28, "common cfg layout");
_Static_assert(COMMON_CFG(queue_notify_off) == 30, "common cfg layout");
_Static_assert(COMMON_CFG(queue_desc) == 32, "common cfg layout");
_Static_assert(COMMON_CFG(queue_driver) == 40, "common cfg layout");
_Static_assert(COMMON_CFG(queue_device) == 48, "common cfg layout");
_Static_assert(COMMON_CFG(queue_notify_data) == 56, "common cfg layout");
_Static_assert(COMMON_CFG(queue_reset) == 58, "common cfg layout");
_Static_assert(sizeof(struct virtio_pci_common_cfg) == 64, "common cfg layout");

/* ISR status [4.1.4.5] */
#define VIRTIO_ISR_QUEUE 0x1u
#define VIRTIO_ISR_CONFIG 0x2u

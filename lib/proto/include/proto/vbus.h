// SPDX-License-Identifier: MIT
/* A virtual bus of io: exactly the devices that its configuration lists. Device numbers are indices on the bus,
 * 0 .. devices-1. The client sees nothing of other devices and cannot reach them: configuration writes are
 * filtered, register memory excludes MSI-X tables, which only io writes. */
#pragma once

#include <proto/range.h>

enum vbus_op {
    VBUS_INFO = PROTO_VBUS, /* out: features (VBUS_FEATURE_*), number of interrupt lines, number of MSIs, number of
                               devices. */
    VBUS_DEVICE,       /* in: device. out: struct vbus_device as bytes. SK_ENOENT. */
    VBUS_CFG_READ,     /* in: device, register, width 1/2/4. out: value. SK_ERANGE. */
    VBUS_CFG_WRITE,    /* in: device, register, width, value. Allowed: Command (IO, Memory, Bus Master, INTx disable),
                          Status (W1C); others SK_EPERM. */
    VBUS_BAR,          /* in: device, BAR 0..5. out: size in bytes, count n of parts, n times {offset, size}; n caps
                          memory (R, W, uncached). Parts leave out MSI-X table and PBA pages. SK_ENOENT: no memory BAR. */
    VBUS_DMA_SPACE,    /* in: device. out: kind (enum dma_kind), cap OBJ_DMA (CTRL). Devices behind one IOMMU group share
                          it. */
    VBUS_MSI_BIND,     /* in: device, MSI number on this bus 0..MSIs-1, device's own MSI/MSI-X index, cap signal (BIND|CALL).
                          With VBUS_MSI_PLAIN in the index MSI is used although the device has MSI-X; one kind at a time.
                          Binds, programs and unmasks. out: address, data (as the device got them), 1 MSI-X or 0 MSI.
                          SK_ENODEV (device has neither, or no vector left), SK_ERANGE (beyond num_msis or the table),
                          SK_EBUSY (number in use, or the other kind). */
    VBUS_MSI_UNBIND,   /* in: device, MSI number. */
    VBUS_INTX_BIND,    /* in: device, cap signal (BIND|CALL). Level-triggered: the client acknowledges with SYS_SIGNAL_ACK. out:
                          interrupt line (global system interrupt), trigger (1 level), polarity (1 active low). */
    VBUS_RESET,        /* in: device. Function-level reset where the device has one, else SK_ENODEV. */
};

#define VBUS_FEATURE_MSI 0x80000000u
#define VBUS_MSI_PLAIN 0x80000000u

struct vbus_device {
    char name[32];           /* name in the configuration, e.g. "pci_hd" (several: "pci_hd[1]") */
    uint16_t segment;        /* physical location, for messages */
    uint8_t bus, devfn;
    uint16_t vendor, device;
    uint16_t subsystem_vendor, subsystem;
    uint32_t class_code;     /* 24 bits: class, subclass, programming interface */
    uint8_t revision;
    uint8_t msix_count_hi;   /* reserved, 0 */
    uint16_t msix_count;     /* entries of the MSI-X table; 0: none */
    uint16_t msi_count;      /* vectors of the MSI capability; 0: none */
    uint8_t intx_pin;        /* 0: none, 1..4: INTA..INTD */
    uint8_t _rsvd;
    uint64_t bar_size[6];    /* 0: none; I/O BARs too */
    uint8_t bar_is_io[6];
    uint8_t bar_is_64[6];
    uint8_t _rsvd1[4];
};
_Static_assert(sizeof(struct vbus_device) == 120, "vbus_device layout");

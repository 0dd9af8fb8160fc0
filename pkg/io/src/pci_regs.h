// SPDX-License-Identifier: MIT
// PCI configuration registers and capabilities. Offsets are those of the specifications named in pci.h.
#pragma once

#include <util/bits.h>

/* Type 0 and type 1 header [PCI-3.0 6.1, PCI-PCI-1.2 3.2] */
#define PCI_VENDOR 0x00
#define PCI_DEVICE 0x02
#define PCI_COMMAND 0x04
#define PCI_COMMAND_IO BIT(0)
#define PCI_COMMAND_MEMORY BIT(1)
#define PCI_COMMAND_MASTER BIT(2)
#define PCI_COMMAND_INTX_OFF BIT(10)
#define PCI_STATUS 0x06
#define PCI_STATUS_CAPS BIT(4)
#define PCI_STATUS_W1C 0xf900u /* 15:11 and 8 */
#define PCI_REVISION 0x08
#define PCI_HEADER_TYPE 0x0e
#define PCI_HEADER_LAYOUT FIELD(6, 0)
#define PCI_HEADER_MULTI BIT(7)
#define PCI_BAR0 0x10
#define PCI_BAR_IO BIT(0)
#define PCI_BAR_TYPE FIELD(2, 1)
#define PCI_BAR_TYPE_64 2
#define PCI_BAR_MEM_BASE FIELD(31, 4)
#define PCI_BAR_IO_BASE FIELD(31, 2)
#define PCI_BRIDGE_SECONDARY 0x19
#define PCI_SUBSYSTEM_VENDOR 0x2c
#define PCI_SUBSYSTEM 0x2e
#define PCI_CAPS 0x34
#define PCI_INTERRUPT_LINE 0x3c
#define PCI_INTERRUPT_PIN 0x3d

/* Capability identifiers [PCI-3.0 appendix H] */
#define PCI_CAP_MSI 0x05
#define PCI_CAP_EXPRESS 0x10
#define PCI_CAP_MSIX 0x11

/* MSI [PCI-3.0 6.8.1] */
#define MSI_CONTROL 0x02
#define MSI_CONTROL_ENABLE BIT(0)
#define MSI_CONTROL_COUNT FIELD(6, 4)
#define MSI_CONTROL_64 BIT(7)
#define MSI_CONTROL_MASKS BIT(8)
#define MSI_ADDRESS 0x04
#define MSI_ADDRESS_HI 0x08
#define MSI_DATA_32 0x08
#define MSI_DATA_64 0x0c
#define MSI_MASK_32 0x0c
#define MSI_MASK_64 0x10

/* MSI-X [PCI-3.0 6.8.2] */
#define MSIX_CONTROL 0x02
#define MSIX_CONTROL_SIZE_0B FIELD(10, 0)
#define MSIX_CONTROL_MASK BIT(14)
#define MSIX_CONTROL_ENABLE BIT(15)
#define MSIX_TABLE 0x04
#define MSIX_PBA 0x08
#define MSIX_BIR FIELD(2, 0)
#define MSIX_OFFSET FIELD(31, 3)
#define MSIX_ENTRY_SIZE 16u
#define MSIX_ENTRY_ADDRESS 0 /* indices of 32-bit words */
#define MSIX_ENTRY_ADDRESS_HI 1
#define MSIX_ENTRY_DATA 2
#define MSIX_ENTRY_CONTROL 3
#define MSIX_ENTRY_MASKED BIT(0)

/* PCI Express capability [PCIe-4.0 7.5.3] */
#define PCIE_DEVCAP 0x04
#define PCIE_DEVCAP_FLR BIT(28)
#define PCIE_DEVCTL 0x08
#define PCIE_DEVCTL_FLR BIT(15)
#define PCIE_DEVSTA 0x0a
#define PCIE_DEVSTA_PENDING BIT(5)
#define PCIE_FLR_WAIT_MS 100 /* [PCIe-4.0 6.6.2] */

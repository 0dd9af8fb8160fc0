// SPDX-License-Identifier: MIT
/* Configuration space of a type 0 device [PCI-3.0 6.1, figure 6-1] and the MSI-X structures [PCI-3.0 6.8.2]. */
#pragma once

#include <util/bits.h>

#define PCI_VENDOR_ID 0x00u
#define PCI_DEVICE_ID 0x02u
#define PCI_COMMAND 0x04u
#define PCI_COMMAND_IO BIT(0)
#define PCI_COMMAND_MEMORY BIT(1)
#define PCI_COMMAND_MASTER BIT(2)
#define PCI_COMMAND_PARITY BIT(6)
#define PCI_COMMAND_SERR BIT(8)
#define PCI_COMMAND_NO_INTX BIT(10)
#define PCI_STATUS 0x06u
#define PCI_STATUS_INTERRUPT BIT(3)
#define PCI_STATUS_CAPS BIT(4)
#define PCI_REVISION 0x08u
#define PCI_CLASS 0x09u /* interface, subclass, class */
#define PCI_CACHE_LINE 0x0cu
#define PCI_HEADER_TYPE 0x0eu
#define PCI_BAR(n) (0x10u + 4u * (n))
#define PCI_BAR_IS_IO BIT(0)
#define PCI_SUBSYSTEM_VENDOR 0x2cu
#define PCI_SUBSYSTEM_ID 0x2eu
#define PCI_CAP_POINTER 0x34u
#define PCI_INTERRUPT_LINE 0x3cu
#define PCI_INTERRUPT_PIN 0x3du
#define PCI_HEADER_END 0x40u

#define PCI_CAP_ID_VENDOR 0x09u
#define PCI_CAP_ID_MSIX 0x11u

/* MSI-X capability [6.8.2.3]: control, table offset | BIR, PBA offset | BIR */
#define PCI_MSIX_CONTROL 2u
#define PCI_MSIX_CONTROL_SIZE FIELD(10, 0) /* zero-based */
#define PCI_MSIX_CONTROL_MASK BIT(14)
#define PCI_MSIX_CONTROL_ENABLE BIT(15)
#define PCI_MSIX_TABLE 4u
#define PCI_MSIX_PBA 8u
#define PCI_MSIX_CAP_SIZE 12u
/* Table entry [6.8.2.6 ff.] */
#define PCI_MSIX_ENTRY_SIZE 16u
#define PCI_MSIX_ENTRY_MASKED BIT(0)

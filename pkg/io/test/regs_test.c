// SPDX-License-Identifier: MIT
/* pci_regs.h against a second table, typed from the specifications' figures: PCI 3.0 6.1 (header), 6.8.1 (MSI), 6.8.2
 * (MSI-X), PCI-to-PCI Bridge 1.2 3.2, PCI Express 4.0 7.5.3. */
#include "../src/pci_regs.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *name;
    uint64_t ours, offset;
} offsets[] = {
    {"Vendor ID", PCI_VENDOR, 0},
    {"Device ID", PCI_DEVICE, 2},
    {"Command", PCI_COMMAND, 4},
    {"Status", PCI_STATUS, 6},
    {"Revision ID", PCI_REVISION, 8},
    {"Header Type", PCI_HEADER_TYPE, 14},
    {"Base Address 0", PCI_BAR0, 16},
    {"Secondary Bus Number", PCI_BRIDGE_SECONDARY, 25},
    {"Subsystem Vendor ID", PCI_SUBSYSTEM_VENDOR, 44},
    {"Subsystem ID", PCI_SUBSYSTEM, 46},
    {"Capabilities Pointer", PCI_CAPS, 52},
    {"Interrupt Line", PCI_INTERRUPT_LINE, 60},
    {"Interrupt Pin", PCI_INTERRUPT_PIN, 61},
    {"MSI Message Control", MSI_CONTROL, 2},
    {"MSI Message Address", MSI_ADDRESS, 4},
    {"MSI Message Upper Address", MSI_ADDRESS_HI, 8},
    {"MSI Message Data, 32-bit", MSI_DATA_32, 8},
    {"MSI Message Data, 64-bit", MSI_DATA_64, 12},
    {"MSI Mask Bits, 32-bit", MSI_MASK_32, 12},
    {"MSI Mask Bits, 64-bit", MSI_MASK_64, 16},
    {"MSI-X Message Control", MSIX_CONTROL, 2},
    {"MSI-X Table Offset/BIR", MSIX_TABLE, 4},
    {"MSI-X PBA Offset/BIR", MSIX_PBA, 8},
    {"MSI-X entry, bytes", MSIX_ENTRY_SIZE, 16},
    {"MSI-X entry: Message Address", MSIX_ENTRY_ADDRESS * 4, 0},
    {"MSI-X entry: Message Upper Address", MSIX_ENTRY_ADDRESS_HI * 4, 4},
    {"MSI-X entry: Message Data", MSIX_ENTRY_DATA * 4, 8},
    {"MSI-X entry: Vector Control", MSIX_ENTRY_CONTROL * 4, 12},
    {"PCI Express Device Capabilities", PCIE_DEVCAP, 4},
    {"PCI Express Device Control", PCIE_DEVCTL, 8},
    {"PCI Express Device Status", PCIE_DEVSTA, 10},
    {"capability ID of MSI", PCI_CAP_MSI, 5},
    {"capability ID of PCI Express", PCI_CAP_EXPRESS, 16},
    {"capability ID of MSI-X", PCI_CAP_MSIX, 17},
};

/* Fields as the highest and lowest bit. */
static const struct {
    const char *name;
    uint64_t ours;
    unsigned hi, lo;
} fields[] = {
    {"Command: I/O Space", PCI_COMMAND_IO, 0, 0},
    {"Command: Memory Space", PCI_COMMAND_MEMORY, 1, 1},
    {"Command: Bus Master", PCI_COMMAND_MASTER, 2, 2},
    {"Command: Interrupt Disable", PCI_COMMAND_INTX_OFF, 10, 10},
    {"Status: Capabilities List", PCI_STATUS_CAPS, 4, 4},
    {"Header Type: layout", PCI_HEADER_LAYOUT, 6, 0},
    {"Header Type: multi-function", PCI_HEADER_MULTI, 7, 7},
    {"BAR: I/O space", PCI_BAR_IO, 0, 0},
    {"BAR: type", PCI_BAR_TYPE, 2, 1},
    {"BAR: memory base", PCI_BAR_MEM_BASE, 31, 4},
    {"BAR: I/O base", PCI_BAR_IO_BASE, 31, 2},
    {"MSI: enable", MSI_CONTROL_ENABLE, 0, 0},
    {"MSI: Multiple Message Enable", MSI_CONTROL_COUNT, 6, 4},
    {"MSI: 64 bit address capable", MSI_CONTROL_64, 7, 7},
    {"MSI: per-vector masking capable", MSI_CONTROL_MASKS, 8, 8},
    {"MSI-X: Table Size", MSIX_CONTROL_SIZE_0B, 10, 0},
    {"MSI-X: Function Mask", MSIX_CONTROL_MASK, 14, 14},
    {"MSI-X: Enable", MSIX_CONTROL_ENABLE, 15, 15},
    {"MSI-X: BIR", MSIX_BIR, 2, 0},
    {"MSI-X: offset", MSIX_OFFSET, 31, 3},
    {"MSI-X entry: Mask", MSIX_ENTRY_MASKED, 0, 0},
    {"Device Capabilities: Function Level Reset", PCIE_DEVCAP_FLR, 28, 28},
    {"Device Control: Initiate Function Level Reset", PCIE_DEVCTL_FLR, 15, 15},
    {"Device Status: Transactions Pending", PCIE_DEVSTA_PENDING, 5, 5},
};

static void test_offsets(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
        if (offsets[i].ours != offsets[i].offset) {
            fail_msg("%s", offsets[i].name);
        }
    }
}

static void test_fields(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        uint64_t mask = 0;
        for (unsigned bit = fields[i].lo; bit <= fields[i].hi; bit++) {
            mask |= 1ull << bit;
        }
        if (fields[i].ours != mask) {
            fail_msg("%s", fields[i].name);
        }
    }
}

/* Write-one-to-clear bits of Status: 8 and 11 to 15. */
static void test_status(void **state)
{
    (void)state;
    assert_int_equal(PCI_STATUS_W1C, 1 << 8 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

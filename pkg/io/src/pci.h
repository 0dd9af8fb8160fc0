// SPDX-License-Identifier: MIT
/* The machine's PCI functions: finding them, what io hands out of one, and the registers that only io writes.
 *
 * Everything is read from config space, which is a device's and so taken as hostile: bus numbers may form loops,
 * capability lists may be circular, BAR sizes may be nonsense. What does not check out is left out with a message.
 *
 * A function goes through: found (pci_scan) -> prepared (pci_prepare, when a virtual bus takes it: capabilities and BAR
 * sizes are known, and it is quiet) -> used by a client -> quiet again (pci_quiesce).
 *
 * [PCI-3.0] PCI Local Bus Specification 3.0; [PCI-PCI-1.2] PCI-to-PCI Bridge Architecture 1.2
 * [PCIe-4.0] PCI Express Base Specification 4.0 */
#pragma once

#include <abi/types.h>
#include <acpi/acpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_DEVS_MAX 256
#define PCI_BARS 6
#define PCI_NAME_LEN 16

struct pci_addr {
    uint16_t segment;
    uint8_t bus, devfn;
};

/* Access to the machine; config accesses are aligned, width is 1, 2 or 4, an absent function reads as all ones. */
struct pci_hw {
    uint32_t (*cfg_read)(void *ctx, struct pci_addr a, unsigned reg, unsigned width);
    void (*cfg_write)(void *ctx, struct pci_addr a, unsigned reg, unsigned width, uint32_t value);
    unsigned (*cfg_size)(void *ctx, struct pci_addr a);  /* 256 or 4096 */
    void *(*map)(void *ctx, uint64_t phys, size_t size); /* device registers, page-aligned; NULL */
    void (*wait_ms)(void *ctx, unsigned ms);
    void *ctx;
};

struct pci_bar {
    uint64_t base; /* 0: not assigned */
    uint64_t size; /* 0: there is none; known after pci_prepare */
    bool is_io, is_64;
};

struct pci_msix {
    uint16_t count; /* entries; 0: none */
    uint8_t table_bar, pba_bar;
    uint32_t table_off, pba_off;
    volatile uint32_t *table; /* mapped at the first use */
};

struct pci_dev {
    struct pci_addr addr;
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint32_t class_code;
    uint8_t revision;
    uint8_t intx_pin, intx_line;
    bool is_bridge, prepared, has_flr;
    struct pci_dev *parent; /* bridge, NULL on a root bus */
    struct pci_bar bar[PCI_BARS];
    uint16_t pcie_cap, msi_cap, msix_cap; /* offsets; 0: none */
    struct pci_msix msix;
    const char *owner; /* name of the virtual bus that has it, NULL: free */
};

struct pci {
    const struct pci_hw *hw;
    unsigned count;
    bool overflow; /* more than PCI_DEVS_MAX were found */
    struct pci_dev dev[PCI_DEVS_MAX];
};

/* A page-aligned part of a BAR, relative to its start. */
struct pci_part {
    uint64_t off, size;
};
#define PCI_PARTS_MAX 3

static inline uint32_t pci_sbdf(struct pci_addr a)
{
    return (uint32_t)a.segment << 16 | a.bus << 8 | a.devfn;
}
/* "00:04.0", or "0001:00:04.0" outside segment 0. buf has PCI_NAME_LEN bytes. Return: buf. */
const char *pci_addr_name(struct pci_addr a, char *buf);

/* Finds all functions on a root bus and behind its bridges. Can be called for several root buses. */
void pci_scan(struct pci *pci, uint16_t segment, uint8_t root_bus);
/* Finds capabilities and BAR sizes, then quiesces. Harmless when repeated. */
void pci_prepare(struct pci *pci, struct pci_dev *dev);
/* Bus mastering off, INTx off, MSI and MSI-X masked and off. */
void pci_quiesce(struct pci *pci, struct pci_dev *dev);
/* Function-level reset; the configuration is as before, and the function quiet. SK_ENODEV: it has none. */
__attribute__((warn_unused_result)) int64_t pci_reset(struct pci *pci, struct pci_dev *dev);

/* A client's config access. SK_ERANGE: misaligned or beyond the space; SK_EPERM: a register or state that is io's. */
__attribute__((warn_unused_result)) int64_t pci_client_read(struct pci *pci, struct pci_dev *dev, uint64_t reg,
                                                            uint64_t width, uint32_t *value);
__attribute__((warn_unused_result)) int64_t pci_client_write(struct pci *pci, struct pci_dev *dev, uint64_t reg,
                                                             uint64_t width, uint32_t value);

/* The parts of a memory BAR that a client may map. Return: their number; SK_ENOENT: no memory BAR, or not assigned;
 * SK_EPERM: the BAR does not have its pages to itself. */
__attribute__((warn_unused_result)) int64_t pci_bar_parts(const struct pci *pci, const struct pci_dev *dev,
                                                          unsigned bar, struct pci_part parts[PCI_PARTS_MAX]);

/* Vectors of the MSI capability that io uses: 1, or 0 without it. */
unsigned pci_msi_count(const struct pci_dev *dev);
/* Programs message `index`, unmasks it, and enables MSI-X, or MSI when the function has no MSI-X or the index has the
 * bit PCI_MSI_PLAIN. One of the two at a time: the caller's duty. SK_ENODEV: it has none, or the table cannot be mapped;
 * SK_ERANGE: no such message. */
#define PCI_MSI_PLAIN 0x80000000u
__attribute__((warn_unused_result)) int64_t pci_msi_set(struct pci *pci, struct pci_dev *dev, unsigned index,
                                                        uint64_t address, uint32_t data);
void pci_msi_clear(struct pci *pci, struct pci_dev *dev, unsigned index);
/* Switches INTx on or off in the Command register. */
void pci_intx_enable(struct pci *pci, struct pci_dev *dev, bool on);

struct pci_intx {
    uint32_t gsi;
    bool level, active_low;
};
/* Where the function's INTx pin arrives, by the interrupt-line register and the MADT. SK_ENODEV: no pin, or not
 * routed to one of the machine's `lines` lines. */
__attribute__((warn_unused_result)) int64_t pci_intx_route(const struct pci_dev *dev, const struct acpi_info *acpi,
                                                           unsigned lines, struct pci_intx *route);

// SPDX-License-Identifier: MIT
/* The guest's PCI bus: bus 0, one function per slot, configuration by mechanism #1 (ports 0xcf8..0xcff), no bridges.
 *
 * uvmm is the guest's firmware: each device gets its BARs when it is added, in the windows below, with I/O and memory
 * decoding on. The guest may move or disable them; what a BAR decodes follows at once. A BAR that would lie on
 * something else is not decoded until the conflict ends.
 *
 * Interrupts: MSI-X, or the INTA pin of each device as a level-triggered, active-high line of the IO-APIC: GSI
 * PCI_GSI(slot); for guests without IO-APIC or ACPI also input PCI_PIC_IRQ of the 8259 pair, as the register
 * Interrupt Line says. The guest's ACPI tables (_PRT) say the same. Slot 0 is the host bridge.
 *
 * Documents: [PCI-3.0] PCI Local Bus Specification 3.0 (configuration space 6.1, 6.2; MSI-X 6.8.2). */
#pragma once

#include "../bus.h"
#include <stdbool.h>
#include <stdint.h>

#define PCI_MMIO_FIRST 0xc0000000u /* = GMEM_HOLE_START */
#define PCI_MMIO_END 0xfec00000u   /* the IO-APIC */
#define PCI_IO_FIRST 0xc000u
#define PCI_IO_END 0x10000u
#define PCI_SLOTS 32u
#define PCI_GSI_FIRST 16u
#define PCI_GSI(slot) (PCI_GSI_FIRST + ((slot)&7u))
#define PCI_PIC_IRQ(gsi_or_slot) (14u + ((gsi_or_slot)&1u))

#define PCI_BARS 6u
#define PCI_CFG_SIZE 256u
#define PCI_MSIX_VECTORS 32u /* most per device */
#define PCI_MSIX_NONE 0xffffu

enum pci_bar_kind { PCI_BAR_NONE = 0, PCI_BAR_MEM32, PCI_BAR_IO };

struct pci_bar {
    enum pci_bar_kind kind;
    uint32_t size; /* power of two, at least 16 */
    const struct bus_ops *ops;
    void *ctx;
    bool mapped; /* on the bus at `base` */
    uint32_t base;
};

struct pci_msix_entry {
    uint64_t address;
    uint32_t data;
    uint32_t control; /* bit 0: masked */
};

struct pci_msix {
    unsigned vectors; /* 0: no MSI-X */
    uint8_t cap;      /* offset of the capability */
    uint32_t pending; /* bit per vector */
    struct pci_msix_entry entry[PCI_MSIX_VECTORS];
};

struct pci_ids {
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint32_t class_code; /* class << 16 | subclass << 8 | interface */
    uint8_t revision;
};

struct pci_dev {
    const char *name;
    unsigned slot;
    uint8_t cfg[PCI_CFG_SIZE];
    uint8_t wmask[PCI_CFG_SIZE]; /* bits that the guest can write */
    uint8_t boot[PCI_CFG_SIZE];  /* cfg as the firmware leaves it */
    uint8_t cfg_free;            /* next free byte for capabilities */
    uint8_t cap_last;            /* offset of the last capability's next pointer */
    bool intx;                   /* the device wants its pin asserted */
    struct pci_bar bar[PCI_BARS];
    struct pci_msix msix;
    /* Optional. Before a configuration read and after a write that touched [off, off + width). */
    void (*cfg_read)(struct pci_dev *d, unsigned off, unsigned width);
    void (*cfg_written)(struct pci_dev *d, unsigned off, unsigned width);
    /* Optional. BAR n appeared at base, or disappeared. */
    void (*bar_moved)(struct pci_dev *d, unsigned n, bool mapped, uint32_t base);
    /* Optional. The VM was reset. */
    void (*reset)(struct pci_dev *d);
};

/* Building a device: init, then BARs and capabilities, then add. The structure is the caller's and stays for ever. */
void pci_dev_init(struct pci_dev *d, const char *name, const struct pci_ids *ids);
void pci_bar_init(struct pci_dev *d, unsigned n, enum pci_bar_kind kind, uint32_t size, const struct bus_ops *ops,
                  void *ctx);
/* Room for a capability of len bytes (its id and next pointer included), read-only. Its offset; 0 when it does not fit.
 */
unsigned pci_cap_add(struct pci_dev *d, uint8_t id, unsigned len);
/* The MSI-X capability: table and PBA at these offsets of BAR n, which the device's BAR handler passes on to
 * pci_msix_table_* and pci_msix_pba_read. SK_ENOMEM: no room; SK_EINVAL: too many vectors. */
int pci_msix_init(struct pci_dev *d, unsigned bar, uint32_t table, uint32_t pba, unsigned vectors);
/* Puts the device into the next free slot, assigns its BARs. SK_ENODEV: no host bridge; SK_ESLOTS: the bus is full;
 * SK_ENOMEM: a window is full. */
int pci_dev_add(struct pci_dev *d);

uint32_t pci_cfg_get(const struct pci_dev *d, unsigned off, unsigned width);
void pci_cfg_set(struct pci_dev *d, unsigned off, unsigned width, uint32_t value);
/* Accesses by the guest: write masks and hooks apply. off + width stays inside the configuration space. */
uint32_t pci_cfg_read(struct pci_dev *d, unsigned off, unsigned width);
void pci_cfg_write(struct pci_dev *d, unsigned off, unsigned width, uint32_t value);

/* Brings what is on the bus in line with command register and BARs. */
void pci_bars_sync(struct pci_dev *d);
void pci_bars_release(struct pci_dev *d);

bool pci_msix_enabled(const struct pci_dev *d);
/* Sends the vector's message, or makes it pending while masked. Vectors beyond the table (PCI_MSIX_NONE): nothing. */
void pci_msix_fire(struct pci_dev *d, unsigned vector);
/* After a change of the capability's control word. */
void pci_msix_control_changed(struct pci_dev *d);
void pci_msix_reset(struct pci_dev *d);
uint64_t pci_msix_table_read(const struct pci_dev *d, uint64_t off, unsigned width);
void pci_msix_table_write(struct pci_dev *d, uint64_t off, unsigned width, uint64_t value);
uint64_t pci_msix_pba_read(const struct pci_dev *d, uint64_t off, unsigned width);

/* The device's INTA. */
void pci_intx_set(struct pci_dev *d, bool level);
/* Recomputes the line that d shares with others (after a change of the interrupt disable bit). */
void pci_intx_update(struct pci_dev *d);

/* The device in a slot, or NULL. */
struct pci_dev *pci_host_dev(unsigned slot);
/* Makes the bus with its host bridge. */
int pci_host_create(void);
/* Everything as after power-on. */
void pci_host_reset(void);

/* Node compatible = "skerry,pci-host". Other devices on the bus come behind it in the tree. */
extern const struct device_type pci_host_type;

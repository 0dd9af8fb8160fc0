// SPDX-License-Identifier: MIT
/* Interrupts of a function: MSI-X and MSI messages, which only io programs, and the route of INTx.
 *
 * Order when a message is set: entry masked, address and data written, capability enabled, entry unmasked; so the
 * device never sends a half-written message. [PCI-3.0 6.8.2.9, 6.8.3] */
#include "pci_priv.h"

static volatile uint32_t *msix_entry(struct pci *pci, struct pci_dev *dev, unsigned index)
{
    struct pci_msix *m = &dev->msix;

    if (m->table == NULL) {
        uint64_t phys = dev->bar[m->table_bar].base + m->table_off;
        uint64_t page = align_down(phys, PAGE_SIZE);
        uint64_t end = align_up(phys + MSIX_ENTRY_SIZE * m->count, PAGE_SIZE);
        char *va = pci->hw->map(pci->hw->ctx, page, end - page);
        if (va == NULL) {
            return NULL;
        }
        m->table = (volatile uint32_t *)(void *)(va + (phys - page));
    }
    return m->table + index * (MSIX_ENTRY_SIZE / 4);
}

static void msix_control(struct pci *pci, struct pci_dev *dev, uint32_t set, uint32_t clear)
{
    uint32_t control = cfg_read(pci, dev->addr, dev->msix_cap + MSIX_CONTROL, 2);

    cfg_write(pci, dev->addr, dev->msix_cap + MSIX_CONTROL, 2, (control & ~clear) | set);
}

static int64_t msix_set(struct pci *pci, struct pci_dev *dev, unsigned index, uint64_t address, uint32_t data)
{
    if (index >= dev->msix.count) {
        return SK_ERANGE;
    }
    /* The table is memory of the device: it must decode. */
    cfg_command(pci, dev->addr, PCI_COMMAND_MEMORY, 0);
    volatile uint32_t *e = msix_entry(pci, dev, index);
    if (e == NULL) {
        return SK_ENODEV;
    }
    e[MSIX_ENTRY_CONTROL] = (uint32_t)MSIX_ENTRY_MASKED;
    e[MSIX_ENTRY_ADDRESS] = (uint32_t)address;
    e[MSIX_ENTRY_ADDRESS_HI] = (uint32_t)(address >> 32);
    e[MSIX_ENTRY_DATA] = data;
    msix_control(pci, dev, MSIX_CONTROL_ENABLE, MSIX_CONTROL_MASK);
    e[MSIX_ENTRY_CONTROL] = 0;
    return SK_OK;
}

static int64_t msi_set(struct pci *pci, struct pci_dev *dev, unsigned index, uint64_t address, uint32_t data)
{
    unsigned cap = dev->msi_cap;
    uint32_t control = cfg_read(pci, dev->addr, cap + MSI_CONTROL, 2);
    bool wide = control & MSI_CONTROL_64;

    if (index != 0) {
        return SK_ERANGE;
    }
    if (!wide && address > UINT32_MAX) {
        return SK_ENODEV;
    }
    control &= ~(uint32_t)(MSI_CONTROL_ENABLE | MSI_CONTROL_COUNT);
    cfg_write(pci, dev->addr, cap + MSI_CONTROL, 2, control);
    cfg_write(pci, dev->addr, cap + MSI_ADDRESS, 4, (uint32_t)address);
    if (wide) {
        cfg_write(pci, dev->addr, cap + MSI_ADDRESS_HI, 4, (uint32_t)(address >> 32));
    }
    cfg_write(pci, dev->addr, cap + (wide ? MSI_DATA_64 : MSI_DATA_32), 2, data & 0xffff);
    if (control & MSI_CONTROL_MASKS) {
        cfg_write(pci, dev->addr, cap + (wide ? MSI_MASK_64 : MSI_MASK_32), 4, 0xfffffffe);
    }
    cfg_write(pci, dev->addr, cap + MSI_CONTROL, 2, control | (uint32_t)MSI_CONTROL_ENABLE);
    return SK_OK;
}

unsigned pci_msi_count(const struct pci_dev *dev)
{
    return dev->msi_cap != 0;
}

static bool by_msix(const struct pci_dev *dev, unsigned index)
{
    return dev->msix.count != 0 && (index & PCI_MSI_PLAIN) == 0;
}

int64_t pci_msi_set(struct pci *pci, struct pci_dev *dev, unsigned index, uint64_t address, uint32_t data)
{
    if (by_msix(dev, index)) {
        return msix_set(pci, dev, index, address, data);
    }
    return dev->msi_cap != 0 ? msi_set(pci, dev, index & ~PCI_MSI_PLAIN, address, data) : SK_ENODEV;
}

static void msi_disable(struct pci *pci, struct pci_dev *dev)
{
    uint32_t control = cfg_read(pci, dev->addr, dev->msi_cap + MSI_CONTROL, 2);

    if (control & MSI_CONTROL_ENABLE) {
        cfg_write(pci, dev->addr, dev->msi_cap + MSI_CONTROL, 2, control & ~(uint32_t)MSI_CONTROL_ENABLE);
    }
}

void pci_msi_clear(struct pci *pci, struct pci_dev *dev, unsigned index)
{
    if (by_msix(dev, index) && index < dev->msix.count && dev->msix.table != NULL) {
        /* Writes to a device that does not decode are lost, and what it holds then is disabled with it. */
        cfg_command(pci, dev->addr, PCI_COMMAND_MEMORY, 0);
        msix_entry(pci, dev, index)[MSIX_ENTRY_CONTROL] = (uint32_t)MSIX_ENTRY_MASKED;
    } else if (!by_msix(dev, index) && dev->msi_cap != 0) {
        msi_disable(pci, dev);
    }
}

void pci_quiesce(struct pci *pci, struct pci_dev *dev)
{
    cfg_command(pci, dev->addr, PCI_COMMAND_INTX_OFF, PCI_COMMAND_MASTER);
    if (dev->msix_cap != 0) {
        msix_control(pci, dev, MSIX_CONTROL_MASK, 0);
        if (dev->msix.table != NULL) {
            for (unsigned i = 0; i < dev->msix.count; i++) {
                pci_msi_clear(pci, dev, i);
            }
        }
        msix_control(pci, dev, 0, MSIX_CONTROL_ENABLE);
    }
    if (dev->msi_cap != 0) {
        msi_disable(pci, dev);
    }
}

void pci_intx_enable(struct pci *pci, struct pci_dev *dev, bool on)
{
    cfg_command(pci, dev->addr, on ? 0 : PCI_COMMAND_INTX_OFF, on ? PCI_COMMAND_INTX_OFF : 0);
}

/* Without AML there is no _PRT: the line register holds what firmware routed the pin to, an ISA interrupt on PCs, which
 * the MADT may move to another line or give another trigger. PCI's own is level, active low. [PCI-3.0 2.2.6] */
int64_t pci_intx_route(const struct pci_dev *dev, const struct acpi_info *acpi, unsigned lines, struct pci_intx *route)
{
    const struct acpi_override *o = acpi_override_find(acpi, dev->intx_line);

    if (dev->intx_pin == 0 || dev->intx_line == 0 || dev->intx_line == 0xff) {
        return SK_ENODEV;
    }
    *route = (struct pci_intx){.gsi = dev->intx_line, .level = true, .active_low = true};
    if (o != NULL) {
        route->gsi = o->gsi;
        route->active_low = (o->flags & 3) != ACPI_INTI_ACTIVE_HIGH;
        route->level = ((o->flags >> 2) & 3) != ACPI_INTI_EDGE;
    }
    return route->gsi < lines ? SK_OK : SK_ENODEV;
}

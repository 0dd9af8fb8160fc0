// SPDX-License-Identifier: MIT
/* MSI-X [PCI-3.0 6.8.2]. An entry's message is sent when its vector is signalled while the function is enabled and
 * neither the entry nor the function is masked; a vector signalled while masked is pending until it is unmasked. While
 * MSI-X is disabled, nothing is sent and nothing becomes pending. */

#include "../irq.h"
#include "pci.h"
#include "regs.h"
#include <abi/types.h>
#include <string.h>

static uint32_t control(const struct pci_dev *d)
{
    return pci_cfg_get(d, d->msix.cap + PCI_MSIX_CONTROL, 2);
}

int pci_msix_init(struct pci_dev *d, unsigned bar, uint32_t table, uint32_t pba, unsigned vectors)
{
    if (vectors == 0 || vectors > PCI_MSIX_VECTORS) {
        return SK_EINVAL;
    }
    unsigned cap = pci_cap_add(d, PCI_CAP_ID_MSIX, PCI_MSIX_CAP_SIZE);
    if (!cap) {
        return SK_ENOMEM;
    }
    d->msix.cap = (uint8_t)cap;
    d->msix.vectors = vectors;
    pci_cfg_set(d, cap + PCI_MSIX_CONTROL, 2, (uint32_t)field_prep(PCI_MSIX_CONTROL_SIZE, vectors - 1));
    pci_cfg_set(d, cap + PCI_MSIX_TABLE, 4, table | bar);
    pci_cfg_set(d, cap + PCI_MSIX_PBA, 4, pba | bar);
    d->wmask[cap + PCI_MSIX_CONTROL + 1] = (PCI_MSIX_CONTROL_MASK | PCI_MSIX_CONTROL_ENABLE) >> 8;
    pci_msix_reset(d);
    return SK_OK;
}

void pci_msix_reset(struct pci_dev *d)
{
    memset(d->msix.entry, 0, sizeof(d->msix.entry));
    d->msix.pending = 0;
    for (unsigned i = 0; i < d->msix.vectors; i++) {
        d->msix.entry[i].control = PCI_MSIX_ENTRY_MASKED;
    }
}

bool pci_msix_enabled(const struct pci_dev *d)
{
    return d->msix.vectors && (control(d) & PCI_MSIX_CONTROL_ENABLE);
}

void pci_msix_fire(struct pci_dev *d, unsigned vector)
{
    if (vector >= d->msix.vectors || !pci_msix_enabled(d)) {
        return;
    }
    const struct pci_msix_entry *e = &d->msix.entry[vector];
    if ((control(d) & PCI_MSIX_CONTROL_MASK) || (e->control & PCI_MSIX_ENTRY_MASKED)) {
        d->msix.pending |= 1u << vector;
        return;
    }
    d->msix.pending &= ~(1u << vector);
    irq_msi(e->address, e->data);
}

/* Sends what is pending and no longer masked. */
static void send_pending(struct pci_dev *d)
{
    for (unsigned i = 0; i < d->msix.vectors; i++) {
        if (d->msix.pending & (1u << i)) {
            pci_msix_fire(d, i);
        }
    }
}

void pci_msix_control_changed(struct pci_dev *d)
{
    pci_intx_update(d); // a function with MSI-X enabled does not use its pin
    if (pci_msix_enabled(d)) {
        send_pending(d);
    } else {
        d->msix.pending = 0;
    }
}

uint64_t pci_msix_table_read(const struct pci_dev *d, uint64_t off, unsigned width)
{
    uint64_t v = 0;

    if (width <= sizeof(v) && range_ok(off, width, d->msix.vectors * PCI_MSIX_ENTRY_SIZE)) {
        memcpy(&v, (const uint8_t *)d->msix.entry + off, width);
    }
    return v;
}

/* Only aligned 4- and 8-byte accesses are defined [6.8.2]. */
void pci_msix_table_write(struct pci_dev *d, uint64_t off, unsigned width, uint64_t value)
{
    _Static_assert(sizeof(struct pci_msix_entry) == PCI_MSIX_ENTRY_SIZE, "MSI-X table entry");
    unsigned i = (unsigned)(off / PCI_MSIX_ENTRY_SIZE);

    if ((width != 4 && width != 8) || off % width || !range_ok(off, width, d->msix.vectors * PCI_MSIX_ENTRY_SIZE)) {
        return;
    }
    memcpy((uint8_t *)d->msix.entry + off, &value, width);
    d->msix.entry[i].control &= (uint32_t)PCI_MSIX_ENTRY_MASKED;
    if (d->msix.pending & (1u << i)) {
        pci_msix_fire(d, i);
    }
}

uint64_t pci_msix_pba_read(const struct pci_dev *d, uint64_t off, unsigned width)
{
    uint64_t pba = d->msix.pending, v = 0;

    if (range_ok(off, width, sizeof(pba))) {
        memcpy(&v, (const uint8_t *)&pba + off, width);
    }
    return v;
}

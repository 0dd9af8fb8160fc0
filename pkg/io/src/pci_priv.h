// SPDX-License-Identifier: MIT
// Config access helpers of the PCI files.
#pragma once

#include "pci.h"
#include "pci_regs.h"

static inline uint32_t cfg_read(const struct pci *pci, struct pci_addr a, unsigned reg, unsigned width)
{
    return pci->hw->cfg_read(pci->hw->ctx, a, reg, width);
}
static inline void cfg_write(const struct pci *pci, struct pci_addr a, unsigned reg, unsigned width, uint32_t value)
{
    pci->hw->cfg_write(pci->hw->ctx, a, reg, width, value);
}
/* Sets and clears bits of the Command register. */
static inline void cfg_command(const struct pci *pci, struct pci_addr a, uint32_t set, uint32_t clear)
{
    uint32_t old = cfg_read(pci, a, PCI_COMMAND, 2), new = (old & ~clear) | set;

    if (old != new) {
        cfg_write(pci, a, PCI_COMMAND, 2, new);
    }
}

// SPDX-License-Identifier: MIT
/* The real machine: config space by port I/O and ECAM, device memory, the ACPI tables. */
#pragma once

#include "pci.h"

struct hw {
    struct pci_hw ops;
    struct acpi_info acpi;
    cap_t ioport;       /* only the config ports, CAP_NULL: none */
    cap_t sigma0;       /* device memory */
    cap_t nap_gate;     /* never bound: calls to it end at their deadline */
    uint8_t *ecam[256]; /* mapped config space of segment 0's buses */
    bool ecam_refused;
};

/* Takes what it needs from the environment, reads the ACPI tables, and gives the rest back. There is one struct hw per
 * program. Return: SK_OK; SK_ENODEV: no way to config space (a message says why). */
__attribute__((warn_unused_result)) int64_t hw_init(struct hw *hw);
/* Finds all functions. */
void hw_scan(struct hw *hw, struct pci *pci);

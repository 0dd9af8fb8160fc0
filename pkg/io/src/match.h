// SPDX-License-Identifier: MIT
/* Match expressions of the vbus language: "PCI/" and terms joined by '&'; a device matches if every term does.
 *
 *   CC_01, CC_0108, CC_010802  class, subclass, programming interface
 *   VEN_1b36, DEV_0010, REV_02, SUBSYS_11001af4 (subsystem, subsystem vendor)
 *   ADR_0000:00:04.0           segment, bus, device, function
 *   storage, nvme, network ... names for classes (match.c has the list)
 *
 * Digits are hexadecimal, upper or lower case. */
#pragma once

#include "pci.h"

struct pci_match {
    uint32_t class_value, class_mask;
    uint32_t id_value[5], id_mask[5]; /* vendor, device, revision, subsystem, address */
    bool never;                       /* contradictory terms, such as VEN_8086&VEN_1b36 */
};

/* Return: false, with the reason in err. */
bool pci_match_parse(const char *text, struct pci_match *m, char *err, size_t err_size);
/* Bridges never match: they are not handed out. */
bool pci_match_test(const struct pci_match *m, const struct pci_dev *dev);

// SPDX-License-Identifier: MIT
#pragma once

#include "acpi.h"
#include "memmap.h"

/* Both are kept. Before it, nothing may ask for reserved ranges. */
void machine_init(const struct acpi_info *a, const struct boot_plan *p);

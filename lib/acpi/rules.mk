# SPDX-License-Identifier: MIT
LIB_acpi_DEPS := util
$(call library,acpi)
$(call host-test,acpi,lib/acpi/test/acpi_test.c lib/acpi/src/acpi.c,acpi util)
$(call fuzz-target,acpi,lib/acpi/test/acpi_fuzz.c lib/acpi/src/acpi.c,acpi util,lib/acpi/test/corpus)

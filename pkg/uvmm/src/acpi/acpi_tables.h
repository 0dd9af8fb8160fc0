// SPDX-License-Identifier: MIT
// The guest's ACPI tables [ACPI-6.4 ch. 5]: RSDP, XSDT, FADT, FACS, MADT and the DSDT compiled from dsdt.asl. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ACPI_GPA 0xe0000ull /* where guests without boot_params look for the RSDP [ACPI-6.4 5.2.5.1] */
#define ACPI_ROOM 0x10000u

/* Builds all tables for address ACPI_GPA into buf (ACPI_ROOM bytes); the RSDP is first. has_rtc: a CMOS clock exists.
 * vcpus: processors with the APIC ids 0 to vcpus - 1.
 * Return: bytes used, 0 if the DSDT does not fit. */
size_t acpi_build(uint8_t *buf, const void *dsdt, size_t dsdt_size, int has_rtc, unsigned vcpus);
/* Makes the bytes of [p, p+len) sum to 0 by setting p[at]. */
void acpi_checksum(uint8_t *p, size_t len, size_t at);

/* The compiled DSDT (dsdt.S). */
extern const uint8_t acpi_dsdt[], acpi_dsdt_end[];

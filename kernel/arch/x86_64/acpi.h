// SPDX-License-Identifier: MIT
/* The static ACPI tables that the kernel reads: MADT for interrupt controllers, FADT for the PM timer and the reset
 * register. Pure functions over a mapping callback, for host tests and the fuzz target. */
#pragma once

#include <kernel/types.h>

/* Gives readable memory for [pa, pa + size), or NULL. */
struct acpi_memory {
    const void *(*map)(void *arg, uint64_t pa, uint64_t size);
    void *arg;
};

#define ACPI_CPUS_MAX      64
#define ACPI_IOAPICS_MAX   16
#define ACPI_OVERRIDES_MAX 32
struct acpi_info {
    uint32_t cpus;       /* enabled processors */
    uint32_t cpu_count;  /* of them in cpu[]: the first ones */
    uint32_t cpu[ACPI_CPUS_MAX]; /* APIC ids */
    uint64_t lapic;      /* local APICs' physical address; 0: no MADT */
    uint32_t ioapic_count, override_count;
    struct { uint32_t id, gsi_base; uint64_t address; } ioapic[ACPI_IOAPICS_MAX];
    struct { uint8_t isa_irq; uint32_t gsi; uint32_t flags; /* IRQ_LEVEL, IRQ_ACTIVE_LOW */ } override[ACPI_OVERRIDES_MAX];
    uint16_t pm_timer;   /* I/O port, 0: none */
    bool has_reset;
    uint8_t reset_space; /* enum acpi_space */
    uint8_t reset_value;
    uint64_t reset_address;
};
/* Address spaces of a generic address structure. [ACPI-6.4 table 5.1] */
enum acpi_space { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_IO = 1, ACPI_SPACE_PCI_CONFIG = 2 };

/* Is there an RSDP with right checksums at p (size bytes readable)? */
bool acpi_rsdp_valid(const void *p, uint64_t size);
/* Searches [pa, pa + size) on 16-byte borders: the RSDP's address or 0. */
uint64_t acpi_rsdp_search(const struct acpi_memory *m, uint64_t pa, uint64_t size);
/* Reads MADT and FADT behind the RSDP. Return: NULL, or why out is incomplete (then what was found stays in out).
 * out is always initialised. */
const char *acpi_parse(const struct acpi_memory *m, uint64_t rsdp, struct acpi_info *out);

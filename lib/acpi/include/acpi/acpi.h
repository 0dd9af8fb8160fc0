// SPDX-License-Identifier: MIT
/* The static ACPI tables that tell about PCI, interrupts and switching off: RSDP -> XSDT or RSDT -> MCFG, MADT, FADT ->
 * DSDT. Nothing here executes AML: of the DSDT, a package of constants named _S5_ is looked for.
 *
 * The tables are firmware's, and taken as hostile: every length is checked against what was read, every table's
 * checksum is verified, and a table that does not check out is left out (struct acpi_info says how many were).
 *
 * [ACPI-6.4] Advanced Configuration and Power Interface Specification 6.4
 * [PCIFW-3.2] PCI Firmware Specification 3.2 */
#pragma once

#include <abi/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACPI_MAX_ECAM 16
#define ACPI_MAX_OVERRIDES 32
#define ACPI_MAX_IOAPICS 16
#define ACPI_TABLE_MAX (64u * 1024)
#define ACPI_DSDT_MAX (1024u * 1024)

/* Reads physical memory; 0 or a negative enum sk_err. */
struct acpi_memory {
    int64_t (*read)(void *ctx, uint64_t phys, void *buf, size_t len);
    void *ctx;
    /* For tables while they are looked at, NULL when there is none: malloc() and free() where the caller has these. */
    void *(*alloc)(size_t size);
    void (*release)(void *table);
};

/* Configuration space of a segment's buses first_bus..last_bus. [PCIFW-3.2 4.1.2] */
struct acpi_ecam {
    uint64_t base; /* of bus 0, even if first_bus is another one */
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

/* ISA interrupt `source` arrives at global system interrupt `gsi`. [ACPI-6.4 5.2.12.5] */
struct acpi_override {
    uint8_t source;
    uint16_t flags; /* MPS INTI: bits 1:0 polarity, 3:2 trigger mode */
    uint32_t gsi;
};
#define ACPI_INTI_ACTIVE_HIGH 1u /* of bits 1:0; 0 conforms to the bus */
#define ACPI_INTI_ACTIVE_LOW 3u
#define ACPI_INTI_EDGE 1u /* of bits 3:2 */
#define ACPI_INTI_LEVEL 3u

struct acpi_ioapic {
    uint64_t base;
    uint32_t gsi_base;
    uint8_t id;
};

/* How to reach state S5, soft off. [ACPI-6.4 4.8.3.2, 7.4.2.6, 16.1.7] */
struct acpi_power {
    uint16_t control[2]; /* ports of PM1a_CNT and PM1b_CNT; 0: there is none */
    uint8_t type[2];     /* SLP_TYP for each */
    bool typed;          /* type[] was found */
    uint16_t smi_port;   /* writing `enable` there switches to ACPI mode; 0: always in it */
    uint8_t enable;
    uint64_t dsdt;
};
#define ACPI_PM1_SCI_EN 0x0001u
#define ACPI_PM1_SLP_TYP 0x1c00u /* bits 12:10 */
#define ACPI_PM1_SLP_EN 0x2000u

struct acpi_info {
    unsigned ecam_count, override_count, ioapic_count;
    unsigned bad_tables; /* with a wrong length or checksum, or unreadable */
    struct acpi_power power;
    uint16_t sci; /* FADT: interrupt of the system control; 0xffff: no FADT */
    struct acpi_ecam ecam[ACPI_MAX_ECAM];
    struct acpi_override override[ACPI_MAX_OVERRIDES];
    struct acpi_ioapic ioapic[ACPI_MAX_IOAPICS];
};

/* Reads all tables below the RSDP at physical address rsdp. Return: SK_OK; SK_ENOENT: no RSDP there; SK_EIO: it
 * does not check out, or its list of tables is not readable; SK_ENOMEM. info is valid (perhaps empty) in any case. */
__attribute__((warn_unused_result)) int64_t acpi_read(const struct acpi_memory *memory, uint64_t rsdp,
                                                      struct acpi_info *info);

/* Parse one table, given with its header and already checked for length and checksum. Entries beyond the limits or the
 * table's end are ignored. */
void acpi_mcfg_parse(const uint8_t *table, size_t len, struct acpi_info *info);
void acpi_madt_parse(const uint8_t *table, size_t len, struct acpi_info *info);
void acpi_fadt_parse(const uint8_t *table, size_t len, struct acpi_info *info);
/* Looks for Name (_S5_, Package () { constant, constant, ... }) in AML. False: there is none, or of another form. */
bool acpi_s5_parse(const uint8_t *aml, size_t len, uint8_t type[2]);

/* The override for an ISA interrupt, or NULL. */
const struct acpi_override *acpi_override_find(const struct acpi_info *info, unsigned source);

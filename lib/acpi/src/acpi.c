// SPDX-License-Identifier: MIT
// Static ACPI tables: see acpi/acpi.h.
#include <acpi/acpi.h>
#include <stdbool.h>
#include <string.h>
#include <util/bits.h>

/* [ACPI-6.4 5.2.5.3, table 5.3] */
#define RSDP_V1_SIZE 20
#define RSDP_REVISION 15
#define RSDP_RSDT 16
#define RSDP_LENGTH 20
#define RSDP_XSDT 24
#define RSDP_V2_SIZE 36
/* System description table header [ACPI-6.4 5.2.6, table 5.4] */
#define SDT_LENGTH 4
#define SDT_SIZE 36
/* MCFG [PCIFW-3.2 4.1.2, tables 4-2, 4-3] */
#define MCFG_ENTRIES 44
#define MCFG_ENTRY_SIZE 16
#define MCFG_ENTRY_SEGMENT 8
#define MCFG_ENTRY_FIRST 10
#define MCFG_ENTRY_LAST 11
/* MADT [ACPI-6.4 5.2.12, tables 5.19, 5.23, 5.25] */
#define MADT_ENTRIES 44
#define MADT_IOAPIC 1
#define MADT_IOAPIC_SIZE 12
#define MADT_OVERRIDE 2
#define MADT_OVERRIDE_SIZE 10
/* FADT [ACPI-6.4 5.2.9, table 5.9] */
#define FADT_DSDT 40
#define FADT_SCI_INT 46
#define FADT_SMI_CMD 48
#define FADT_ACPI_ENABLE 52
#define FADT_PM1A_CNT 64
#define FADT_PM1B_CNT 68
#define FADT_FLAGS 112
#define FADT_HW_REDUCED BIT(20) /* there are no such ports */
#define FADT_X_DSDT 140
/* AML [ACPI-6.4 20.2] */
#define AML_ZERO 0x00
#define AML_ONE 0x01
#define AML_NAME 0x08
#define AML_BYTE 0x0a
#define AML_PACKAGE 0x12

static uint64_t get_le(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = bytes; i-- > 0;) {
        v = v << 8 | p[i];
    }
    return v;
}

static bool sum_is_zero(const uint8_t *p, size_t len)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum = (uint8_t)(sum + p[i]);
    }
    return sum == 0;
}

void acpi_mcfg_parse(const uint8_t *table, size_t len, struct acpi_info *info)
{
    for (size_t off = MCFG_ENTRIES; range_ok(off, MCFG_ENTRY_SIZE, len); off += MCFG_ENTRY_SIZE) {
        const uint8_t *e = table + off;
        struct acpi_ecam ecam = {
            .base = get_le(e, 8),
            .segment = (uint16_t)get_le(e + MCFG_ENTRY_SEGMENT, 2),
            .first_bus = e[MCFG_ENTRY_FIRST],
            .last_bus = e[MCFG_ENTRY_LAST],
        };
        bool sane = ecam.base != 0 && ecam.base % (1u << 20) == 0 && ecam.base <= UINT64_MAX - (256u << 20);

        if (sane && ecam.first_bus <= ecam.last_bus && info->ecam_count < ACPI_MAX_ECAM) {
            info->ecam[info->ecam_count++] = ecam;
        }
    }
}

static void madt_entry(const uint8_t *e, unsigned size, struct acpi_info *info)
{
    if (e[0] == MADT_OVERRIDE && size >= MADT_OVERRIDE_SIZE && info->override_count < ACPI_MAX_OVERRIDES) {
        info->override[info->override_count++] = (struct acpi_override){
            .source = e[3], .gsi = (uint32_t)get_le(e + 4, 4), .flags = (uint16_t)get_le(e + 8, 2)};
    }
    if (e[0] == MADT_IOAPIC && size >= MADT_IOAPIC_SIZE && info->ioapic_count < ACPI_MAX_IOAPICS) {
        info->ioapic[info->ioapic_count++] =
            (struct acpi_ioapic){.id = e[2], .base = get_le(e + 4, 4), .gsi_base = (uint32_t)get_le(e + 8, 4)};
    }
}

void acpi_madt_parse(const uint8_t *table, size_t len, struct acpi_info *info)
{
    size_t off = MADT_ENTRIES;

    while (range_ok(off, 2, len)) {
        unsigned size = table[off + 1];
        if (size < 2 || !range_ok(off, size, len)) {
            return; /* an entry without length would be read for ever */
        }
        madt_entry(table + off, size, info);
        off += size;
    }
}

void acpi_fadt_parse(const uint8_t *table, size_t len, struct acpi_info *info)
{
    if (range_ok(FADT_SCI_INT, 2, len)) {
        info->sci = (uint16_t)get_le(table + FADT_SCI_INT, 2);
    }
    struct acpi_power *p = &info->power;

    if (!range_ok(FADT_FLAGS, 4, len) || (get_le(table + FADT_FLAGS, 4) & FADT_HW_REDUCED)) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        uint64_t port = get_le(table + (i ? FADT_PM1B_CNT : FADT_PM1A_CNT), 4);

        p->control[i] = (uint16_t)(port < 0xffff ? port : 0);
    }
    uint64_t smi = get_le(table + FADT_SMI_CMD, 4);

    p->smi_port = (uint16_t)(smi <= 0xffff ? smi : 0);
    p->enable = table[FADT_ACPI_ENABLE];
    p->dsdt = range_ok(FADT_X_DSDT, 8, len) ? get_le(table + FADT_X_DSDT, 8) : 0;
    p->dsdt = p->dsdt ? p->dsdt : get_le(table + FADT_DSDT, 4);
}

/* A constant of one byte at *off, which is set behind it. */
static bool aml_byte(const uint8_t *aml, size_t len, size_t *off, uint8_t *value)
{
    if (*off >= len) {
        return false;
    }
    uint8_t op = aml[(*off)++];

    if (op == AML_ZERO || op == AML_ONE) {
        *value = op;
        return true;
    }
    if (op != AML_BYTE || *off >= len) {
        return false;
    }
    *value = aml[(*off)++];
    return true;
}

/* The package behind the name: PackageOp, PkgLength (1 to 4 bytes), NumElements, elements. */
static bool s5_package(const uint8_t *aml, size_t len, size_t off, uint8_t type[2])
{
    if (!range_ok(off, 2, len) || aml[off] != AML_PACKAGE) {
        return false;
    }
    off += 2u + (aml[off + 1] >> 6);
    return off < len && aml[off++] >= 2 && aml_byte(aml, len, &off, &type[0]) && aml_byte(aml, len, &off, &type[1]) &&
           type[0] < 8 && type[1] < 8;
}

bool acpi_s5_parse(const uint8_t *aml, size_t len, uint8_t type[2])
{
    for (size_t i = 2; range_ok(i, 4, len); i++) {
        bool named = aml[i - 1] == AML_NAME || (aml[i - 1] == '\\' && aml[i - 2] == AML_NAME);

        if (named && memcmp(aml + i, "_S5_", 4) == 0 && s5_package(aml, len, i + 4, type)) {
            return true;
        }
    }
    return false;
}

/* Reads the whole table at phys (to be freed); NULL and *err. */
static uint8_t *read_table(const struct acpi_memory *m, uint64_t phys, size_t most, size_t *len, int64_t *err)
{
    uint8_t header[SDT_SIZE];
    uint8_t *table = NULL;

    *err = m->read(m->ctx, phys, header, sizeof header);
    if (*err < 0) {
        return NULL;
    }
    *len = get_le(header + SDT_LENGTH, 4);
    if (*len < SDT_SIZE || *len > most) {
        *err = SK_EIO;
        return NULL;
    }
    table = m->alloc(*len);
    *err = table == NULL ? SK_ENOMEM : m->read(m->ctx, phys, table, *len);
    /* The second read may differ from the first; the checksum covers the length that is used. */
    if (*err == SK_OK && (get_le(table + SDT_LENGTH, 4) != *len || !sum_is_zero(table, *len))) {
        *err = SK_EIO;
    }
    if (*err < 0) {
        if (table != NULL) {
            m->release(table);
        }
        return NULL;
    }
    return table;
}

static void read_one(const struct acpi_memory *m, uint64_t phys, struct acpi_info *info)
{
    static const struct {
        char signature[5];
        void (*parse)(const uint8_t *table, size_t len, struct acpi_info *info);
    } kinds[] = {{"MCFG", acpi_mcfg_parse}, {"APIC", acpi_madt_parse}, {"FACP", acpi_fadt_parse}};
    uint8_t signature[4];
    size_t len;
    int64_t err;

    if (m->read(m->ctx, phys, signature, sizeof signature) < 0) {
        info->bad_tables++;
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (memcmp(signature, kinds[i].signature, 4) == 0) {
            uint8_t *table = read_table(m, phys, ACPI_TABLE_MAX, &len, &err);
            if (table == NULL) {
                info->bad_tables++;
            } else {
                kinds[i].parse(table, len, info);
                m->release(table);
            }
        }
    }
}

/* entry: bytes of an address in the list: 8 in the XSDT, 4 in the RSDT. [ACPI-6.4 5.2.7, 5.2.8] */
static int64_t read_list(const struct acpi_memory *m, uint64_t phys, const char *signature, unsigned entry,
                         struct acpi_info *info)
{
    size_t len;
    int64_t err;
    uint8_t *list = read_table(m, phys, ACPI_TABLE_MAX, &len, &err);

    if (list == NULL) {
        return err;
    }
    if (memcmp(list, signature, 4) != 0) {
        m->release(list);
        return SK_EIO;
    }
    for (size_t off = SDT_SIZE; range_ok(off, entry, len) && off < SDT_SIZE + 256u * entry; off += entry) {
        read_one(m, get_le(list + off, entry), info);
    }
    m->release(list);
    return SK_OK;
}

static int64_t read_lists(const struct acpi_memory *m, const uint8_t *rsdp, bool v2, struct acpi_info *info)
{
    uint64_t xsdt = v2 ? get_le(rsdp + RSDP_XSDT, 8) : 0;

    if (xsdt != 0 && read_list(m, xsdt, "XSDT", 8, info) == SK_OK) {
        return SK_OK;
    }
    return read_list(m, get_le(rsdp + RSDP_RSDT, 4), "RSDT", 4, info);
}

static void read_dsdt(const struct acpi_memory *m, struct acpi_info *info)
{
    struct acpi_power *p = &info->power;
    size_t len;
    int64_t err;
    uint8_t *dsdt = p->dsdt ? read_table(m, p->dsdt, ACPI_DSDT_MAX, &len, &err) : NULL;

    if (dsdt != NULL) {
        p->typed = memcmp(dsdt, "DSDT", 4) == 0 && acpi_s5_parse(dsdt + SDT_SIZE, len - SDT_SIZE, p->type);
        m->release(dsdt);
    } else if (p->dsdt) {
        info->bad_tables++;
    }
}

int64_t acpi_read(const struct acpi_memory *m, uint64_t phys, struct acpi_info *info)
{
    uint8_t rsdp[RSDP_V2_SIZE];

    *info = (struct acpi_info){.sci = 0xffff};
    if (m->read(m->ctx, phys, rsdp, RSDP_V1_SIZE) < 0 || memcmp(rsdp, "RSD PTR ", 8) != 0) {
        return SK_ENOENT;
    }
    if (!sum_is_zero(rsdp, RSDP_V1_SIZE)) {
        return SK_EIO;
    }
    bool v2 = rsdp[RSDP_REVISION] >= 2 && m->read(m->ctx, phys, rsdp, RSDP_V2_SIZE) == SK_OK &&
              get_le(rsdp + RSDP_LENGTH, 4) >= RSDP_V2_SIZE && sum_is_zero(rsdp, RSDP_V2_SIZE);
    int64_t err = read_lists(m, rsdp, v2, info);

    read_dsdt(m, info);
    return err;
}

const struct acpi_override *acpi_override_find(const struct acpi_info *info, unsigned source)
{
    for (unsigned i = 0; i < info->override_count; i++) {
        if (info->override[i].source == source) {
            return &info->override[i];
        }
    }
    return NULL;
}

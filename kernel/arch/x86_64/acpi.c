// SPDX-License-Identifier: MIT
/* See acpi.h. A table is used only if its length is sane and its checksum is right; entries that run over the end of
 * their table end the walk.
 *
 * Document: [ACPI-6.4] 5.2.5 (RSDP), 5.2.6 (header), 5.2.7, 5.2.8 (RSDT, XSDT), 5.2.9 (FADT), 5.2.12 (MADT). */
#include "acpi.h"

#include <string.h>

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t checksum_all, _rsvd[3];
} __attribute__((packed));
_Static_assert(offsetof(struct rsdp, rsdt) == 16, "RSDP rsdt");
_Static_assert(offsetof(struct rsdp, xsdt) == 24, "RSDP xsdt");
_Static_assert(sizeof(struct rsdp) == 36, "RSDP size");
#define RSDP_V1_SIZE 20

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision, creator_id, creator_revision;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_header) == 36, "table header size");

#define ACPI_TABLE_MAX (1u << 20)
/* FADT field offsets. [ACPI-6.4 table 5.9] */
#define FADT_PM_TMR_BLK   76
#define FADT_PM_TMR_LEN   91
#define FADT_FLAGS        112
#define FADT_RESET_REG    116
#define FADT_RESET_VALUE  128
#define FADT_X_PM_TMR_BLK 208
#define FADT_RESET_REG_SUP (1u << 10)
#define GAS_SIZE 12 /* space id, bit width, bit offset, access size, address */
/* MADT. [ACPI-6.4 5.2.12] */
#define MADT_LAPIC   36
#define MADT_ENTRIES 44
enum madt_type { MADT_CPU = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_OVERRIDE = 5, MADT_X2APIC = 9 };
#define MADT_CPU_ENABLED 1u

static uint8_t sum(const uint8_t *p, uint64_t n)
{
    uint8_t s = 0;
    for (uint64_t i = 0; i < n; i++) {
        s = (uint8_t)(s + p[i]);
    }
    return s;
}

static uint16_t get16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}
static uint32_t get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}
static uint64_t get64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

bool acpi_rsdp_valid(const void *p, uint64_t size)
{
    struct rsdp r;
    if (size < RSDP_V1_SIZE || memcmp(p, "RSD PTR ", 8) != 0 || sum(p, RSDP_V1_SIZE) != 0) {
        return false;
    }
    memset(&r, 0, sizeof(r));
    memcpy(&r, p, size < sizeof(r) ? size : sizeof(r));
    return r.revision < 2 || (r.length >= sizeof(r) && r.length <= size && sum(p, r.length) == 0);
}

uint64_t acpi_rsdp_search(const struct acpi_memory *m, uint64_t pa, uint64_t size)
{
    const uint8_t *p = m->map(m->arg, pa, size);
    for (uint64_t off = align_up(pa, 16) - pa; p && range_ok(off, RSDP_V1_SIZE, size); off += 16) {
        if (acpi_rsdp_valid(p + off, size - off)) {
            return pa + off;
        }
    }
    return 0;
}

/* The table at pa if it is whole, NULL otherwise. */
static const uint8_t *table_get(const struct acpi_memory *m, uint64_t pa, uint32_t *length)
{
    const uint8_t *p = m->map(m->arg, pa, sizeof(struct acpi_header));
    if (!p) {
        return NULL;
    }
    *length = get32(p + offsetof(struct acpi_header, length));
    if (*length < sizeof(struct acpi_header) || *length > ACPI_TABLE_MAX) {
        return NULL;
    }
    p = m->map(m->arg, pa, *length);
    return p && sum(p, *length) == 0 ? p : NULL;
}

static void fadt_parse(const uint8_t *t, uint32_t length, struct acpi_info *out)
{
    if (length >= FADT_FLAGS && t[FADT_PM_TMR_LEN] == 4) {
        out->pm_timer = (uint16_t)get32(t + FADT_PM_TMR_BLK);
    }
    if (length >= FADT_X_PM_TMR_BLK + GAS_SIZE && t[FADT_X_PM_TMR_BLK] == ACPI_SPACE_IO &&
        get64(t + FADT_X_PM_TMR_BLK + 4) != 0 && get64(t + FADT_X_PM_TMR_BLK + 4) < 0x10000) {
        out->pm_timer = (uint16_t)get64(t + FADT_X_PM_TMR_BLK + 4);
    }
    if (length > FADT_RESET_VALUE && (get32(t + FADT_FLAGS) & FADT_RESET_REG_SUP)) {
        out->has_reset = true;
        out->reset_space = t[FADT_RESET_REG];
        out->reset_address = get64(t + FADT_RESET_REG + 4);
        out->reset_value = t[FADT_RESET_VALUE];
    }
}

/* MPS INTI flags: 1:0 polarity (3 low), 3:2 trigger (3 level); "conforms" is edge, high on ISA. [5.2.12.5] */
static uint32_t inti_flags(uint16_t f)
{
    return ((f & 3) == 3 ? IRQ_ACTIVE_LOW : 0) | ((f >> 2 & 3) == 3 ? IRQ_LEVEL : 0);
}

/* Some firmware lists a processor twice, as local APIC and as x2APIC. */
static void cpu_add(struct acpi_info *out, uint32_t id)
{
    for (uint32_t i = 0; i < out->cpu_count; i++) {
        if (out->cpu[i] == id) {
            return;
        }
    }
    out->cpus++;
    if (out->cpu_count < ACPI_CPUS_MAX) {
        out->cpu[out->cpu_count++] = id;
    }
}

static void madt_entry(const uint8_t *e, uint8_t len, struct acpi_info *out)
{
    switch (e[0]) {
    case MADT_CPU:
        if (len >= 8 && (get32(e + 4) & MADT_CPU_ENABLED)) {
            cpu_add(out, e[3]);
        }
        break;
    case MADT_X2APIC:
        if (len >= 16 && (get32(e + 8) & MADT_CPU_ENABLED)) {
            cpu_add(out, get32(e + 4));
        }
        break;
    case MADT_IOAPIC:
        if (len >= 12 && out->ioapic_count < ACPI_IOAPICS_MAX) {
            out->ioapic[out->ioapic_count].id = e[2];
            out->ioapic[out->ioapic_count].address = get32(e + 4);
            out->ioapic[out->ioapic_count].gsi_base = get32(e + 8);
            out->ioapic_count++;
        }
        break;
    case MADT_OVERRIDE:
        if (len >= 10 && e[2] == 0 && out->override_count < ACPI_OVERRIDES_MAX) {
            out->override[out->override_count].isa_irq = e[3];
            out->override[out->override_count].gsi = get32(e + 4);
            out->override[out->override_count].flags = inti_flags(get16(e + 8));
            out->override_count++;
        }
        break;
    case MADT_LAPIC_OVERRIDE:
        if (len >= 12) {
            out->lapic = get64(e + 4);
        }
        break;
    default:
        break;
    }
}

static void madt_parse(const uint8_t *t, uint32_t length, struct acpi_info *out)
{
    if (length < MADT_ENTRIES) {
        return;
    }
    out->lapic = get32(t + MADT_LAPIC);
    for (uint32_t off = MADT_ENTRIES; range_ok(off, 2, length);) {
        uint8_t len = t[off + 1];
        if (len < 2 || !range_ok(off, len, length)) {
            return;
        }
        madt_entry(t + off, len, out);
        off += len;
    }
}

/* The root table's address and the size of its entries. */
static bool root_find(const struct acpi_memory *m, uint64_t rsdp, uint64_t *root, uint32_t *entry_size)
{
    struct rsdp r;
    const void *p = m->map(m->arg, rsdp, sizeof(r));
    if (!p || !acpi_rsdp_valid(p, sizeof(r))) {
        return false;
    }
    memcpy(&r, p, sizeof(r));
    bool x = r.revision >= 2 && r.xsdt != 0;
    *root = x ? r.xsdt : r.rsdt;
    *entry_size = x ? 8 : 4;
    return true;
}

const char *acpi_parse(const struct acpi_memory *m, uint64_t rsdp, struct acpi_info *out)
{
    uint64_t root;
    uint32_t entry_size, length;
    memset(out, 0, sizeof(*out));
    if (rsdp == 0) {
        return "no ACPI tables found";
    }
    if (!root_find(m, rsdp, &root, &entry_size)) {
        return "the ACPI root pointer has a wrong checksum";
    }
    const uint8_t *t = table_get(m, root, &length);
    if (!t || memcmp(t, entry_size == 8 ? "XSDT" : "RSDT", 4) != 0) {
        return "the ACPI root table is unreadable or has a wrong checksum";
    }
    const char *why = NULL;
    for (uint32_t off = sizeof(struct acpi_header); range_ok(off, entry_size, length); off += entry_size) {
        uint32_t len;
        const uint8_t *e = table_get(m, entry_size == 8 ? get64(t + off) : get32(t + off), &len);
        if (!e) {
            why = "an ACPI table is unreadable or has a wrong checksum";
        } else if (memcmp(e, "APIC", 4) == 0) {
            madt_parse(e, len, out);
        } else if (memcmp(e, "FACP", 4) == 0) {
            fadt_parse(e, len, out);
        }
    }
    return out->lapic == 0 ? "the ACPI tables have no MADT" : why;
}

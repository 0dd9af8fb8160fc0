// SPDX-License-Identifier: MIT
/* Any memory content as ACPI tables. Input: 1 byte, bit 0: make checksums right; then physical memory from 0x1000 on,
 * RSDP at its start, tables on every 64 bytes. Without the right checksums nearly everything would be refused early. */
#include "acpi.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t mem[8192];
static uint64_t mem_size;

static const void *map(void *arg, uint64_t pa, uint64_t size)
{
    (void)arg;
    return pa >= 0x1000 && range_ok(pa - 0x1000, size, mem_size) ? mem + (pa - 0x1000) : NULL;
}

static void checksum(uint64_t off, uint64_t len, unsigned at)
{
    uint8_t s = 0;
    if (!range_ok(off, len, mem_size) || at >= len) {
        return;
    }
    mem[off + at] = 0;
    for (uint64_t i = 0; i < len; i++) {
        s = (uint8_t)(s + mem[off + i]);
    }
    mem[off + at] = (uint8_t)-s;
}

static void repair(void)
{
    for (uint64_t off = mem_size & ~63ull; off >= 64; off -= 64) {
        uint32_t len;
        if (range_ok(off, 36, mem_size)) {
            memcpy(&len, mem + off + 4, 4);
            checksum(off, len, 9);
        }
    }
    checksum(0, 20, 8);
    checksum(0, 36, 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct acpi_info info;
    const struct acpi_memory m = { map, NULL };
    if (size < 1) {
        return 0;
    }
    mem_size = size - 1 < sizeof(mem) ? size - 1 : sizeof(mem);
    memcpy(mem, data + 1, mem_size);
    if (data[0] & 1) {
        repair();
    }
    (void)acpi_rsdp_search(&m, 0x1000, mem_size);
    (void)acpi_parse(&m, 0x1000, &info);
    return info.ioapic_count > ACPI_IOAPICS_MAX || info.override_count > ACPI_OVERRIDES_MAX ? __builtin_trap(), 0 : 0;
}

// SPDX-License-Identifier: MIT
// Fuzzes the ACPI table reader: the input is the physical memory, with the RSDP at 0.
#include <acpi/acpi.h>
#include <stdlib.h>
#include <string.h>
#include <util/bits.h>

struct image {
    const uint8_t *data;
    size_t size;
};

static int64_t image_read(void *ctx, uint64_t phys, void *buf, size_t len)
{
    const struct image *i = ctx;

    if (!range_ok(phys, len, i->size)) {
        return SK_ERANGE;
    }
    memcpy(buf, i->data + phys, len);
    return SK_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image image = {data, size};
    struct acpi_memory memory = {image_read, &image, malloc, free};
    struct acpi_info info;

    (void)acpi_read(&memory, 0, &info);
    /* Checksums stop most mutations above: the parsers also get the input itself. */
    acpi_mcfg_parse(data, size, &info);
    acpi_madt_parse(data, size, &info);
    acpi_fadt_parse(data, size, &info);
    (void)acpi_s5_parse(data, size, info.power.type);
    return 0;
}

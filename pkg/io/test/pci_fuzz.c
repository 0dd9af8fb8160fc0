// SPDX-License-Identifier: MIT
/* Fuzzes everything that is read from config space: each access takes its value from the input, so that a device may
 * answer differently each time. Ends by the limits of the code, never by the machine's cooperation. */
#include "../src/log.h"
#include "../src/pci.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t *input;
static size_t left;

static uint32_t fuzz_read(void *ctx, struct pci_addr a, unsigned reg, unsigned width)
{
    uint32_t v = 0;

    (void)ctx;
    (void)a;
    if (reg % width != 0 || reg + width > 256) {
        abort();
    }
    size_t n = width < left ? width : left;
    memcpy(&v, input, n);
    input += n;
    left -= n;
    return n == 0 ? 0xffffffffu >> (32 - 8 * width) : v;
}

static void fuzz_write(void *ctx, struct pci_addr a, unsigned reg, unsigned width, uint32_t value)
{
    (void)ctx;
    (void)a;
    (void)value;
    if (reg % width != 0 || reg + width > 256) {
        abort();
    }
}

static unsigned fuzz_size(void *ctx, struct pci_addr a)
{
    (void)ctx;
    (void)a;
    return 256;
}

static uint8_t table[0x10000];

static void *fuzz_map(void *ctx, uint64_t phys, size_t size)
{
    (void)ctx;
    return phys % 4096 == 0 && size <= sizeof table ? table : NULL;
}

static void fuzz_wait(void *ctx, unsigned ms)
{
    (void)ctx;
    (void)ms;
}

static void use_device(struct pci *pci, struct pci_dev *dev)
{
    struct pci_part parts[PCI_PARTS_MAX];
    static const struct acpi_info acpi;
    struct pci_intx route;
    uint32_t v;

    pci_prepare(pci, dev);
    for (unsigned bar = 0; bar < PCI_BARS; bar++) {
        int64_t n = pci_bar_parts(pci, dev, bar, parts);
        for (int64_t i = 0; i < n; i++) {
            if (parts[i].size == 0 || (parts[i].off | parts[i].size) % 4096 != 0) {
                abort();
            }
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        (void)!pci_msi_set(pci, dev, i * 1000, 0xfee00000, i);
        pci_msi_clear(pci, dev, i * 1000);
    }
    (void)!pci_client_read(pci, dev, 4, 4, &v);
    (void)!pci_client_write(pci, dev, 4, 4, 0xffffffff);
    (void)!pci_intx_route(dev, &acpi, 24, &route);
    (void)!pci_reset(pci, dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pci_hw hw = {fuzz_read, fuzz_write, fuzz_size, fuzz_map, fuzz_wait, NULL};
    static struct pci pci;

    io_verbosity = IO_ERROR;
    /* The first byte says how much of the input the scan gets; the rest is for the devices. */
    size_t scan = size > 1 ? (data[0] * size) / 256 : size;
    pci.hw = &hw;
    pci.count = 0;
    pci.overflow = false;
    input = data;
    left = scan;
    pci_scan(&pci, 0, 0);
    input = data + scan;
    left = size - scan;
    for (unsigned i = 0; i < pci.count && left > 0; i++) {
        use_device(&pci, &pci.dev[i]);
    }
    return 0;
}

// SPDX-License-Identifier: MIT
/* PCI functions of a fake machine: discovery, BARs, capabilities, what clients may do, interrupts; good devices and
 * hostile ones. Register numbers are typed from the specifications, apart from src/pci_regs.h. */
#include "../src/match.h"
#include "../src/pci.h"
#include "machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct pci pci;

static void begin(void)
{
    machine_reset();
    memset(&pci, 0, sizeof pci);
    pci.hw = &machine_hw;
}

/* The nvme controller alone, prepared. */
static struct pci_dev *one_nvme(void)
{
    begin();
    machine_nvme(4);
    pci_scan(&pci, 0, 0);
    assert_int_equal(pci.count, 1);
    pci_prepare(&pci, &pci.dev[0]);
    return &pci.dev[0];
}

static void logged(const char *text)
{
    if (strstr(machine_log, text) == NULL) {
        fail_msg("'%s' is not in the log:\n%s", text, machine_log);
    }
}

static void test_scan(void **state)
{
    (void)state;
    begin();
    machine_add(0, 0, 0, 0x12378086, 0x06000002);
    machine_add(0, 1, 0, 0x70008086, 0x06010000)->cfg[0x0e] = 0x80;
    machine_add(0, 1, 1, 0x70108086, 0x01018000);
    machine_add(0, 2, 1, 0x11111111, 0x02000000); /* function 1 without 0 is not there */
    machine_bridge(machine_add(0, 3, 0, 0x00011b36, 0x06040000), 5);
    machine_nvme(4);
    machine_add(5, 0, 0, 0x100e8086, 0x02000003);
    pci_scan(&pci, 0, 0);
    assert_int_equal(pci.count, 6);
    assert_true(pci.dev[3].is_bridge);
    assert_ptr_equal(pci.dev[5].parent, &pci.dev[3]);
    assert_int_equal(pci.dev[5].addr.bus, 5);
    assert_int_equal(pci.dev[4].class_code, 0x010802);
    assert_int_equal(pci.dev[4].subsystem, 0x1100);
    logged("pci: 00:04.0: 1b36:0010 class 010802 rev 02, INTA line 11\n");
    logged("pci: 05:00.0: 8086:100e");
}

static void test_bridge_loops(void **state)
{
    (void)state;
    begin();
    machine_bridge(machine_add(0, 1, 0, 0x00011b36, 0x06040000), 0);
    machine_bridge(machine_add(0, 2, 0, 0x00011b36, 0x06040000), 7);
    machine_bridge(machine_add(7, 1, 0, 0x00011b36, 0x06040000), 7);
    machine_bridge(machine_add(7, 2, 0, 0x00011b36, 0x06040000), 9);
    machine_bridge(machine_add(9, 0, 0, 0x00011b36, 0x06040000), 7);
    pci_scan(&pci, 0, 0);
    assert_int_equal(pci.count, 5);
    logged("bridge 00:01.0: firmware has not given it a bus");
    logged("bridge 07:01.0: bus 07 has been found before");
    logged("bridge 09:00.0: bus 07 has been found before");
}

static uint32_t everything_is_one_device(void *ctx, struct pci_addr a, unsigned reg, unsigned width)
{
    static const uint8_t cfg[64] = {0x36, 0x1b, 1, 0, [0x0e] = 0x80};
    uint32_t v = 0;

    (void)ctx;
    (void)a;
    memcpy(&v, cfg + reg % 64, width);
    return v;
}

static void test_too_many(void **state)
{
    struct pci_hw hw = machine_hw;

    (void)state;
    begin();
    hw.cfg_read = everything_is_one_device;
    pci.hw = &hw;
    pci_scan(&pci, 0, 0);
    machine_log[0] = 0;
    pci_scan(&pci, 0, 1);
    assert_int_equal(pci.count, PCI_DEVS_MAX);
    logged("there are more than 256 functions");
}

static void test_prepare(void **state)
{
    struct pci_dev *dev = one_nvme();
    struct machine_function *f = &machine_function[0];

    (void)state;
    assert_int_equal(dev->bar[0].size, 0x4000);
    assert_int_equal(dev->bar[0].base, 0xfebf0000);
    assert_true(dev->bar[0].is_64);
    for (unsigned i = 1; i < 6; i++) {
        assert_int_equal(dev->bar[i].size, 0);
    }
    assert_int_equal(machine_get(f, 0x10, 4), 0xfebf0004); /* restored */
    assert_int_equal(dev->msix.count, 65);
    assert_int_equal(dev->msix.table_off, 0x2000);
    assert_true(dev->has_flr);
    /* quiet: bus master off, INTx off, decoding as firmware left it */
    assert_int_equal(machine_get(f, 4, 2), 0x0503);
    pci_prepare(&pci, dev);
}

static void test_bar_kinds(void **state)
{
    (void)state;
    begin();
    struct machine_function *f = machine_add(0, 1, 0, 0x11111111, 0x01000000);
    machine_bar(f, 0, 0xc000, 0x100, 1);
    memcpy(f->writable + 0x10, &(uint32_t){0x0000ff00}, 4); /* I/O BAR without upper half */
    machine_bar(f, 1, 0xfe000000, 0x1000, 0);
    machine_bar(f, 2, 0x8000000000, 0x200000000, 0xc);
    machine_bar(f, 4, 0xfd000000, 0x10, 8);
    machine_bar(f, 5, 0, 0x1000, 0);
    pci_scan(&pci, 0, 0);
    pci_prepare(&pci, &pci.dev[0]);
    const struct pci_bar *b = pci.dev[0].bar;
    assert_true(b[0].is_io);
    assert_int_equal(b[0].size, 0x100);
    assert_int_equal(b[1].size, 0x1000);
    assert_int_equal(b[2].size, 0x200000000);
    assert_int_equal(b[2].base, 0x8000000000);
    assert_int_equal(b[3].size, 0);
    assert_int_equal(b[4].size, 0x10);
    logged("BAR 5 (4 KiB) no address; the device cannot be used");
    struct pci_part parts[PCI_PARTS_MAX];
    assert_int_equal(pci_bar_parts(&pci, &pci.dev[0], 0, parts), SK_ENOENT);
    assert_int_equal(pci_bar_parts(&pci, &pci.dev[0], 5, parts), SK_ENOENT);
    assert_int_equal(pci_bar_parts(&pci, &pci.dev[0], 6, parts), SK_ENOENT);
    assert_int_equal(pci_bar_parts(&pci, &pci.dev[0], 1, parts), 1);
    assert_int_equal(pci_bar_parts(&pci, &pci.dev[0], 4, parts), 1);
    assert_int_equal(parts[0].size, 0x1000);
    /* Memory decoding would put the unassigned BAR over RAM. */
    assert_int_equal(pci_client_write(&pci, &pci.dev[0], 4, 2, 2), SK_EPERM);
}

static void test_hostile_bars(void **state)
{
    struct pci_part parts[PCI_PARTS_MAX];

    (void)state;
    begin();
    struct machine_function *f = machine_add(0, 1, 0, 0x11111111, 0x01000000);
    machine_bar(f, 0, 0xfe000000, 0x1000, 0);
    memcpy(f->writable + 0x10, &(uint32_t){0xff0ff000}, 4); /* holes in the mask */
    machine_bar(f, 1, 0xfe001000, 0x4000, 0);               /* not aligned to its size */
    machine_bar(f, 5, 0xfd000000, 0x1000, 4);               /* 64-bit in the last register */
    pci_scan(&pci, 0, 0);
    pci_prepare(&pci, &pci.dev[0]);
    assert_int_equal(pci_bar_parts(&pci, &pci.dev[0], 0, parts), SK_ENOENT);
    assert_int_equal(pci_bar_parts(&pci, &pci.dev[0], 1, parts), SK_ENOENT);
    logged("BAR 0 is not usable");
    logged("BAR 1 is not usable");
}

static void test_shared_page(void **state)
{
    struct pci_part parts[PCI_PARTS_MAX];

    (void)state;
    begin();
    machine_bar(machine_add(0, 1, 0, 0x11111111, 0x01000000), 0, 0xfe000000, 0x100, 0);
    machine_bar(machine_add(0, 2, 0, 0x11111111, 0x01000000), 0, 0xfe000100, 0x100, 0);
    pci_scan(&pci, 0, 0);
    pci_prepare(&pci, &pci.dev[0]);
    pci_prepare(&pci, &pci.dev[1]);
    assert_int_equal(pci_bar_parts(&pci, &pci.dev[0], 0, parts), SK_EPERM);
    assert_int_equal(pci_bar_parts(&pci, &pci.dev[1], 0, parts), SK_EPERM);
}

static void test_parts_leave_out_msix(void **state)
{
    struct pci_dev *dev = one_nvme();
    struct pci_part parts[PCI_PARTS_MAX];

    (void)state;
    assert_int_equal(pci_bar_parts(&pci, dev, 0, parts), 1);
    assert_int_equal(parts[0].off, 0);
    assert_int_equal(parts[0].size, 0x2000);
    dev->msix.table_off = 0x1000;
    assert_int_equal(pci_bar_parts(&pci, dev, 0, parts), 2);
    assert_int_equal(parts[0].size, 0x1000);
    assert_int_equal(parts[1].off, 0x2000); /* 65 entries end in the page where they begin */
    assert_int_equal(parts[1].size, 0x1000);
    dev->msix.table_off = 0x3000;
    dev->msix.pba_off = 0x1800;
    assert_int_equal(pci_bar_parts(&pci, dev, 0, parts), 2);
    assert_int_equal(parts[0].size, 0x1000);
    assert_int_equal(parts[1].off, 0x2000);
    assert_int_equal(parts[1].size, 0x1000);
    dev->msix.table_off = 0;
    dev->msix.count = 1024; /* all of it */
    dev->msix.pba_off = 0x3f80;
    assert_int_equal(pci_bar_parts(&pci, dev, 0, parts), 0);
}

static void test_capability_loop(void **state)
{
    (void)state;
    begin();
    struct machine_function *f = machine_add(0, 1, 0, 0x11111111, 0x01000000);
    machine_cap(f, 0x40, 0x09, 0x50);
    machine_cap(f, 0x50, 0x01, 0x40);
    pci_scan(&pci, 0, 0);
    pci_prepare(&pci, &pci.dev[0]);
    f->cfg[0x34] = 0x04; /* into the header */
    pci.dev[0].prepared = false;
    pci_prepare(&pci, &pci.dev[0]);
    f->cfg[0x34] = 0xfc; /* a capability that would pass the end */
    f->cfg[0xfc] = 0x11;
    pci.dev[0].prepared = false;
    pci_prepare(&pci, &pci.dev[0]);
    assert_int_equal(pci.dev[0].msix_cap, 0);
}

static void test_hostile_msix(void **state)
{
    static const uint32_t bad[][2] = {{0x4000, 0x3000}, {0x3ff8, 0x3000}, {0x2000, 0x4000}, {0x2001, 0x3000},
                                      {0x2007, 0x3000}, {0x2000, 0x3006}, {0xfffffff8, 0}};
    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin();
        struct machine_function *f = machine_nvme(4);
        machine_set(f, 0x84, 4, bad[i][0]);
        machine_set(f, 0x88, 4, bad[i][1]);
        pci_scan(&pci, 0, 0);
        pci_prepare(&pci, &pci.dev[0]);
        assert_int_equal(pci.dev[0].msix.count, 0);
        assert_int_equal(pci_msi_set(&pci, &pci.dev[0], 0, 0xfee00000, 1), SK_ENODEV);
        logged("the MSI-X table is outside the device's memory");
    }
}

static void test_msix(void **state)
{
    struct pci_dev *dev = one_nvme();
    struct machine_function *f = &machine_function[0];

    (void)state;
    assert_int_equal(pci_msi_set(&pci, dev, 65, 0xfee00000, 1), SK_ERANGE);
    assert_int_equal(pci_msi_set(&pci, dev, 3, 0x1fee01000, 0x4022), SK_OK);
    assert_int_equal(machine_mapped, 0xfebf2000);
    assert_int_equal(machine_memory[12], 0xfee01000);
    assert_int_equal(machine_memory[13], 1);
    assert_int_equal(machine_memory[14], 0x4022);
    assert_int_equal(machine_memory[15], 0);
    assert_int_equal(machine_get(f, 0x82, 2), 0x8040);
    pci_msi_clear(&pci, dev, 3);
    assert_int_equal(machine_memory[15], 1);
    assert_int_equal(pci_msi_set(&pci, dev, 0, 0xfee00000, 5), SK_OK);
    pci_quiesce(&pci, dev);
    assert_int_equal(machine_memory[3], 1);
    assert_int_equal(machine_get(f, 0x82, 2), 0x4040);
}

static void check_msi(bool wide)
{
    begin();
    struct machine_function *f = machine_add(0, 1, 0, 0x11111111, 0x01000000);
    machine_cap(f, 0x60, 0x05, 0);
    machine_set(f, 0x62, 2, wide ? 0x018a : 0x010a); /* 32 messages possible, per-vector masks */
    memset(f->writable + 0x62, 0x71, 1);
    memset(f->writable + 0x64, 0xff, 0x10);
    machine_set(f, 0x74, 4, 0);
    pci_scan(&pci, 0, 0);
    pci_prepare(&pci, &pci.dev[0]);
    assert_int_equal(pci_msi_count(&pci.dev[0]), 1);
    assert_int_equal(pci_msi_set(&pci, &pci.dev[0], 1, 0xfee00000, 0x33), SK_ERANGE);
    assert_int_equal(pci_msi_set(&pci, &pci.dev[0], 0, 0xfee00000, 0x33), SK_OK);
    assert_int_equal(machine_get(f, 0x64, 4), 0xfee00000);
    assert_int_equal(machine_get(f, wide ? 0x6c : 0x68, 2), 0x33);
    assert_int_equal(machine_get(f, wide ? 0x70 : 0x6c, 4) & 1, 0);
    assert_int_equal(machine_get(f, 0x62, 2) & 0x71, 1);
    pci_msi_clear(&pci, &pci.dev[0], 0);
    assert_int_equal(machine_get(f, 0x62, 2) & 1, 0);
    assert_int_equal(pci_msi_set(&pci, &pci.dev[0], 0, 1ull << 32, 1), wide ? SK_OK : SK_ENODEV);
}

static void test_msi(void **state)
{
    (void)state;
    check_msi(true);
    check_msi(false);
}

/* A function with both. */
static void test_msi_beside_msix(void **state)
{
    begin();
    struct machine_function *f = machine_nvme(4);
    uint8_t first = f->cfg[0x34];

    (void)state;
    machine_cap(f, 0xa0, 0x05, first);
    f->cfg[0x34] = 0xa0;
    machine_set(f, 0xa2, 2, 0x0080);
    memset(f->writable + 0xa2, 0x71, 1);
    memset(f->writable + 0xa4, 0xff, 0x10);
    pci_scan(&pci, 0, 0);
    pci_prepare(&pci, &pci.dev[0]);
    assert_int_equal(pci.dev[0].msix.count, 65);
    assert_int_equal(pci_msi_count(&pci.dev[0]), 1);
    assert_int_equal(pci_msi_set(&pci, &pci.dev[0], PCI_MSI_PLAIN | 1, 0xfee00000, 0x33), SK_ERANGE);
    assert_int_equal(pci_msi_set(&pci, &pci.dev[0], PCI_MSI_PLAIN, 0xfee00000, 0x33), SK_OK);
    assert_int_equal(machine_get(f, 0xa2, 2) & 1, 1);
    assert_int_equal(machine_get(f, 0xac, 2), 0x33);
    assert_int_equal(machine_get(f, 0x82, 2) & 0x8000, 0); /* MSI-X is off */
    pci_msi_clear(&pci, &pci.dev[0], PCI_MSI_PLAIN);
    assert_int_equal(machine_get(f, 0xa2, 2) & 1, 0);
    assert_int_equal(pci_msi_set(&pci, &pci.dev[0], 0, 0xfee00000, 0x34), SK_OK);
    assert_int_equal(machine_get(f, 0x82, 2) & 0x8000, 0x8000);
    assert_int_equal(machine_get(f, 0xa2, 2) & 1, 0);
}

static void test_client_access(void **state)
{
    struct pci_dev *dev = one_nvme();
    struct machine_function *f = &machine_function[0];
    uint32_t v;

    (void)state;
    memset(f->writable + 4, 0xff, 4);
    assert_int_equal(pci_client_read(&pci, dev, 0, 4, &v), SK_OK);
    assert_int_equal(v, 0x00101b36);
    assert_int_equal(pci_client_read(&pci, dev, 2, 4, &v), SK_ERANGE);
    assert_int_equal(pci_client_read(&pci, dev, 0, 3, &v), SK_ERANGE);
    assert_int_equal(pci_client_read(&pci, dev, 0, 0, &v), SK_ERANGE);
    assert_int_equal(pci_client_read(&pci, dev, 256, 1, &v), SK_ERANGE);
    assert_int_equal(pci_client_read(&pci, dev, UINT64_MAX - 3, 4, &v), SK_ERANGE);
    for (unsigned reg = 0; reg < 256; reg += 4) {
        assert_int_equal(pci_client_write(&pci, dev, reg, 4, 0), reg == 4 ? SK_OK : SK_EPERM);
    }
    machine_set(f, 4, 2, 0x0100); /* SERR enable is firmware's */
    assert_int_equal(pci_client_write(&pci, dev, 4, 2, 0xffff), SK_OK);
    assert_int_equal(machine_get(f, 4, 2), 0x0507);
    assert_int_equal(pci_client_write(&pci, dev, 4, 1, 2), SK_OK);
    assert_int_equal(machine_get(f, 4, 2), 0x0502);
    assert_int_equal(pci_client_write(&pci, dev, 5, 1, 0), SK_OK);
    assert_int_equal(machine_get(f, 4, 2), 0x0102);
    assert_int_equal(pci_client_write(&pci, dev, 6, 2, 0xffff), SK_OK);
    assert_int_equal(machine_get(f, 6, 2), 0xf900);
}

static void test_master_behind_bridges(void **state)
{
    (void)state;
    begin();
    machine_bridge(machine_add(0, 1, 0, 0x00011b36, 0x06040000), 1);
    machine_bridge(machine_add(1, 0, 0, 0x00011b36, 0x06040000), 2);
    machine_add(2, 0, 0, 0x00101b36, 0x01080202);
    pci_scan(&pci, 0, 0);
    pci_prepare(&pci, &pci.dev[2]);
    assert_int_equal(pci_client_write(&pci, &pci.dev[2], 4, 2, 6), SK_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(machine_get(&machine_function[i], 4, 2) & 6, 6);
    }
}

static void test_reset(void **state)
{
    struct pci_dev *dev = one_nvme();
    struct machine_function *f = &machine_function[0];

    (void)state;
    assert_int_equal(pci_reset(&pci, dev), SK_OK);
    assert_int_equal(f->resets, 1);
    assert_true(machine_waited_ms >= 100);
    assert_int_equal(machine_get(f, 0x10, 4), 0xfebf0004);
    assert_int_equal(machine_get(f, 0x3c, 1), 11);
    assert_int_equal(machine_get(f, 4, 2) & 4, 0);
    dev->has_flr = false;
    assert_int_equal(pci_reset(&pci, dev), SK_ENODEV);
}

static void test_intx_route(void **state)
{
    struct pci_dev *dev = one_nvme();
    struct acpi_info acpi = {.override_count = 3};
    struct pci_intx route;

    (void)state;
    acpi.override[0] = (struct acpi_override){.source = 11, .gsi = 11, .flags = 0xd};
    acpi.override[1] = (struct acpi_override){.source = 10, .gsi = 20, .flags = 0};
    acpi.override[2] = (struct acpi_override){.source = 5, .gsi = 5, .flags = 5};
    assert_int_equal(pci_intx_route(dev, &acpi, 24, &route), SK_OK);
    assert_int_equal(route.gsi, 11);
    assert_true(route.level);
    assert_false(route.active_low);
    dev->intx_line = 10;
    assert_int_equal(pci_intx_route(dev, &acpi, 24, &route), SK_OK);
    assert_int_equal(route.gsi, 20);
    assert_true(route.level && route.active_low);
    dev->intx_line = 5;
    assert_int_equal(pci_intx_route(dev, &acpi, 24, &route), SK_OK);
    assert_false(route.level);
    dev->intx_line = 16;
    assert_int_equal(pci_intx_route(dev, &acpi, 24, &route), SK_OK);
    assert_true(route.level && route.active_low);
    assert_int_equal(pci_intx_route(dev, &acpi, 16, &route), SK_ENODEV);
    dev->intx_line = 0xff;
    assert_int_equal(pci_intx_route(dev, &acpi, 256, &route), SK_ENODEV);
    dev->intx_line = 11;
    dev->intx_pin = 0;
    assert_int_equal(pci_intx_route(dev, &acpi, 24, &route), SK_ENODEV);
}

static bool matches(const char *expression)
{
    struct pci_match m;
    char err[384];

    if (!pci_match_parse(expression, &m, err, sizeof err)) {
        fail_msg("%s", err);
    }
    return pci_match_test(&m, &pci.dev[0]);
}

static void test_match(void **state)
{
    static const char *const yes[] = {"PCI/storage",
                                      "PCI/CC_01",
                                      "PCI/CC_0108",
                                      "PCI/CC_010802",
                                      "PCI/nvm",
                                      "PCI/nvme",
                                      "PCI/NVMe",
                                      "PCI/VEN_1b36&DEV_0010",
                                      "PCI/VEN_1B36",
                                      "PCI/ADR_0000:00:04.0",
                                      "PCI/REV_02",
                                      "PCI/SUBSYS_11001af4",
                                      "PCI/storage&VEN_1b36&CC_0108",
                                      "PCI/VEN_1b36&VEN_1b36"};
    static const char *const no[] = {"PCI/network",           "PCI/CC_0101",         "PCI/VEN_8086",
                                     "PCI/VEN_1b36&DEV_0011", "PCI/REV_00",          "PCI/ADR_0000:00:04.1",
                                     "PCI/ADR_0001:00:04.0",  "PCI/storage&network", "PCI/VEN_8086&VEN_1b36",
                                     "PCI/CC_010801&nvme"};
    (void)state;
    one_nvme();
    for (unsigned i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        assert_true(matches(yes[i]));
    }
    for (unsigned i = 0; i < sizeof no / sizeof no[0]; i++) {
        assert_false(matches(no[i]));
    }
    pci.dev[0].is_bridge = true;
    assert_false(matches("PCI/storage"));
}

static void test_bad_match(void **state)
{
    static const char *const bad[] = {"",
                                      "storage",
                                      "PCI/",
                                      "PCI/CC_",
                                      "PCI/CC_1",
                                      "PCI/CC_01080",
                                      "PCI/CC_zz",
                                      "PCI/CC_01&",
                                      "PCI/&CC_01",
                                      "PCI/VEN_123",
                                      "PCI/VEN_12345",
                                      "PCI/DEV_",
                                      "PCI/ADR_00:04.0",
                                      "PCI/ADR_0000:00:20.0",
                                      "PCI/ADR_0000:00:04.8",
                                      "PCI/foo",
                                      "PCI/ADR_0000:00.04:0",
                                      "PCI/SUBSYS_1100",
                                      "PCI/VEN_-123",
                                      "PCI/VEN_@@@@",
                                      "PCI/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct pci_match m;
    char err[384];

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (pci_match_parse(bad[i], &m, err, sizeof err)) {
            fail_msg("'%s' was taken", bad[i]);
        }
        assert_true(strlen(err) > 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_bridge_loops),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_prepare),
        cmocka_unit_test(test_bar_kinds),
        cmocka_unit_test(test_hostile_bars),
        cmocka_unit_test(test_shared_page),
        cmocka_unit_test(test_parts_leave_out_msix),
        cmocka_unit_test(test_capability_loop),
        cmocka_unit_test(test_hostile_msix),
        cmocka_unit_test(test_msix),
        cmocka_unit_test(test_msi), cmocka_unit_test(test_msi_beside_msix),
        cmocka_unit_test(test_client_access),
        cmocka_unit_test(test_master_behind_bridges),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_intx_route),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_bad_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

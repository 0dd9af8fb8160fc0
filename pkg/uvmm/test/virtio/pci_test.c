// SPDX-License-Identifier: MIT
// Configuration space, BARs, MSI-X and INTx of the guest's PCI bus.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../../src/device.h"
#include "../../src/pci/pci.h"
#include "../../src/pci/regs.h"
#include "fakes.h"
#include <string.h>

static struct pci_dev dev, other;
static uint64_t reg[2];

static uint64_t reg_read(void *ctx, uint64_t off, unsigned width)
{
    (void)off, (void)width;
    return *(uint64_t *)ctx;
}
static void reg_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    (void)off, (void)width;
    *(uint64_t *)ctx = value;
}
static const struct bus_ops reg_ops = {reg_read, reg_write};

static uint64_t msix_read(void *ctx, uint64_t off, unsigned width)
{
    return off < 0x800 ? pci_msix_table_read(ctx, off, width) : pci_msix_pba_read(ctx, off - 0x800, width);
}
static void msix_write(void *ctx, uint64_t off, unsigned width, uint64_t value)
{
    pci_msix_table_write(ctx, off, width, value);
}
static const struct bus_ops msix_ops = {msix_read, msix_write};

static void dev_make(struct pci_dev *d, uint64_t *r)
{
    static const struct pci_ids ids = {0x1234, 0x5678, 0x9abc, 0xdef0, 0x010802, 7};

    pci_dev_init(d, "test", &ids);
    d->cfg[PCI_INTERRUPT_PIN] = 1;
    pci_bar_init(d, 0, PCI_BAR_MEM32, 0x1000, &reg_ops, r);
    pci_bar_init(d, 2, PCI_BAR_IO, 32, &reg_ops, r);
    pci_bar_init(d, 4, PCI_BAR_MEM32, 0x1000, &msix_ops, d);
    assert_int_equal(pci_msix_init(d, 4, 0, 0x800, 4), SK_OK);
    assert_int_equal(pci_dev_add(d), SK_OK);
}

static int setup(void **state)
{
    (void)state;
    fake_init();
    reg[0] = reg[1] = 0;
    assert_int_equal(pci_host_create(), SK_OK);
    dev_make(&dev, &reg[0]);
    dev_make(&other, &reg[1]);
    return 0;
}

/* Typed from [PCI-3.0 figure 6-1 and 6.2], not from regs.h. */
static void test_register_offsets(void **state)
{
    static const struct {
        unsigned off, width;
        uint32_t value;
    } expect[] = {
        {0x00, 2, 0x1234}, {0x02, 2, 0x5678}, {0x04, 2, 0x0003}, {0x06, 2, 0x0010}, {0x08, 1, 7},
        {0x09, 1, 2},      {0x0a, 1, 8},      {0x0b, 1, 1},      {0x0c, 4, 0},      {0x2c, 2, 0x9abc},
        {0x2e, 2, 0xdef0}, {0x34, 1, 0x40},   {0x3c, 1, 15},     {0x3d, 1, 1},      {0x40, 1, 0x11},
        {0x41, 1, 0},      {0x42, 2, 3},      {0x44, 4, 4},      {0x48, 4, 0x804},  {0x00, 4, 0x56781234},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(expect); i++) {
        assert_int_equal(cfg_read(1, expect[i].off, expect[i].width), expect[i].value);
    }
    assert_int_equal(PCI_MSIX_CONTROL_ENABLE, 0x8000);
    assert_int_equal(PCI_MSIX_CONTROL_MASK, 0x4000);
    assert_int_equal(PCI_COMMAND_NO_INTX, 0x400);
    assert_int_equal(PCI_STATUS_INTERRUPT, 8);
}

static void test_mechanism_1(void **state)
{
    (void)state;
    assert_int_equal(cfg_read(0, 8, 4) >> 16, 0x0600); // host bridge
    assert_int_equal(cfg_read(3, 0, 4), 0xffffffff);   // empty slot
    bus_port_write(0xcf8, 4, 0x00000800);              // not enabled
    assert_int_equal(bus_port_read(0xcfc, 4), 0xffffffff);
    bus_port_write(0xcf8, 4, 0x80010800); // bus 1
    assert_int_equal(bus_port_read(0xcfc, 4), 0xffffffff);
    bus_port_write(0xcf8, 4, 0x80000900); // function 1
    assert_int_equal(bus_port_read(0xcfc, 2), 0xffff);
    bus_port_write(0xcf8, 4, 0x81000800); // extended register
    assert_int_equal(bus_port_read(0xcfc, 4), 0xffffffff);
    bus_port_write(0xcf8, 4, 0xffffffff);
    assert_int_equal(bus_port_read(0xcf8, 4), 0x80fffffc); // reserved bits read zero
    bus_port_write(0xcf8, 2, 0);                           // only 32-bit accesses reach the address register
    assert_int_equal(bus_port_read(0xcf8, 4), 0x80fffffc);
    bus_port_write(0xcf8, 4, 0x80000800);
    assert_int_equal(bus_port_read(0xcfd, 1), 0x12);
    assert_int_equal(bus_port_read(0xcfe, 2), 0x5678);
}

static void test_read_only(void **state)
{
    (void)state;
    cfg_write(1, 0, 4, 0);
    cfg_write(1, 8, 4, 0xffffffff);
    cfg_write(1, 0x34, 4, 0);
    cfg_write(1, 0x3d, 1, 3);
    assert_int_equal(cfg_read(1, 0, 4), 0x56781234);
    assert_int_equal(cfg_read(1, 8, 4), 0x01080207);
    assert_int_equal(cfg_read(1, 0x34, 1), 0x40);
    assert_int_equal(cfg_read(1, 0x3d, 1), 1);
    cfg_write(1, 0x3c, 1, 0x55);
    assert_int_equal(cfg_read(1, 0x3c, 1), 0x55);
    cfg_write(1, 4, 2, 0xffff);
    assert_int_equal(cfg_read(1, 4, 2), 0x0547);
}

static void test_bar_sizing(void **state)
{
    uint32_t mem = cfg_read(1, 0x10, 4), io = cfg_read(1, 0x18, 4);

    (void)state;
    assert_in_range(mem, 0xc0000000, 0xfebff000);
    assert_in_range(io & ~1u, 0xc000, 0xffe0);
    cfg_write(1, 4, 2, 0);
    cfg_write(1, 0x10, 4, 0xffffffff);
    cfg_write(1, 0x14, 4, 0xffffffff);
    cfg_write(1, 0x18, 4, 0xffffffff);
    assert_int_equal(cfg_read(1, 0x10, 4), 0xfffff000);
    assert_int_equal(cfg_read(1, 0x14, 4), 0);
    assert_int_equal(cfg_read(1, 0x18, 4), 0xffffffe1);
    cfg_write(1, 0x10, 4, mem);
    cfg_write(1, 0x18, 4, io);
    cfg_write(1, 4, 2, 3);
    bus_mmio_write(mem, 4, 42);
    assert_int_equal(bus_port_read((uint16_t)(io & ~1u), 4), 42);
}

static void test_bar_moves(void **state)
{
    (void)state;
    uint32_t mem = cfg_read(1, 0x10, 4);

    reg[0] = 42;
    cfg_write(1, 0x10, 4, 0xd0000000);
    assert_int_equal(bus_mmio_read(mem, 4), 0xffffffff);
    assert_int_equal(bus_mmio_read(0xd0000ffc, 4), 42);
    cfg_write(1, 0x12, 1, 1); // byte by byte: 0xd0010000
    assert_int_equal(bus_mmio_read(0xd0010000, 4), 42);
    cfg_write(1, 4, 2, 1); // memory decoding off
    assert_int_equal(bus_mmio_read(0xd0010000, 4), 0xffffffff);
    cfg_write(1, 4, 2, 2);
    assert_int_equal(bus_mmio_read(0xd0010000, 4), 42);
    assert_int_equal(bus_port_read((uint16_t)(cfg_read(1, 0x18, 4) & ~1u), 4), 0xffffffff);
    cfg_write(1, 4, 2, 3);
    cfg_write(1, 0x18, 4, 0x12345); // beyond the 64 Ki ports: decoded nowhere
    assert_int_equal(bus_port_read(0x2340, 4), 0xffffffff);
}

static void test_bar_conflict(void **state)
{
    uint32_t theirs = cfg_read(2, 0x10, 4);

    (void)state;
    reg[0] = 42;
    reg[1] = 43;
    cfg_write(1, 0x10, 4, theirs);
    assert_int_equal(bus_mmio_read(theirs, 4), 43);
    cfg_write(2, 0x10, 4, 0xd0000000); // the first one's turn
    assert_int_equal(bus_mmio_read(theirs, 4), 42);
    assert_int_equal(bus_mmio_read(0xd0000000, 4), 43);
    cfg_write(1, 0x18, 4, 0xcf9); // over the configuration ports (0xce0): refused
    assert_int_equal(cfg_read(1, 0, 2), 0x1234);
}

static uint32_t table(void)
{
    return cfg_read(1, 0x20, 4);
}

static void entry_write(unsigned i, uint32_t address, uint32_t data, uint32_t control)
{
    bus_mmio_write(table() + 16 * i, 4, address);
    bus_mmio_write(table() + 16 * i + 8, 8, (uint64_t)control << 32 | data);
}

static void test_msix(void **state)
{
    (void)state;
    pci_msix_fire(&dev, 0);
    assert_int_equal(fake.msi.count, 0); // disabled
    cfg_write(1, 0x42, 2, 0x8000);
    pci_msix_fire(&dev, 1);
    assert_int_equal(fake.msi.count, 0); // masked after reset
    assert_int_equal(bus_mmio_read(table() + 0x800, 8), 2);
    entry_write(1, 0xfee01000, 0x4041, 0); // unmasking sends it
    assert_int_equal(fake.msi.count, 1);
    assert_int_equal(fake.msi.address, 0xfee01000);
    assert_int_equal(fake.msi.data, 0x4041);
    assert_int_equal(bus_mmio_read(table() + 0x800, 4), 0);
    cfg_write(1, 0x42, 2, 0xc000); // function mask
    pci_msix_fire(&dev, 1);
    assert_int_equal(fake.msi.count, 1);
    cfg_write(1, 0x42, 2, 0x8000);
    assert_int_equal(fake.msi.count, 2);
    pci_msix_fire(&dev, 4); // beyond the table
    pci_msix_fire(&dev, PCI_MSIX_NONE);
    assert_int_equal(fake.msi.count, 2);
    bus_mmio_write(table() + 0x800, 4, 0xff); // the PBA is read-only
    bus_mmio_write(table() + 64, 4, 0xff);    // behind the table
    bus_mmio_write(table() + 1, 2, 0xff);     // not an access that the table knows
    assert_int_equal(bus_mmio_read(table() + 0x800, 4), 0);
    assert_int_equal(bus_mmio_read(table() + 16, 8), 0xfee01000);
    assert_int_equal(bus_mmio_read(table() + 0, 4), 0);
}

static void test_intx(void **state)
{
    (void)state;
    pci_intx_set(&dev, true);
    assert_true(fake.line[17]);
    assert_int_equal(cfg_read(1, 6, 2), 0x18);
    cfg_write(1, 4, 2, 0x403); // interrupt disable
    assert_false(fake.line[17]);
    cfg_write(1, 4, 2, 3);
    assert_true(fake.line[17]);
    cfg_write(1, 0x42, 2, 0x8000); // MSI-X instead
    assert_false(fake.line[17]);
    cfg_write(1, 0x42, 2, 0);
    assert_true(fake.line[17]);
    pci_intx_set(&dev, false);
    assert_false(fake.line[17]);
    assert_int_equal(cfg_read(1, 6, 2), 0x10);
}

static void test_intx_shared(void **state)
{
    static struct pci_dev more[7];
    static const struct pci_ids ids = {1, 2, 3, 4, 0, 0};

    (void)state;
    for (unsigned i = 0; i < 7; i++) { // slots 3..9; 9 shares with 1
        pci_dev_init(&more[i], "more", &ids);
        more[i].cfg[PCI_INTERRUPT_PIN] = 1;
        assert_int_equal(pci_dev_add(&more[i]), SK_OK);
    }
    pci_intx_set(&dev, true);
    pci_intx_set(&more[6], true);
    pci_intx_set(&dev, false);
    assert_true(fake.line[17]);
    pci_intx_set(&more[6], false);
    assert_false(fake.line[17]);
}

static void test_reset(void **state)
{
    uint32_t mem = cfg_read(1, 0x10, 4);

    (void)state;
    cfg_write(1, 0x10, 4, 0xd0000000);
    cfg_write(2, 0x10, 4, mem);
    cfg_write(2, 4, 2, 0);
    cfg_write(1, 0x42, 2, 0x8000);
    entry_write(0, 1, 2, 0);
    pci_intx_set(&other, true);
    pci_host_reset();
    reg[0] = 42;
    assert_int_equal(cfg_read(1, 0x10, 4), mem);
    assert_int_equal(bus_mmio_read(mem, 4), 42);
    assert_int_equal(cfg_read(2, 4, 2), 3);
    assert_int_equal(cfg_read(1, 0x42, 2), 3);
    assert_int_equal(bus_mmio_read(table() + 12, 4), 1);
    assert_false(fake.line[18]);
}

static void test_bus_full(void **state)
{
    static struct pci_dev many[PCI_SLOTS];
    static const struct pci_ids ids = {1, 2, 3, 4, 0, 0};

    (void)state;
    for (unsigned slot = 3; slot < PCI_SLOTS; slot++) {
        pci_dev_init(&many[slot], "many", &ids);
        assert_int_equal(pci_dev_add(&many[slot]), SK_OK);
    }
    pci_dev_init(&many[0], "many", &ids);
    assert_int_equal(pci_dev_add(&many[0]), SK_ESLOTS);
    assert_int_equal(pci_host_type.probe(NULL, 0, "pci"), SK_EEXIST);
}

static void test_window_full(void **state)
{
    static struct pci_dev big;
    static const struct pci_ids ids = {1, 2, 3, 4, 0, 0};

    (void)state;
    pci_dev_init(&big, "big", &ids);
    pci_bar_init(&big, 0, PCI_BAR_MEM32, 0x40000000, &reg_ops, &reg[0]);
    assert_int_equal(pci_dev_add(&big), SK_ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_register_offsets, setup),
        cmocka_unit_test_setup(test_mechanism_1, setup),
        cmocka_unit_test_setup(test_read_only, setup),
        cmocka_unit_test_setup(test_bar_sizing, setup),
        cmocka_unit_test_setup(test_bar_moves, setup),
        cmocka_unit_test_setup(test_bar_conflict, setup),
        cmocka_unit_test_setup(test_msix, setup),
        cmocka_unit_test_setup(test_intx, setup),
        cmocka_unit_test_setup(test_intx_shared, setup),
        cmocka_unit_test_setup(test_reset, setup),
        cmocka_unit_test_setup(test_bus_full, setup),
        cmocka_unit_test_setup(test_window_full, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

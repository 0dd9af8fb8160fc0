// SPDX-License-Identifier: MIT
// The vbus language on a fake machine: good files, and one bad file per message.
#include "../src/config.h"
#include "machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pci pci;
static struct vbus_set set;
static struct luax_error err;

/* QEMU's machine "pc" with an NVMe controller. */
static void begin(struct config *c)
{
    machine_reset();
    memset(&pci, 0, sizeof pci);
    memset(&set, 0, sizeof set);
    set.pci = &pci;
    pci.hw = &machine_hw;
    machine_add(0, 0, 0, 0x12378086, 0x06000002);
    machine_add(0, 1, 0, 0x70008086, 0x06010000)->cfg[0x0e] = 0x80;
    machine_add(0, 1, 1, 0x70108086, 0x01018000);
    machine_add(0, 3, 0, 0x100e8086, 0x02000003);
    machine_nvme(4);
    pci_scan(&pci, 0, 0);
    machine_log[0] = 0;
    if (!config_open(c, &set, &err)) {
        fail_msg("%s", err.line);
    }
}

static void end(struct config *c)
{
    config_close(c);
    for (unsigned i = 0; i < set.count; i++) {
        free(set.bus[i].slot);
    }
}

static bool read_as(struct config *c, const char *name, const char *text)
{
    return config_read_text(c, name, text, strlen(text), &err);
}

static void good(const char *text)
{
    struct config c;

    begin(&c);
    if (!read_as(&c, "a.vbus", text)) {
        fail_msg("%s\n%s", err.line, err.trace);
    }
    end(&c);
}

static void bad(const char *text, const char *message)
{
    struct config c;

    begin(&c);
    assert_false(read_as(&c, "a.vbus", text));
    if (strstr(err.line, message) == NULL) {
        fail_msg("got '%s', expected '%s'", err.line, message);
    }
    end(&c);
}

static void logged(const char *text)
{
    if (strstr(machine_log, text) == NULL) {
        fail_msg("'%s' is not in the log:\n%s", text, machine_log);
    }
}

static const char tutorial[] = "Io.add_vbusses\n{\n  nvme = Io.Vi.System_bus(function ()\n    Property.num_msis = 2;\n"
                               "    PCI0 = Io.Vi.PCI_bus(function ()\n"
                               "      pci_hd = wrap(Io.system_bus():match(\"PCI/storage\"));\n    end);\n  end);\n};\n";

static void test_tutorial(void **state)
{
    (void)state;
    good(tutorial);
    assert_int_equal(set.count, 1);
    assert_string_equal(set.bus[0].name, "nvme");
    assert_int_equal(set.bus[0].num_msis, 2);
    assert_int_equal(set.bus[0].count, 2);
    logged("vbus 'nvme': device 0 is 'pci_hd': 00:01.1 8086:7010");
    logged("vbus 'nvme': device 1 is 'pci_hd[1]': 00:04.0 1b36:0010 class 010802, MSI-X 65, MSI 0");
}

static void test_same_file_twice(void **state)
{
    struct config c;

    (void)state;
    begin(&c);
    assert_true(read_as(&c, "rom/nvme.vbus", tutorial));
    assert_true(read_as(&c, "rom/nvme.vbus", tutorial));
    assert_int_equal(set.count, 1);
    assert_int_equal(set.bus[0].count, 2);
    assert_null(strstr(machine_log, "warning"));
    assert_null(strstr(machine_log, "error"));
    logged("rom/nvme.vbus is given again; nothing to do");
    assert_false(read_as(&c, "rom/other.vbus", tutorial));
    assert_string_equal(err.line,
                        "rom/other.vbus:1: vbus 'nvme' is already defined by rom/nvme.vbus; rename one of them");
    end(&c);
}

static void test_forms(void **state)
{
    (void)state;
    /* a table instead of functions; several patterns, one device only once; names outside are visible inside */
    good(
        "local hw = Io.system_bus()\n"
        "Io.add_vbusses { disks = Io.Vi.System_bus { num_msis = 3, Io.Vi.PCI_bus { nvme = wrap(hw:match('PCI/nvme')),\n"
        "  ide = hw:match('PCI/CC_0101', 'PCI/storage&VEN_8086') } },\n"
        "  net = Io.Vi.System_bus(function() assert(Property.num_msis == nil); Property.num_msis = 1\n"
        "    assert(Property.num_msis == 1); assert(type(print) == 'function')\n"
        "    n = wrap(Io.system_bus():match('PCI/network')[1]); assert(n) end) }");
    assert_int_equal(set.count, 2);
    assert_string_equal(set.bus[0].name, "disks");
    assert_int_equal(set.bus[0].count, 2);
    assert_int_equal(set.bus[0].num_msis, 3);
    assert_int_equal(set.bus[1].count, 1);
    good("Io.add_vbus('empty', Io.Vi.System_bus(function() end))");
    assert_int_equal(set.bus[0].num_msis, 0);
    good("Io.add_vbusses { a = Io.Vi.System_bus { Property = { num_msis = 4 } } }");
    assert_int_equal(set.bus[0].num_msis, 4);
}

static void test_matches_nothing(void **state)
{
    (void)state;
    good("Io.add_vbusses { nvme = Io.Vi.System_bus { Io.Vi.PCI_bus { hd = wrap(Io.system_bus():match('PCI/CC_0c03')) "
         "} } }");
    assert_int_equal(set.count, 1);
    logged("warning: vbus 'nvme': \"PCI/CC_0c03\" (hd) matches no device; there are: 00:00.0 8086:1237 class 060000, "
           "00:01.0 8086:7000 class 060100, 00:01.1 8086:7010 class 010180, 00:03.0 8086:100e class 020000, "
           "00:04.0 1b36:0010 class 010802\n");
}

#define BUS "Io.add_vbusses { x = Io.Vi.System_bus(function()\n"

static void test_errors(void **state)
{
    (void)state;
    bad("Io.add_vbusses {", "a.vbus:1: unexpected symbol near <eof>");
    bad(BUS "Property.num_msi = 2 end) }", "a.vbus:2: unknown property 'num_msi' of System_bus (known: num_msis)");
    bad(BUS "Property.num_msis = 'two' end) }", "a.vbus:2: Property.num_msis must be a number from 0 to 1024, not two");
    bad(BUS "Property.num_msis = -1 end) }", "a.vbus:2: Property.num_msis must be");
    bad(BUS "b = Io.Vi.PCI_bus(function()\nProperty.num_msis = 2 end) end) }",
        "a.vbus:3: unknown property 'num_msis' of PCI_bus (it has none; num_msis belongs to System_bus)");
    bad("Io.Vi.Sytem_bus(function() end)", "a.vbus:1: Io.Vi has no 'Sytem_bus' (it has: PCI_bus, System_bus)");
    bad("Io.add_buses {}", "a.vbus:1: Io has no 'add_buses'");
    bad("Io.Hw.Device()", "a.vbus:1: Io.Hw has no 'Device' (hardware descriptions are not supported");
    bad("Io.Res.mmio()", "a.vbus:1: Io.Res has no 'mmio'");
    bad("Io.system_bus():find('x')", "a.vbus:1: Io.system_bus() has no 'find' (it has: match)");
    bad("Io.system_bus().match('x')", "a.vbus:1: match is called with a colon");
    bad("Io.system_bus():match()", "a.vbus:1: match() without a pattern");
    bad("Io.system_bus():match(3)", "a.vbus:1: match: pattern 1 is a number");
    bad("Io.system_bus():match('PCI/storag')", "a.vbus:1: match: 'PCI/storag': 'storag' is no match term");
    bad("Io.system_bus():match('ACPI/x')", "a.vbus:1: match: 'ACPI/x' does not begin with \"PCI/\"");
    bad("wrap()", "a.vbus:1: wrap() without devices");
    bad("wrap('PCI/storage')", "a.vbus:1: wrap: argument 1 is a string");
    bad("wrap(nil)", "a.vbus:1: wrap: argument 1 is a nil");
    bad(BUS "d = 5 end) }", "a.vbus:2: System_bus: 'd' is a number; it must be wrap(...)");
    bad(BUS "d = Io.Vi.System_bus(function() end) end) }", "a.vbus:2: a System_bus cannot be inside a System_bus");
    bad(BUS "d = Io.Vi.PCI_bus{} d = Io.Vi.PCI_bus{} end) }", "a.vbus:2: System_bus: 'd' is defined twice");
    bad("Io.Vi.PCI_bus(3)", "a.vbus:1: Io.Vi.PCI_bus takes a function or a table, not a number");
    bad("Io.add_vbusses(3)", "a.vbus:1: add_vbusses takes a table of buses");
    bad("Io.add_vbusses { Io.Vi.System_bus {} }", "a.vbus:1: add_vbusses: a vbus needs a name");
    bad("Io.add_vbusses { x = 1 }", "a.vbus:1: add_vbusses: 'x' must be an Io.Vi.System_bus(...), not a number");
    bad("Io.add_vbusses { x = Io.Vi.PCI_bus {} }", "a.vbus:1: add_vbusses: 'x' must be an Io.Vi.System_bus(...)");
    bad("Io.add_vbusses { [('x'):rep(32)] = Io.Vi.System_bus {} }", "a name has 1 to 31 characters");
    bad("for i = 1, 17 do Io.add_vbus('b' .. i, Io.Vi.System_bus {}) end", "there are 16 virtual buses already");
    bad("Io.add_vbus('b', Io.Vi.System_bus {})\nIo.add_vbus('b', Io.Vi.System_bus {})",
        "a.vbus:2: vbus 'b' is already defined by a.vbus");
    bad("Property.x = 3", "a.vbus:1: attempt to index a nil value (global 'Property')");
    bad("Io.add_vbusses { a = Io.Vi.System_bus { Io.system_bus():match('PCI/nvme') },\n"
        "  b = Io.Vi.System_bus { Io.system_bus():match('PCI/storage') } }",
        "vbus 'b': device 00:04.0 is on vbus 'a' already; a device can be on one vbus only");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tutorial),        cmocka_unit_test(test_same_file_twice), cmocka_unit_test(test_forms),
        cmocka_unit_test(test_matches_nothing), cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

# SPDX-License-Identifier: MIT
IO_CONFIG_LUA := $(SRC)/pkg/io/src/io.lua
PROG_io_CFLAGS := -DIO_CONFIG_LUA=\"$(IO_CONFIG_LUA)\"
PROG_io_LDLIBS := $(LUA_LIB)
$(call program,io,acpi lua proto rt sk util)
$(O)/obj/user/pkg/io/src/io_lua.S.o: $(IO_CONFIG_LUA)

IO_LOGIC := pkg/io/src/pci_scan.c pkg/io/src/pci_dev.c pkg/io/src/pci_irq.c pkg/io/src/match.c pkg/io/src/vbus.c
$(call host-test,io_pci,pkg/io/test/pci_test.c pkg/io/test/machine.c $(IO_LOGIC) lib/acpi/src/acpi.c,acpi util)
$(call host-test,io_regs,pkg/io/test/regs_test.c,util)
TEST_io_config_CFLAGS := -DIO_CONFIG_LUA=\"$(IO_CONFIG_LUA)\" -I$(SRC)/pkg/io/src
TEST_io_config_LDLIBS := $(HOST_LUA_LIBS)
$(call host-test,io_config,pkg/io/test/config_test.c pkg/io/test/machine.c pkg/io/src/config.c pkg/io/src/io_lua.S \
    $(IO_LOGIC) lib/acpi/src/acpi.c lib/lua/src/luax.c,acpi lua util)
$(TEST_io_config_OBJ): $(IO_CONFIG_LUA)
$(call fuzz-target,io_match,pkg/io/test/match_fuzz.c pkg/io/src/match.c pkg/io/src/pci_scan.c pkg/io/src/log.c,acpi util,pkg/io/test/corpus-match)
$(call fuzz-target,io_pci,pkg/io/test/pci_fuzz.c $(IO_LOGIC) lib/acpi/src/acpi.c pkg/io/src/log.c,acpi util,pkg/io/test/corpus-pci)

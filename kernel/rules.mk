# SPDX-License-Identifier: MIT
# The kernel: every .c and .S below kernel/ (but tests) in one image.
#
#   $(O)/bin/kernel      what loaders get: ELF32 (QEMU's -kernel refuses ELF64 for multiboot), stripped
#   $(O)/bin/kernel.dbg  ELF64 with symbols
# $(call kernel-link,OUT,OBJECT): recipe that links OUT and OUT.dbg with one object more (kernel/builtin.h).
KERNEL := $(O)/bin/kernel
KERNEL_SRC := $(patsubst $(SRC)/%,%,$(shell find $(SRC)/kernel -path $(SRC)/kernel/test -prune -o \( -name '*.c' -o -name '*.S' \) -print | LC_ALL=C sort))
KERNEL_OBJ := $(KERNEL_SRC:%=$(O)/obj/kernel/%.o) $(O)/obj/kernel/version.o
KERNEL_LDS := $(SRC)/kernel/arch/x86_64/kernel.lds
KERNEL_LD := ld -m elf_x86_64 -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none --no-warn-rwx-segments -T $(KERNEL_LDS)
KERNEL_SYMS := $(O)/obj/kernel/symbols.o

SKERRY_VERSION := 0.1
SKERRY_COMMIT := $(shell git -C $(SRC) rev-parse --short=10 HEAD 2>/dev/null || echo release)

define kernel-link
$(Q)$(KERNEL_LD) -o $1.dbg $(KERNEL_OBJ) $(KERNEL_SYMS) $2
$(Q)$(OBJCOPY) -O elf32-i386 --strip-all $1.dbg $1
endef

$(O)/obj/kernel/version.c: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' 'extern const char kernel_version[];' \
	    'const char kernel_version[] = "Skerry $(SKERRY_VERSION) ($(SKERRY_COMMIT))";' > $@.new
	$(Q)cmp -s $@ $@.new && rm $@.new || mv $@.new $@
$(O)/obj/kernel/version.o: $(O)/obj/kernel/version.c $(O)/flags
	$(Q)$(CC) $(KERNEL_CFLAGS) -c -o $@ $<

# First link: only to learn the functions' addresses, which the symbol table behind them does not change.
$(KERNEL_SYMS): $(KERNEL_OBJ) $(KERNEL_LDS) $(SRC)/kernel/arch/x86_64/gen-symbols.py
	$(call say,SYMS,$@)
	$(Q)$(KERNEL_LD) -o $(@D)/first.elf $(KERNEL_OBJ)
	$(Q)nm -n $(@D)/first.elf > $(@D)/first.nm
	$(Q)python3 $(SRC)/kernel/arch/x86_64/gen-symbols.py $(@D)/first.nm > $(@D)/symbols.S
	$(Q)$(CC) -c -o $@ $(@D)/symbols.S

$(KERNEL): $(KERNEL_OBJ) $(KERNEL_SYMS) $(KERNEL_LDS)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(call kernel-link,$@,)

include $(SRC)/kernel/test/vm.mk

# --- tests of the pure parts: kernel/test/arch ---
ARCH_TEST_INC := -I$(SRC)/kernel/include -I$(SRC)/kernel/arch/x86_64
TEST_arch-multiboot_CFLAGS := $(ARCH_TEST_INC)
TEST_arch-memmap_CFLAGS := $(ARCH_TEST_INC)
TEST_arch-page_table_CFLAGS := $(ARCH_TEST_INC)
TEST_arch-acpi_CFLAGS := $(ARCH_TEST_INC)
TEST_arch-console_CFLAGS := $(ARCH_TEST_INC)
$(call host-test,arch-multiboot,kernel/test/arch/multiboot_test.c kernel/arch/x86_64/multiboot.c)
$(call host-test,arch-memmap,kernel/test/arch/memmap_test.c kernel/arch/x86_64/memmap.c)
$(call host-test,arch-page_table,kernel/test/arch/page_table_test.c kernel/arch/x86_64/page_table.c)
$(call host-test,arch-console,kernel/test/arch/console_test.c)
$(call host-test,arch-acpi,kernel/test/arch/acpi_test.c kernel/arch/x86_64/acpi.c)
TEST_kernel-multiboot_CFLAGS := $(ARCH_TEST_INC)
TEST_kernel-acpi_CFLAGS := $(ARCH_TEST_INC)
$(call fuzz-target,kernel-multiboot,kernel/test/arch/multiboot_fuzz.c kernel/arch/x86_64/multiboot.c kernel/arch/x86_64/memmap.c,,kernel/test/arch/corpus/multiboot)
$(call fuzz-target,kernel-acpi,kernel/test/arch/acpi_fuzz.c kernel/arch/x86_64/acpi.c,,kernel/test/arch/corpus/acpi)

# --- tests of the core: kernel/test/host ---
include $(SRC)/kernel/test/rules.mk

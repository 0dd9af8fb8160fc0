# SPDX-License-Identifier: MIT
# Booting entries of modules.list: make E=ENTRY qemu | bochs | elfimage | grub2iso | show, make listentries.
# The user's settings: Makeconf.boot of the build folder (conf/Makeconf.boot) or of the source tree.
-include $(firstword $(wildcard $(O)/conf/Makeconf.boot $(SRC)/conf/Makeconf.boot))

MODULES_LIST ?= $(firstword $(wildcard $(O)/conf/modules.list) $(SRC)/conf/modules.list)
E ?= $(ENTRY)

# The defaults: the tutorial's machine; the entry "debian" has a disk of its own and needs more memory.
QEMU_OPTIONS ?= -serial mon:stdio
ifeq ($(origin QEMU_OPTIONS-amd64),undefined)
DISK_debian := $(O)/guest/debian.img
MEMORY_debian := 1024
DEFAULT_DISK := $(or $(DISK_$(E)),$(SRC)/images/disk.img)
QEMU_OPTIONS-amd64 := -m $(or $(MEMORY_$(E)),512) -display none \
    -drive if=none,file=$(DEFAULT_DISK),format=raw,id=D1 -device nvme,drive=D1,serial=MYNVMECTLSN
endif

sh-quote = '$(subst ','\'',$1)'
skboot = $(SRC)/tools/boot/skboot $1 --entry $(call sh-quote,$(E)) --list $(call sh-quote,$(MODULES_LIST)) --src $(SRC) --build $(O) \
    --search $(call sh-quote,$(MODULE_SEARCH_PATH)) --qemu-path $(call sh-quote,$(QEMU_PATH)) \
    --qemu-options $(call sh-quote,$(QEMU_OPTIONS) $(QEMU_OPTIONS-amd64))

# What Bochs emulates: a model of `bochs --help cpu`, how many, and MiB.
BOCHS_CPU ?= corei7_skylake_x
BOCHS_CPUS ?= 1
BOCHS_MEMORY ?= 512

.PHONY: qemu bochs elfimage grub2iso listentries show guest debian tiny memtest
listentries show:
	$(Q)$(call skboot,$@)
qemu: all $(DEFAULT_DISK)
	$(Q)$(call skboot,$@)
grub2iso: all
	$(Q)$(call skboot,$@)
bochs: all
	$(Q)$(call skboot,$@) --bochs-cpu $(call sh-quote,$(BOCHS_CPU)) --bochs-cpus $(call sh-quote,$(BOCHS_CPUS)) \
	    --bochs-memory $(call sh-quote,$(BOCHS_MEMORY))
elfimage: all
	$(Q)$(call skboot,$@) > /dev/null
	$(Q)mkdir -p $(O)/images
	$(call kernel-link,$(O)/images/$(E).elf,$(O)/boot/$(E)/builtin.o)
	@echo $(O)/images/$(E).elf

# The kernel under the name by which scenarios written for Fiasco know it, where they look for it.
KERNEL_EXTRA += $(O)/fiasco
$(O)/fiasco: $(KERNEL)
	$(Q)ln -sf bin/kernel $@

$(SRC)/images/disk.img:
	$(call say,IMAGE,$@)
	$(Q)mkdir -p $(@D) && truncate -s 10M $@

# The default guest: Debian's cloud kernel, busybox and the modules it needs.
guest: $(O)/guest/bzImage $(O)/guest/ramdisk-x86_64.cpio.gz
$(O)/guest/bzImage: $(SRC)/tools/guest/fetch-kernel
	$(call say,FETCH,$@)
	$(Q)$(SRC)/tools/guest/fetch-kernel $(O)/guest
$(O)/guest/ramdisk-x86_64.cpio.gz: $(SRC)/tools/guest/mkramdisk $(SRC)/tools/guest/sh $(O)/guest/bzImage
	$(call say,CPIO,$@)
	$(Q)$(SRC)/tools/guest/mkramdisk $(O)/guest $@

# An ordinary Debian 12 on a disk image; remove the image to have it made anew. Its options: make debian MKDEBIAN_OPTIONS="-i fio".
debian: $(O)/guest/debian.img
$(O)/guest/debian.img: # never made again by itself: it is somebody's system
	$(call say,DEBIAN,$@)
	$(Q)$(SRC)/tools/guest/mkdebian $(MKDEBIAN_OPTIONS) $(O)/guest

# Guests of other kinds: the smallest Linux (minutes to build), and one that is no Linux.
tiny: $(O)/guest/tiny-bzImage
$(O)/guest/tiny-bzImage: $(SRC)/tools/guest/mktiny $(SRC)/tools/guest/tiny.config
	$(call say,TINY,$@)
	$(Q)$(SRC)/tools/guest/mktiny $(O)/guest
memtest: $(O)/guest/memtest86+x64.bin
$(O)/guest/memtest86+x64.bin: # once fetched, it stays
	$(call say,FETCH,$@)
	$(Q)$(SRC)/tools/guest/fetch-program $(O)/guest memtest86+ memtest86+x64.bin

# `make config` accepts the defaults; config.mk of the build folder may override tools and flags.
config:
	$(Q)mkdir -p $(O)
	$(Q)[ -e $(O)/config.mk ] || printf '%s\n' '# Settings of this build folder: CC, MUSL_CC, CLANG, ...' > $(O)/config.mk
	@echo "Configured $(O) for x86_64 with the defaults; settings: $(O)/config.mk"

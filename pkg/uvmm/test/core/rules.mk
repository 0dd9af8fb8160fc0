# SPDX-License-Identifier: MIT
# Host tests of everything in uvmm that needs no kernel: decoder, platform devices, boot, CPUID and MSR policy.
UVMM_CORE_SRC := $(addprefix pkg/uvmm/src/,bus.c console.c gmem.c log.c options.c timer.c device_tree.c acpi/acpi_tables.c \
    boot/bzimage.c boot/linux_boot.c boot/ramdisk.c boot/deflate.c cpu/callsite.c cpu/cpuid.c cpu/decode.c cpu/emulate.c cpu/msr.c cpu/paging.c cpu/pvclock.c dev/ioapic.c dev/irq.c \
    dev/lapic.c dev/lapic_ipi.c dev/lapic_timer.c dev/pic.c dev/pit.c dev/power.c dev/rtc.c dev/uart.c) pkg/uvmm/test/core/fakes.c
UVMM_CORE_TESTS := decode irq platform boot tree ramdisk
UVMM_CORE_FUZZ := decode devices files
$(foreach t,$(UVMM_CORE_TESTS),$(eval TEST_uvmm-$t_LDLIBS := -lfdt))
$(foreach t,$(UVMM_CORE_FUZZ),$(eval TEST_uvmm-$t_LDLIBS := -lfdt))
$(foreach t,$(UVMM_CORE_TESTS),$(call host-test,uvmm-$t,pkg/uvmm/test/core/$t_test.c $(UVMM_CORE_SRC),sk util))
$(foreach t,$(UVMM_CORE_FUZZ),$(call fuzz-target,uvmm-$t,pkg/uvmm/test/core/$t_fuzz.c $(UVMM_CORE_SRC),sk util,pkg/uvmm/test/core/corpus/$t))

TEST_uvmm-monitor_LDLIBS := -lfdt
$(call fuzz-target,uvmm-monitor,pkg/uvmm/test/core/monitor_fuzz.c $(addprefix pkg/uvmm/src/monitor/,commands.c memory.c monitor.c stack.c) \
    lib/shell/src/shell.c $(UVMM_CORE_SRC),shell virtio proto sk util,pkg/uvmm/test/core/corpus/monitor)

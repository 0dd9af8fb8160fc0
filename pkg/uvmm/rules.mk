# SPDX-License-Identifier: MIT
# uvmm, its device tree and its DSDT; host tests of the models.
PROG_uvmm_CFLAGS := -DUVMM_DSDT='"$(O)/obj/uvmm/dsdt.aml"'
PROG_uvmm_LDLIBS := $(addprefix /usr/lib/x86_64-linux-gnu/,libfdt.a libext2fs.a libcom_err.a)
$(call program,uvmm,gpt sk rt proto shell util virtio)

$(O)/obj/uvmm/dsdt.aml: $(SRC)/pkg/uvmm/src/acpi/dsdt.asl
	$(call say,IASL,$@)
	$(Q)mkdir -p $(@D) && iasl -p $(basename $@) $< > $(basename $@).log || { cat $(basename $@).log; exit 1; }
$(O)/obj/user/pkg/uvmm/src/acpi/dsdt.S.o: $(O)/obj/uvmm/dsdt.aml

EXTRA_TARGETS += $(O)/bin/virt-pc.dtb
$(O)/bin/virt-pc.dtb: $(SRC)/pkg/uvmm/configs/dts/virt-pc.dts
	$(call say,DTC,$@)
	$(Q)mkdir -p $(@D) && dtc -@ -I dts -O dtb -o $@ $<

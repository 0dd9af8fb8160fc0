# SPDX-License-Identifier: MIT
# Host tests of booting from the guest's own disk.
UVMM_DISKBOOT_SRC := $(addprefix pkg/uvmm/src/boot/,bootcfg.c diskboot.c extfs.c) pkg/uvmm/src/log.c lib/gpt/src/gpt.c lib/gpt/src/mbr.c
TEST_uvmm-bootcfg_LDLIBS :=
TEST_uvmm-diskboot_LDLIBS := -lext2fs -lcom_err
$(call host-test,uvmm-bootcfg,pkg/uvmm/test/boot/bootcfg_test.c pkg/uvmm/src/boot/bootcfg.c,util)
$(call host-test,uvmm-diskboot,pkg/uvmm/test/boot/diskboot_test.c pkg/uvmm/test/boot/image.c $(UVMM_DISKBOOT_SRC),gpt util)
$(call fuzz-target,uvmm-bootcfg,pkg/uvmm/test/boot/bootcfg_fuzz.c pkg/uvmm/src/boot/bootcfg.c,util,pkg/uvmm/test/boot/corpus/bootcfg)
$(call fuzz-target,uvmm-diskboot,pkg/uvmm/test/boot/diskboot_fuzz.c pkg/uvmm/test/boot/image.c $(UVMM_DISKBOOT_SRC),gpt util,pkg/uvmm/test/boot/corpus/diskboot)

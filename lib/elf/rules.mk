# SPDX-License-Identifier: MIT
LIB_elf_DEPS := util
$(call library,elf)
$(call host-test,elf_image_test,lib/elf/test/image_test.c lib/elf/src/image.c,elf util)
$(call fuzz-target,elf_image,lib/elf/test/image_fuzz.c lib/elf/src/image.c,elf util,lib/elf/test/corpus)

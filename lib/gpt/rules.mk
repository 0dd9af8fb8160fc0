# SPDX-License-Identifier: MIT
LIB_gpt_DEPS := util
LIB_gpt_CFLAGS := -Os
$(call library,gpt)
$(call host-test,gpt,lib/gpt/test/gpt_test.c lib/gpt/src/gpt.c,gpt util)
$(call host-test,mbr,lib/gpt/test/mbr_test.c lib/gpt/src/mbr.c,gpt util)
$(call fuzz-target,gpt,lib/gpt/test/gpt_fuzz.c lib/gpt/src/gpt.c,gpt util,lib/gpt/test/corpus/gpt)
$(call fuzz-target,mbr,lib/gpt/test/mbr_fuzz.c lib/gpt/src/mbr.c,gpt util,lib/gpt/test/corpus/mbr)

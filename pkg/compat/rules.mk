# SPDX-License-Identifier: MIT
# Modules that entries written for L4Re name, or that it adds by default, and that Skerry has no use for: tiny text
# files in their place, so that such entries boot unchanged.
COMPAT_FILES := $(O)/bin/l4re $(O)/bin/sigma0 $(O)/bin/bootstrap
EXTRA_TARGETS += $(COMPAT_FILES)
$(COMPAT_FILES): $(SRC)/pkg/compat/rules.mk
	$(call say,TEXT,$@)
	$(Q)mkdir -p $(@D) && printf '%s\n' 'Skerry needs no module $(@F): moe does that work. This file is here for entries of modules.list that name it.' > $@

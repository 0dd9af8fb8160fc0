# SPDX-License-Identifier: MIT
# make B=DIR: makes DIR a build folder.
BUILDDIR := $(abspath $(B))

.PHONY: builddir
builddir:
	@if [ -e "$(BUILDDIR)" ] && [ ! -e "$(BUILDDIR)/.skerry-build" ] && [ -n "$$(ls -A "$(BUILDDIR)")" ]; then \
	    echo "make B=$(B): the folder exists, is not empty and is no Skerry build folder; choose another" >&2; exit 1; fi
	@mkdir -p "$(BUILDDIR)"
	@touch "$(BUILDDIR)/.skerry-build"
	@printf '%s\n' '# Made by "make B=$(B)" in $(SRC).' 'O := $$(patsubst %/,%,$$(dir $$(abspath $$(lastword $$(MAKEFILE_LIST)))))' \
	    'SRC := $(SRC)' 'include $$(SRC)/mk/main.mk' > "$(BUILDDIR)/Makefile"
	@echo "Build folder $(BUILDDIR) is ready: cd there, make config, make -j$$(nproc)"

.DEFAULT_GOAL := builddir

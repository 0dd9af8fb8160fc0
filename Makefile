# SPDX-License-Identifier: MIT
# Skerry's build. In the source tree it builds into build/; `make B=DIR` makes a build folder that has
# the same targets. See docs/building.md.
SRC := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))

ifdef B
include $(SRC)/mk/builddir.mk
else
O ?= $(SRC)/build
include $(SRC)/mk/main.mk
endif
